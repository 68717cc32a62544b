"""The health score of a piece of equipment, and why it is made like this. Pure."""

from __future__ import annotations

from dataclasses import dataclass

THERMAL, RUNNING, GOOD = 40.0, 30.0, 30.0
HEADROOM_FROM = 0.8  # of the limit


@dataclass(frozen=True)
class Health:
    """Points, 0 to 100, and what they are the sum of."""

    thermal: float
    running: float
    good: float

    @property
    def score(self) -> float:
        return self.thermal + self.running + self.good


def health_of(
    temperature: float | None,
    limit: float,
    running_share: float | None,
    good: float | None,
    rejected: float | None,
) -> Health | None:
    """score = 40 × headroom + 30 × share of time running + 30 × share of good units, over the last 10 minutes.

    * headroom = (limit − temperature) / (0.2 × limit), kept within 0 and 1: all points up to 80 % of the equipment's
      own limit in °C, none at the limit. The limit is the point at which an operator must act, so the warning is spread
      over the last fifth before it, where acting still helps; colder than that is not healthier. It weighs most, as it
      is the only one of the three that comes before a failure instead of with it.
    * running and good units are the equipment's own parts of availability and quality ratio (ISO 22400-2): a machine
      that stops often or makes scrap is due for maintenance however cool it is. They weigh the same: neither alone
      takes a machine below 70, the two together or heat do. While nothing was made, nothing was bad: all points for it.

    The score ranks equipment for maintenance; it is no KPI of a standard and no input of OEE. None when temperature,
    running share or counts are not known: a score without one of its inputs would be a guess.
    """
    if temperature is None or running_share is None or good is None or rejected is None:
        return None
    headroom = min(1.0, max(0.0, (limit - temperature) / ((1 - HEADROOM_FROM) * limit)))
    made = good + rejected
    return Health(THERMAL * headroom, RUNNING * running_share, GOOD * (good / made if made else 1.0))
