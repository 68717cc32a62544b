# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The gate: the service's answer, or that of approval files, and the plant's production windows on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.change_approval import Approvals
from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import Authority, Grant, Question, Refused
from ansible_collections.kojo.plant.plugins.plugin_utils.change_service import ChangeService, Unanswered
from ansible_collections.kojo.plant.plugins.plugin_utils.production_windows import inside, told


@dataclass(frozen=True)
class Gate:
    service: ChangeService
    approvals: Approvals
    windows: Sequence[Mapping[str, Any]]
    timezone: str

    def ask(self, question: Question, moment: datetime, reason: str | None) -> Grant:
        """May it, at this moment? Refused says why not. REASON breaks the glass where the service can't answer."""
        # what was used on files is used, although the service has yet to hear of it
        self.approvals.use_of(question, moment)
        try:
            grant = self.service.ask(question, moment)
        except Unanswered as silent:
            try:
                grant = self.approvals.ask(question, moment, reason)
            except Refused as refused:
                raise Refused(
                    *refused.reasons, f"the service could not be asked instead of the files: {silent}"
                ) from None
        window = inside(self.windows, self.timezone, moment)
        if window is not None and not grant.during_production:
            raise Refused(
                f"it is inside the production window {told(window, self.timezone)}, and the change doesn't say"
                " during_production"
            )
        return grant

    def use(self, question: Question, grant: Grant, moment: datetime) -> Grant:
        """Uses the change up, for the question's reference alone; Refused when it can't be."""
        if grant.authority is Authority.SERVICE:
            try:
                grant = self.service.use(question, grant)
            except Unanswered as silent:
                raise Refused(
                    f"whether the service took its use isn't known ({silent}): run it again, with the same reference"
                ) from None
            if not self.approvals.has(question.change):
                return grant
        self.approvals.use(question, grant, moment)
        return grant
