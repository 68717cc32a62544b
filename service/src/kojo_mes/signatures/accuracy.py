"""How far the time of a signature may be off (21 CFR 11.10(a), IEC 62443-3-3 SR 2.11)."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from datetime import datetime

STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; what comes after `status` is not looked at."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


@dataclass(frozen=True)
class KernelClock:
    synchronised: bool
    largest_error: float  # s


class ClockUnreadable(Exception):
    """The kernel doesn't say how good its clock is."""


def kernel_clock() -> KernelClock:
    """What the kernel was told by chrony or ntpd. A clock that was set by hand counts as not synchronised, and the
    largest error grows by 500 ppm while nobody disciplines it: adjtimex(2) with modes 0, which needs no privilege."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        raise ClockUnreadable(os.strerror(ctypes.get_errno()))
    return KernelClock(not timex.status & STA_UNSYNC, timex.maxerror / 1e6)


def disagreement(before: datetime, other: datetime, after: datetime) -> float:
    """Seconds by which another clock, asked between `before` and `after`, is surely off this one."""
    return max(0.0, (before - other).total_seconds(), (other - after).total_seconds())
