# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Verifies a journal, on the control node. The module of this name has the documentation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault, journal_files, remembered
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import KeyFault, Keys, Signer, public_key
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import RUN, Settings, of_task
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_verify import Finding, Head, verify

ARGUMENTS = {
    "files": {"type": "list", "elements": "path"},
    "public_keys": {"type": "list", "elements": "str", "no_log": False},
    "heads": {
        "type": "list",
        "elements": "dict",
        "options": {
            "writer": {"type": "str", "required": True},
            "sequence": {"type": "int", "required": True},
            "hash": {"type": "str", "required": True},
        },
    },
    "from_first": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)  # type: ignore[no-untyped-call]
        variables = task_vars or {}
        try:
            # a copy, with its keys, may be verified anywhere
            plant = None if arguments["files"] and arguments["public_keys"] else of_task(variables)
            files = _files(arguments["files"], plant)
            keys = _keys(arguments["public_keys"], plant)
            heads = _heads(arguments["heads"], arguments["files"], plant)
            report = verify(files, keys, heads, from_first=arguments["from_first"])
        except Finding as finding:
            found = {
                "kind": str(finding.kind),
                "file": str(finding.path),
                "line": finding.line,
                "record": finding.what,
                "detail": finding.detail,
            }
            return {
                **result,
                "failed": True,
                "changed": False,
                "msg": f"The journal is not whole: {finding}",
                "finding": found,
            }
        except (JournalFault, KeyFault, ValueError) as fault:
            raise AnsibleActionFail(f"The journal can't be verified: {fault}") from fault
        except OSError as error:
            raise AnsibleActionFail(f"The journal can't be read: {error}") from error
        report.unfinished.pop(os.environ.get(RUN, ""), None)
        return {
            **result,
            "changed": False,
            "files": [str(file) for file in files],
            "records": report.records,
            "heads": [
                {"writer": writer, "sequence": head.sequence, "hash": head.hash.hex()}
                for writer, head in sorted(report.heads.items())
            ],
            "unfinished": [{"run": run, "at": at} for run, at in sorted(report.unfinished.items())],
        }


def _files(given: list[str] | None, plant: Settings | None) -> list[Path]:
    if given:
        return [Path(path) for path in given]
    assert plant
    if files := journal_files(plant.directory, plant.plant):
        return files
    if remembered(plant.directory, plant.plant):
        return [plant.directory / f"{plant.plant}.jsonl"]
    raise JournalFault(f"{plant.directory} has no journal", "run a playbook first, or name the journal in `files`")


def _keys(given: list[str] | None, plant: Settings | None) -> Keys:
    if given:
        return Keys(public_key(text) for text in given)
    assert plant
    return Keys([Signer.of_pem(plant.needed_key()).public])


def _heads(given: list[dict[str, Any]] | None, files: list[str] | None, plant: Settings | None) -> dict[str, Head]:
    """Those given; for the plant's own journal also what was last known to be on disk."""
    own = remembered(plant.directory, plant.plant) if plant and not files else {}
    return own | {head["writer"]: Head(head["sequence"], bytes.fromhex(head["hash"])) for head in given or []}
