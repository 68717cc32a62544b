# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""One run of Ansible as its journal has it: opened before the first task, synced between tasks, ended once."""

from __future__ import annotations

import syslog
from collections.abc import Mapping
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils import journal_pending
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import Journal, JournalFault
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import KeyFault, Signer, now
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import KEY, REMEDY, Settings


def opened(settings: Settings) -> Journal:
    """The plant's journal, ready to be written; JournalFault."""
    try:
        signer = Signer.of_pem(settings.needed_key())
    except KeyFault as fault:
        raise JournalFault(
            f"the key to sign the journal with, plant_secrets.{KEY}, is unusable: {fault}", REMEDY
        ) from None
    return Journal.open(settings.needed_directory(), settings.plant, settings.writer, signer)


class Run:
    """Writes a run's events. `best_effort`: what finds no journal is kept for the next run, and this one goes on."""

    def __init__(self, identifier: str, settings: Settings, actor: Mapping[str, Any], *, best_effort: bool) -> None:
        self.identifier = identifier
        self.settings = settings
        self._actor = actor
        self._best_effort = best_effort
        self._journal: Journal | None = None
        # why there is no journal, once
        self.exception: str | None = None

    def open(self) -> None:
        """JournalFault when the run may not begin."""
        try:
            self._journal = opened(self.settings)
            journal_pending.take(self.settings.directory, self.settings.plant, self._journal.append, self._journal.sync)
        except OSError as error:
            where = f"{error.filename or self.settings.directory}: {error.strerror}"
            raise JournalFault(
                f"what is pending can't be written into the journal: {where}", "give the rights"
            ) from error
        except JournalFault as fault:
            if not self._best_effort:
                raise
            self._excuse(fault)

    def record(self, action: str, record: tuple[str, str], new: Mapping[str, Any]) -> None:
        """JournalFault when it is not in the journal, and the run may not go on without."""
        event = self._event(action, record, new)
        try:
            if self._journal:
                self._journal.append(event)
                return
        except JournalFault as fault:
            self._excuse(fault)
            self._keep(event)
            if not self._best_effort:
                raise
            return
        self._keep(event)

    def record_of_run(self, action: str, new: Mapping[str, Any]) -> None:
        self.record(action, ("ansible_run", self.identifier), new)

    def sync(self) -> None:
        try:
            if self._journal:
                self._journal.sync()
        except JournalFault as fault:
            self._excuse(fault)
            if not self._best_effort:
                raise

    def close(self) -> None:
        if self._journal:
            self._journal.close()
            self._journal = None

    def _excuse(self, fault: JournalFault) -> None:
        self.close()
        self.exception = str(fault)
        new = {"best_effort": self._best_effort, "fault": str(fault)}
        self._keep(self._event("ansible:exception", ("ansible_run", self.identifier), new))

    def _keep(self, event: Mapping[str, Any]) -> None:
        """Where even this can't be written, the system's log has it."""
        try:
            journal_pending.keep(self.settings.directory, self.settings.plant, event)
        except OSError:
            said = f"{event['action']} {event['record']['id']} of {event['actor']['id']} is in no journal"
            syslog.syslog(syslog.LOG_AUTHPRIV | syslog.LOG_ALERT, f"kojo audit {self.settings.plant}: {said}")

    def _event(self, action: str, record: tuple[str, str], new: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "action": action,
            "actor": self._actor,
            "at": now(),
            "new": new,
            "old": None,
            "reason": None,
            "record": {"id": record[1][:200], "type": record[0], "version": None},
            "request_id": self.identifier,
        }
