# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Asks for a change, uses it up, records the decision. The module of this name has the documentation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.kojo.plant.plugins.plugin_utils.break_glass_alert import NotTold, tell
from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import Basis, Grant, Question, Refused, show
from ansible_collections.kojo.plant.plugins.plugin_utils.change_settings import (
    OPTIONS,
    SettingFault,
    Settings,
    settings,
)
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_entry import entry, write
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import of_task

# of the result, in the event
TOLD = ("authority", "basis", "until", "during_production", "used", "approvers", "review_due", "alerted")


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(argument_spec=OPTIONS)  # type: ignore[no-untyped-call]
        variables, check = task_vars or {}, bool(self._task.check_mode)
        try:
            given = settings(options, variables)
            journal = of_task(variables)
            # asked first: a use without its record would be no yes
            journal.needed_key()
            moment = datetime.now(UTC)
            answer = _answer(given, moment, wanted=options["use"], check=check)
            answer["alerted"] = False
            if not check:
                answer |= _alert(given, moment)
            event = _event(given.question, answer, used=options["use"] and not check)
            if check:
                event["new"]["check_mode"] = True
            answer["sequence"] = write(journal, entry(variables, **event))
        except SettingFault as fault:
            raise AnsibleActionFail(str(fault)) from fault
        except JournalFault as fault:
            raise AnsibleActionFail(f"The gate's decision is not in the audit journal, so it is no: {fault}") from fault
        return result | answer


def _answer(given: Settings, moment: datetime, *, wanted: bool, check: bool) -> dict[str, Any]:
    """The task's result, of a yes or a no. WANTED: the use of the change."""
    question, gate = given.question, given.gate
    try:
        grant = gate.ask(question, moment, given.reason)
        changed = wanted and not grant.used
        if wanted and not check:
            grant = replace(gate.use(question, grant, moment), used=True)
    except Refused as refused:
        message = f"The change {question.change} may not be carried out: {refused}."
        return {"failed": True, "msg": message, "reasons": list(refused.reasons)}
    answer = {"changed": changed, "reference": question.reference, **_told(grant)}
    if changed:
        answer["diff"] = {"before": "not used\n", "after": f"used for {question.reference}\n"}
    return answer


def _told(grant: Grant) -> dict[str, Any]:
    return {
        "authority": str(grant.authority),
        "basis": str(grant.basis) if grant.basis else None,
        "until": show(grant.until) if grant.until else None,
        "during_production": grant.during_production,
        "used": grant.used,
        "approvers": list(grant.approvers),
        "reason": grant.reason,
        "review_due": show(grant.review_due) if grant.review_due else None,
    }


def _alert(given: Settings, moment: datetime) -> dict[str, Any]:
    """What the result says of it. That nobody could be told stops nothing: the next call tells it again."""
    try:
        glasses = given.gate.approvals.broken_glass()
        return {"alerted": tell(given.alertmanager, given.question.plant, glasses, moment)}
    except (NotTold, Refused) as why:
        told = f"Alertmanager doesn't know of a change by break-glass ({why}): tell those on call yourself"
        return {"warnings": [told]}


def _event(question: Question, answer: dict[str, Any], *, used: bool) -> dict[str, Any]:
    """The decision as the journal has it; USED: the change was to be used up."""
    if answer.get("failed"):
        action, reason = "change:refuse", "; ".join(answer["reasons"])
    elif used:
        action = "change:break-glass" if answer["basis"] == Basis.BREAK_GLASS else "change:use"
        reason = answer["reason"]
    else:
        action, reason = "change:authorise", answer["reason"]
    new = {"digest": question.digest, "plant": question.plant, "reference": question.reference}
    return {
        "action": action,
        "record_type": "change",
        "record_id": question.change,
        "new": new | {name: answer[name] for name in TOLD if name in answer},
        "reason": reason,
    }
