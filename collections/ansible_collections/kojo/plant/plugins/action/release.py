# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Verifies a release, on the control node. The module of this name has the documentation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.kojo.plant.plugins.plugin_utils.release_manifest import ReleaseFault, read_release

ARGUMENTS = {"folder": {"type": "path", "required": True}, "signers": {"type": "dict", "required": True}}


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)  # type: ignore[no-untyped-call]
        try:
            release, signer = read_release(Path(arguments["folder"]), arguments["signers"])
        except ReleaseFault as fault:
            raise AnsibleActionFail(f"This release can't be deployed: {fault}") from fault
        return {**result, "changed": False, "release": asdict(release), "signer": signer}
