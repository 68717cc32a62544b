"""May a change be carried out now? Pure rules, the same for the question and for the use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kojo_mes.changes.models import ChangeRequest, ChangeRevision
from kojo_mes.changes.schemas import Basis, ChangeState, ReviewState
from kojo_mes.changes.states import OPEN


@dataclass(frozen=True)
class Standing:
    """A change request at an instant."""

    row: ChangeRequest
    content: ChangeRevision
    now: datetime

    @property
    def state(self) -> ChangeState:
        """As stored, or expired: the sweep that stores it comes a little later."""
        stored = ChangeState(self.row.state)
        return ChangeState.EXPIRED if stored in OPEN and self._lapsed(stored) else stored

    @property
    def approved_now(self) -> bool:
        return (
            self.row.state == ChangeState.APPROVED and self.content.window_start <= self.now < self.content.window_end
        )

    @property
    def broken_glass_now(self) -> bool:
        until = self.row.break_glass_until
        return self.row.state in OPEN and until is not None and self.now < until

    @property
    def basis(self) -> Basis | None:
        if self.approved_now:
            return Basis.APPROVALS
        return Basis.BREAK_GLASS if self.broken_glass_now else None

    @property
    def until(self) -> datetime | None:
        return self.content.window_end if self.approved_now else self.row.break_glass_until

    @property
    def review(self) -> ReviewState:
        """Of its break-glass."""
        if self.row.reviewed_at is not None:
            return ReviewState.DONE
        due = self.row.review_due_at
        return ReviewState.OVERDUE if due is not None and due <= self.now else ReviewState.DUE

    def obstacles(self, digest: str, plant: str) -> list[str]:
        """Why this artefact may not be brought to this plant now, one by one; empty when it may."""
        found = []
        if digest != self.content.artefact_digest:
            found.append(f"it is for the artefact {self.content.artefact_digest}, not for {digest}")
        if plant != self.content.plant:
            found.append(f"it is for the plant {self.content.plant}, not for {plant}")
        if self.basis is None:
            found.append(self._why_not_now())
        return found

    def _why_not_now(self) -> str:
        if self.row.used_at is not None:
            return f"it was used at {_show(self.row.used_at)} for {self.row.used_for}"
        if self.state is ChangeState.APPROVED:
            return f"its window begins at {_show(self.content.window_start)}"
        if self.state is ChangeState.EXPIRED:
            return f"it is expired; its window ended at {_show(self.content.window_end)}"
        return f"it is {self.state}, not approved"

    def _lapsed(self, stored: ChangeState) -> bool:
        ends = [self.content.window_end] if stored is not ChangeState.DRAFT else []
        if self.row.break_glass_until is not None:
            ends.append(self.row.break_glass_until)
        return bool(ends) and max(ends) <= self.now


def _show(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
