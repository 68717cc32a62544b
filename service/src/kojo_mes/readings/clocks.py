"""A sender's clock against the service's: how far it may be off, and what becomes of what is beyond. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from kojo_mes.kit.settings import ReadingSettings, SkewPolicy

OLDEST = timedelta(days=27)  # the month before is always there to hold it (migration 0002)
FARTHEST = timedelta(hours=1)  # a flagged reading of the future would be the latest one for so long


class Tuned(Protocol):
    """A device's own; None is the plant's default. Seconds."""

    skew_policy: str | None
    skew_ahead: float | None
    skew_behind: float | None


@dataclass(frozen=True)
class Clock:
    """What is allowed of a sender's clock. Readings may wait before they are sent: `behind` counts their waiting."""

    policy: SkewPolicy
    ahead: timedelta
    behind: timedelta

    def undoubted(self, now: datetime) -> tuple[datetime, datetime]:
        """A time from the first to the second has no fault and isn't skewed: nearly all have one."""
        return now - min(self.behind, OLDEST), now + min(self.ahead, FARTHEST)

    def fault(self, time: datetime, now: datetime) -> str | None:
        """Why a reading of this time is not taken."""
        flags = self.policy is SkewPolicy.FLAG
        ahead, behind = (FARTHEST, OLDEST) if flags else (self.ahead, min(self.behind, OLDEST))
        if time > now + ahead:
            return f"is in the future; the sender's clock may be ahead by {ahead.total_seconds():g} s at most"
        if time < now - behind:
            return f"is older than {behind.total_seconds() / 86400:g} days"
        return None

    def is_skewed(self, time: datetime, now: datetime) -> bool:
        """Is a reading that is taken beyond what is allowed?"""
        return not now - self.behind <= time <= now + self.ahead


def clock_of(device: Tuned | None, settings: ReadingSettings) -> Clock:
    """The device's own, and the plant's for what it has none of its own; the plant's for the keys of the settings."""
    policy = device.skew_policy if device else None
    ahead = device.skew_ahead if device else None
    behind = device.skew_behind if device else None
    return Clock(
        SkewPolicy(policy or settings.reading_skew_policy),
        timedelta(seconds=settings.reading_skew_ahead if ahead is None else ahead),
        timedelta(seconds=settings.reading_skew_behind if behind is None else behind),
    )
