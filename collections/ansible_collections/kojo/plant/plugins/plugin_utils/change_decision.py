# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What is asked about a change, and the two answers: the service and the approval files give the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

GOES_ON = timedelta(days=1)  # as long may a run that was cut be taken up again


class Authority(StrEnum):
    SERVICE = "service"
    FILES = "files"


class Basis(StrEnum):
    """The service's own words."""

    APPROVALS = "two-approvals"
    BREAK_GLASS = "break-glass"


class Refused(Exception):
    """The change may not be carried out: every reason that is known."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Question:
    """May REFERENCE, such as a run of deploy.yml, bring the artefact with this SHA-256 to this plant?"""

    change: str
    digest: str
    plant: str
    reference: str


@dataclass(frozen=True)
class Grant:
    """It may. `used`: the same reference has used the change up already."""

    authority: Authority
    basis: Basis | None
    during_production: bool
    until: datetime | None = None
    used: bool = False
    approvers: tuple[str, ...] = ()
    reason: str | None = None
    review_due: datetime | None = None


def same_use(question: Question, reference: str, at: datetime, moment: datetime) -> None:
    """Refused unless the use of a change, for REFERENCE and AT that time, is the question's own and goes on."""
    used = f"it was used at {show(at)} for {reference}"
    if reference != question.reference:
        raise Refused(used)
    if moment - at > GOES_ON:
        raise Refused(f"{used}, and a run goes on for {GOES_ON // timedelta(hours=1)} hours at most")


def show(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: object) -> datetime:
    """A date and time with its offset from UTC (RFC 3339); ValueError."""
    moment = datetime.fromisoformat(text) if isinstance(text, str) and len(text) > len("2026-01-05") else None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{text!r} is not a date and time with its offset from UTC, like 2026-12-01T13:00:00Z")
    return moment
