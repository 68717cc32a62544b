"""The Ansible audit: how much longer a run is with the callback than without, in percent of its wall time.

Ten local hosts, every task changes something, with differences as site.yml's files have them: more records a second
than any run of a plant makes. Runs with and without take turns, and the fastest of each count: what else the machine
does only adds. The service is away, so the sending at the end, which has its own bound, is not in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import generate_missing

from tools.figures.common import ROOT, Unmeasurable, emit

BAR = 3
UNIT = "%"
PAIRS = 6
HOSTS = 10
CALLBACKS = ("ansible.posix.profile_tasks", "kojo.plant.audit")  # as in ansible.cfg
SETTING = "".join(f"setting_{number} = {{{{ run }}}}\n" for number in range(60))
TASKS: list[dict[str, object]] = [
    {
        "name": "Files of a role",
        "kojo.plant.files": {
            "directories": [{"path": "{{ folder }}", "mode": "0755", "owner": os.geteuid(), "group": os.getegid()}],
            "files": [
                {"path": f"{{{{ folder }}}}/{name}", "content": SETTING, "owner": os.geteuid(), "group": os.getegid()}
                for name in ("daemon.conf", "unit.conf", "access.conf")
            ],
        },
    },
    {"name": "A command", "ansible.builtin.command": "true {{ run }}"},
    {
        "name": "A line of a file",
        "ansible.builtin.lineinfile": {"path": "{{ folder }}/daemon.conf", "line": "more = {{ run }}"},
    },
    {"name": "A loop", "ansible.builtin.command": "true {{ item }}", "loop": ["a", "b"], "changed_when": True},
]
TIMES = 2


def plant(root: Path) -> None:
    page = root / "works/group_vars/all"
    page.mkdir(parents=True)
    connection = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    variables = {**connection, "folder": f"{root}/{{{{ inventory_hostname }}}}"}
    hosts: dict[str, dict[str, str]] = {f"host{number}": {} for number in range(HOSTS)}
    (root / "works/hosts.yml").write_text(yaml.safe_dump({"all": {"vars": variables, "hosts": hosts}}))
    (page / "plant.yml").write_text(yaml.safe_dump({"plant_id": "works", "plant_secrets": generate_missing({})}))
    tasks = [{**task, "vars": {"run": f"{{{{ number }}}}-{round_}"}} for round_ in range(TIMES) for task in TASKS]
    play = {"name": "Change", "hosts": "all", "gather_facts": False, "tasks": tasks}
    (root / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))


def run(root: Path, number: int, *, audited: bool) -> float:
    """Return the seconds of one run, in which every task of every host changes something."""
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    environment["ANSIBLE_CALLBACKS_ENABLED"] = ",".join(CALLBACKS if audited else CALLBACKS[:1])
    command = [playbook, "-i", str(root / "works"), str(root / "play.yml"), "-e", f"number={number}"]
    started = time.monotonic()
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode or done.stdout.count(f"changed={len(TASKS) * TIMES}") != HOSTS:
        raise Unmeasurable(f"audit-overhead: not every task changed something\n{done.stdout[-3000:]}{done.stderr}")
    return seconds


def main() -> None:
    fastest = {True: float("inf"), False: float("inf")}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        plant(root)
        run(root, 0, audited=True)  # what is read for the first time, and the journal's folder
        for pair in range(1, PAIRS + 1):
            order = (True, False) if pair % 2 else (False, True)
            seconds = {audited: run(root, 2 * pair + audited, audited=audited) for audited in order}
            fastest = {audited: min(fastest[audited], seconds[audited]) for audited in seconds}
            print(f"{seconds[False]:.2f} s without, {seconds[True]:.2f} s with")
        records = len((root / "works/.state/journal/works.jsonl").read_bytes().splitlines())
    if records < (PAIRS + 1) * HOSTS * len(TASKS) * TIMES:
        raise Unmeasurable(f"audit-overhead: only {records} records were written")
    added = 100 * (fastest[True] / fastest[False] - 1)
    emit("audit-overhead", round(added, 2), UNIT, bar=BAR, better="lower", samples=PAIRS)


if __name__ == "__main__":
    main()
