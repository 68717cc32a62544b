# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Where a plant's journal is and who signs it, from the inventory's variables and the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault

REQUIRED, BEST_EFFORT = "required", "best_effort"
WRITER = "ansible"
KEY, SERVICE_KEY = "mes_journal_signing_key", "mes_journal_key"
RUN = "KOJO_AUDIT_RUN"  # the run's id, for what it starts
LISTENS = "KOJO_AUDIT_LISTENS"  # the process that has the callback loaded
MOUNTED = "set {} to a folder that is mounted into the execution environment (docs/awx.md)"
REMEDY = "run `make secrets PLANT=<its directory>`, which adds what is missing, or set it with ansible-vault"


@dataclass(frozen=True)
class Service:
    """Where the records are sent to."""

    url: str
    authority: Path
    key: str


@dataclass(frozen=True)
class Settings:
    plant: str
    directory: Path
    writer: str
    # the private key as PEM; None when there is none
    key: str | None
    service: Service | None
    # the directory is gone with the job: AWX gives each one folders of its own
    passing: bool = False

    def needed_directory(self) -> Path:
        """The directory; JournalFault when it doesn't outlive the run."""
        if self.passing:
            raise JournalFault("it would be gone with this AWX job", MOUNTED.format("kojo_audit_directory"))
        return self.directory

    def needed_key(self) -> str:
        """The key; JournalFault when there is none."""
        if self.key is None:
            raise JournalFault(f"there is no key to sign the journal with: plant_secrets.{KEY} is missing", REMEDY)
        return self.key


def of_task(variables: Mapping[str, Any]) -> Settings:
    """The settings of the plant that a task runs for; JournalFault when it is none."""
    found = settings(page_of(variables) or {})
    if found is None:
        raise JournalFault("the inventory has no plant_id", "a journal is a plant's: name the inventory of one")
    return found


def page_of(variables: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The variables of the inventory's first host, which stand for the plant's; None when there is no host."""
    hosts, hostvars = variables.get("groups", {}).get("all"), variables.get("hostvars")
    return None if not hosts or hostvars is None else hostvars[hosts[0]]


def settings(page: Mapping[str, Any]) -> Settings | None:
    """The settings of the plant whose variables PAGE has; None when it has none.

    JournalFault for what can't be used.
    """
    plant = _value(page, "plant_id")
    if plant is None:
        return None
    if not re.fullmatch(r"\w[\w.-]{0,62}", str(plant)):
        raise JournalFault(f"plant_id {plant!r} can't name a file", "use letters, digits and _")
    state = Path(str(_value(page, "inventory_dir") or ".")).resolve() / ".state"
    directory = _given(page, "kojo_audit_directory", None)
    writer = str(_given(page, "kojo_audit_writer", WRITER))
    if not re.fullmatch(r"\w[\w-]{0,62}", writer):
        raise JournalFault(f"kojo_audit_writer {writer!r} can't name a file", "use letters, digits, _ and -")
    secrets = _value(page, "plant_secrets")
    held = secrets if isinstance(secrets, Mapping) else {}
    key = _value(page, "kojo_audit_key") or held.get(KEY)
    return Settings(
        plant=str(plant),
        directory=Path(str(directory or state / "journal")).expanduser().absolute(),
        writer=writer,
        key=str(key) if key else None,
        service=_service(page, held, state / "pki"),
        passing=directory is None and of_awx(page),
    )


def of_awx(variables: Mapping[str, Any]) -> bool:
    """Whether a job of AWX runs this."""
    return "awx_job_id" in variables


def mode(given: object) -> str:
    """`kojo_audit`: what happens when the journal can't be written."""
    wanted = str(given or os.environ.get("KOJO_AUDIT") or REQUIRED)
    if wanted not in (REQUIRED, BEST_EFFORT):
        raise JournalFault(f"kojo_audit is {wanted!r}", f"set it to {REQUIRED} or {BEST_EFFORT}, or leave it out")
    return wanted


def unheard() -> bool:
    """Whether the run of the task that asks has no audit callback. Asked in a worker, a child of the run's process."""
    return os.environ.get(LISTENS) != str(os.getppid())


def _service(page: Mapping[str, Any], secrets: Mapping[str, Any], authority: Path) -> Service | None:
    address = _value(page, "plant_virtual_address")
    url = _given(page, "kojo_audit_service_url", f"https://{address}" if address else "")
    key = _value(page, "kojo_audit_service_key") or secrets.get(SERVICE_KEY)
    folder = Path(str(_value(page, "pki_authority_directory") or authority))
    if not url or not key:
        return None
    return Service(str(url).rstrip("/"), folder / "ca.crt", str(key))


def _given(page: Mapping[str, Any], name: str, default: object) -> object:
    found = _value(page, name)
    return os.environ.get(name.upper()) or default if found is None else found


def _value(page: Mapping[str, Any], name: str) -> Any:
    """A variable, None when there is none or it is empty. What can't be computed is a fault of its own."""
    if name not in page:
        return None
    try:
        value = page[name]
        return None if value == "" and name != "kojo_audit_service_url" else value
    except AnsibleError as error:
        raise JournalFault(f"{name} cannot be computed: {error.message}", "mend the expression") from error
