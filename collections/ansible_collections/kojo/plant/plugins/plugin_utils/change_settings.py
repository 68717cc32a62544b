# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What the change gate works with, from a task's options and, where these say nothing, from the plant's variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.kojo.plant.plugins.module_utils.https_json import HttpsJson, Transport
from ansible_collections.kojo.plant.plugins.plugin_utils.change_approval import CHANGE, Approvals
from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import Question
from ansible_collections.kojo.plant.plugins.plugin_utils.change_gate import Gate
from ansible_collections.kojo.plant.plugins.plugin_utils.change_service import ChangeService
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import REMEDY, page_of
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_approvers import check_approvers
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault, read_key

OPTIONS: dict[str, dict[str, Any]] = {
    "change": {"type": "str", "required": True},
    "digest": {"type": "str", "required": True},
    "reference": {"type": "str", "required": True},
    "use": {"type": "bool", "default": False},
    "plant": {"type": "str"},
    "url": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "ca_file": {"type": "path"},
    "approvals": {"type": "path"},
    "approvers": {"type": "dict"},
    "windows": {"type": "list", "elements": "dict"},
    "break_glass_reason": {"type": "str"},
    "alertmanager_url": {"type": "str"},
}
FORMS = {
    "change": (CHANGE, "1 to 100 letters, digits, '.', '_' and '-'"),
    "digest": (re.compile(r"[0-9a-f]{64}"), "a SHA-256 in lower-case hex"),
    "reference": (re.compile(r"(?=.*\S)[^\x00-\x1f\x7f]{1,200}"), "one line of at most 200 characters"),
}
ALERTMANAGER_PORT, ALERTMANAGER_USER = 9093, "kojo"


class SettingFault(Exception):
    """One or more settings can't be used: which, why, and what to do."""


@dataclass(frozen=True)
class Settings:
    question: Question
    gate: Gate
    # why two approvals can't be waited for; None when they can
    reason: str | None
    # None when the plant has none
    alertmanager: Transport | None


def settings(options: Mapping[str, Any], variables: Mapping[str, Any]) -> Settings:
    """Of OPTIONS, read by their specification, and a task's VARIABLES; SettingFault."""
    plant = _Plant(page_of(variables) or {})
    for name, (form, what) in FORMS.items():
        if not form.fullmatch(options[name]):
            raise SettingFault(f"{name}: {options[name]!r} is not {what}")
    authority = options["ca_file"] or f"{plant.get('pki_authority_directory') or plant.beside('.state/pki')}/ca.crt"
    approvers, windows, timezone = plant.sound(
        plant_approvers=_first(options["approvers"], plant.get("plant_approvers"), {}),
        plant_production_windows=_first(options["windows"], plant.get("plant_production_windows"), []),
        plant_timezone=plant.needed("plant_timezone"),
    )
    if faults := list(check_approvers(approvers)):
        raise SettingFault(_lines(faults))
    url = options["url"] or f"https://{plant.needed('plant_virtual_address')}"
    return Settings(
        Question(
            options["change"], options["digest"], options["plant"] or plant.needed("plant_id"), options["reference"]
        ),
        Gate(
            ChangeService(_transport(url, authority), options["api_key"] or plant.secret("mes_gate_key")),
            Approvals(Path(options["approvals"] or plant.beside("approvals")), approvers),
            windows,
            timezone,
        ),
        (options["break_glass_reason"] or "").strip() or None,
        _alertmanager(options["alertmanager_url"] or _monitoring(variables), authority, plant),
    )


class _Plant:
    def __init__(self, page: Mapping[str, Any]) -> None:
        self._page = page

    def get(self, name: str) -> Any:
        """A variable; None when there is none."""
        try:
            return self._page.get(name)
        except AnsibleError as error:
            raise SettingFault(f"{name} cannot be computed: {error.message}; mend the expression") from error

    def needed(self, name: str) -> str:
        if not (value := self.get(name)):
            raise SettingFault(f"{name}: the inventory has none; name the inventory of a plant")
        return str(value)

    def secret(self, name: str) -> str:
        held = self.get("plant_secrets")
        if not isinstance(held, Mapping) or not held.get(name):
            raise SettingFault(f"plant_secrets.{name}: is missing; {REMEDY}")
        return str(held[name])

    def beside(self, name: str) -> str:
        return f"{self.needed('inventory_dir')}/{name}"

    def sound(self, **values: object) -> list[Any]:
        """Parts of the page that have its shape."""
        faults: list[Fault] = []
        sound = [read_key(key, value, faults) for key, value in values.items()]
        if faults:
            raise SettingFault(_lines(faults))
        return sound


def _first(*values: Any) -> Any:
    """The first that there is: an empty one is one."""
    return next(value for value in values if value is not None)


def _monitoring(variables: Mapping[str, Any]) -> str | None:
    hosts = variables["groups"].get("monitoring")
    return f"https://{variables['hostvars'][hosts[0]]['ansible_host']}:{ALERTMANAGER_PORT}" if hosts else None


def _alertmanager(url: str | None, authority: str, plant: _Plant) -> Transport | None:
    if url is None:
        return None
    return _transport(url, authority, (ALERTMANAGER_USER, plant.secret("alertmanager_web_password")))


def _transport(url: str, authority: str, login: tuple[str, str] | None = None) -> Transport:
    try:
        return HttpsJson(url, authority, basic_auth=login)
    except ValueError as error:
        raise SettingFault(str(error)) from error


def _lines(faults: list[Fault]) -> str:
    return "\n".join(f"{fault.key}: {fault.problem}; {fault.remedy}" for fault in faults)
