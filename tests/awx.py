"""A playbook as a job of AWX runs it: ansible-runner, a copy of the repository, an inventory that is a script, and the
variables that AWX adds (awx/main/tasks/jobs.py of ansible/awx). AWX itself is not installed for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.tree import ROOT, copied

BIN = Path(sys.executable).parent
USER = "tanaka"
OF_THE_JOB = {
    "awx_job_id": 7,
    "awx_job_launch_type": "manual",
    "awx_job_template_name": "a test",
    "awx_user_name": USER,
    "awx_user_first_name": "Jiro",
    "awx_user_last_name": "Tanaka",
}


class Job:
    """FOLDER: the job's own, gone with a real one. VARIABLES: of the inventory in AWX, on top of those that the plant's
    own inventory has."""

    def __init__(self, folder: Path, inventory: Path, variables: dict[str, Any]) -> None:
        self._folder = folder
        (folder / "env").mkdir(parents=True)
        (folder / "inventory").mkdir()
        copied(folder / "project")
        script = folder / "inventory/hosts"
        hosts = _exported(inventory)
        hosts["all"].setdefault("vars", {}).update(variables)
        script.write_text(f"#! /usr/bin/env python3\nprint({json.dumps(hosts)!r})\n", encoding="utf-8")
        script.chmod(0o700)

    def command(self, playbook: str, *options: str, **extra: Any) -> list[str]:
        """What runs `playbooks/PLAYBOOK.yml` with EXTRA variables."""
        self._write("extravars", OF_THE_JOB | extra)
        self._write("envvars", _environment(self._folder))
        arguments = ["--ident", "7", "--cmdline", " ".join(["-u", "root", *options])]
        return [str(BIN / "ansible-runner"), "run", str(self._folder), "-p", f"playbooks/{playbook}.yml", *arguments]

    @staticmethod
    def environment() -> dict[str, str]:
        """Of that command: a job has nothing of who starts it."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "KOJO_"))}
        return own | {"PATH": f"{BIN}:{own['PATH']}"}

    def _write(self, name: str, value: dict[str, Any]) -> None:
        (self._folder / "env" / name).write_text(json.dumps(value), encoding="utf-8")


def _exported(inventory: Path) -> dict[str, Any]:
    """As AWX takes an inventory in: groups keep their variables, hosts have their own."""
    command = [f"{BIN}/ansible-inventory", "-i", str(inventory), "--list", "--export"]
    exported: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return exported


def _environment(folder: Path) -> dict[str, str]:
    """AWX puts its own folders before those that the project's ansible.cfg names."""
    return {
        "JOB_ID": "7",
        "AWX_PRIVATE_DATA_DIR": str(folder),
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
        "ANSIBLE_COLLECTIONS_PATH": f"{folder}/requirements_collections:collections:~/.ansible/collections",
        "ANSIBLE_ROLES_PATH": f"{folder}/requirements_roles:roles:~/.ansible/roles",
        "ANSIBLE_CALLBACKS_ENABLED": "indirect_instance_count,ansible.posix.profile_tasks, kojo.plant.audit",
    }
