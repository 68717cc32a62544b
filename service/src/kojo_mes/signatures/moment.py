"""The time of a signature, and how far it can be relied on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from kojo_mes.kit.clock import now
from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.settings import ClockCheck
from kojo_mes.signatures.accuracy import ClockUnreadable, disagreement, kernel_clock
from kojo_mes.signatures.policy import policy
from kojo_mes.signatures.refusal import Refusal
from kojo_mes.signatures.schemas import ClockStatus

KIND = "clock-unreliable"


class Moment(NamedTuple):
    time: datetime
    status: ClockStatus
    error: float | None  # s


async def moment(session: ReadSession, refuse: Refusal) -> Moment:
    """The primary's time. This host's kernel knows how good its own clock is, and the two clocks are compared: the
    sum bounds the error. Two clocks that disagree are refused even when nobody asks the kernel."""
    rules = policy(session)
    before = datetime.now(UTC)
    time = await now(session)
    apart = disagreement(before, time, datetime.now(UTC))
    if apart > rules.clock_limit:
        raise refuse.unavailable(KIND, "The clocks of service and database disagree", f"By {apart:.3f} s or more.")
    if rules.clock_check is ClockCheck.OFF:
        return Moment(time, ClockStatus.UNCHECKED, None)
    try:
        clock = kernel_clock()
    except ClockUnreadable as error:
        raise refuse.unavailable(KIND, "The state of the clock can't be read", str(error)) from error
    if not clock.synchronised:
        raise refuse.unavailable(KIND, "The clock is not synchronised", "Signatures wait until it is.")
    error_bound = clock.largest_error + apart
    if error_bound > rules.clock_limit:
        detail = f"By up to {error_bound:.3f} s; signatures need {rules.clock_limit} s or better."
        raise refuse.unavailable(KIND, "The clock may be off too far", detail)
    return Moment(time, ClockStatus.SYNCHRONISED, error_bound)
