"""A plant of local hosts in a folder of its own, and Ansible run on it with the callback on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import journal_files, remembered
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_verify import Report, verify
from ansible_collections.kojo.plant.tests.unit.plugins.journals import KEYS, PEM, events

COLLECTIONS = Path(__file__).parents[6]
BIN = Path(sys.executable).parent
CONFIG = f"""
[defaults]
collections_path = {COLLECTIONS}
callbacks_enabled = kojo.plant.audit
bin_ansible_callbacks = true
retry_files_enabled = false
[diff]
always = true
[kojo_audit]
exempt = lab
"""


class Plant:
    def __init__(self, root: Path, **page: Any) -> None:
        self.root, self.folder = root, root / "works"
        self.journal = self.folder / ".state/journal"
        (self.folder / "group_vars/all").mkdir(parents=True)
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {"all": {"vars": local, "hosts": {"app1": {}, "app2": {}}}}
        self.write("works/hosts.yml", yaml.safe_dump(hosts))
        secrets = {"mes_journal_signing_key": PEM, "other_password": "CANARY-plant-secret"}
        page = {"plant_id": "works", "plant_secrets": secrets} | page
        self.write("works/group_vars/all/plant.yml", yaml.safe_dump(page))
        self.write("ansible.cfg", CONFIG)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def playbook(self, tasks: str, name: str = "play.yml", hosts: str = "app1", header: str = "") -> Path:
        head = f"- name: A play\n  hosts: {hosts}\n  gather_facts: false\n"
        text = head + textwrap.indent(textwrap.dedent(header), "  ") + "  tasks:\n"
        return self.write(name, text + textwrap.indent(textwrap.dedent(tasks), "    "))

    def command(self, playbook: Path, *options: str) -> list[str]:
        return [str(BIN / "ansible-playbook"), "-i", str(self.folder), str(playbook), *options]

    def environment(self, **variables: str) -> dict[str, str]:
        own = {
            "ANSIBLE_CONFIG": str(self.root / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.root / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.root / "tmp"),
            "XDG_STATE_HOME": str(self.root / "xdg"),
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KOJO_", "ANSIBLE_"))}
        return inherited | own | variables

    def run(self, playbook: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command, environment = self.command(playbook, *options), self.environment(**variables)
        return subprocess.run(command, env=environment, cwd=self.root, capture_output=True, text=True, check=False)

    def start(self, playbook: Path, *options: str) -> subprocess.Popen[str]:
        command, pipe = self.command(playbook, *options), subprocess.PIPE
        return subprocess.Popen(
            command, env=self.environment(), cwd=self.root, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )

    def events(self, *actions: str) -> list[dict[str, Any]]:
        """The journal's events, or those of ACTIONS."""
        told = [event for path in journal_files(self.journal, "works") for event in events(path)]
        return [event for event in told if not actions or event["action"] in actions]

    def verified(self) -> Report:
        return verify(journal_files(self.journal, "works"), KEYS, remembered(self.journal, "works"))
