"""ansible-playbook itself, on local hosts, with the callback on."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from ansible_collections.kojo.plant.tests.unit.plugins.journals import written
from ansible_collections.kojo.plant.tests.unit.plugins.plants import BIN, Plant

TOUCH = """
- name: Touch
  ansible.builtin.copy: {content: "1\\n", dest: "{{ playbook_dir }}/touched-{{ inventory_hostname }}", mode: "0644"}
"""
WAIT = """
- name: Wait
  ansible.builtin.shell: exec 3< {{ playbook_dir }}/hold; echo in > {{ playbook_dir }}/told; exec cat <&3
"""


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def git(plant: Plant, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    command = ["git", "-C", str(plant.root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def waiting(plant: Plant, playbook: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has come to the task WAIT, and stays in it until the block ends."""
    with ExitStack() as ends:
        for name in ("told", "hold"):
            os.mkfifo(plant.root / name)
            # both ways, so that neither side waits for the other to open
            ends.callback(os.close, os.open(plant.root / name, os.O_RDWR))
        with (plant.root / "told").open(encoding="utf-8") as told, plant.start(playbook) as run:
            while not select.select([told], [], [], 0.2)[0]:
                assert run.poll() is None, run.communicate()[0]
            try:
                yield run
            finally:
                ends.close()  # whatever is left of the task ends
                run.communicate()


def test_a_run_is_told_from_beginning_to_end(plant: Plant) -> None:
    playbook = plant.playbook(
        """
        - name: The beginning is on disk before the first task
          ansible.builtin.command: cat {{ playbook_dir }}/works/.state/journal/works.jsonl
          changed_when: false
        - name: Write {{ inventory_hostname }}
          ansible.builtin.copy: {content: "b\\n", dest: "{{ playbook_dir }}/{{ inventory_hostname }}.txt", mode: "0600"}
        - name: Keep what is on disk by now
          ansible.builtin.command: cp {{ playbook_dir }}/works/.state/journal/works.head {{ playbook_dir }}/head
          changed_when: false
          run_once: true
        - name: Items
          ansible.builtin.command: echo {{ item }}
          loop: [one, two]
          changed_when: item == "two"
        - when: inventory_hostname == "app1"
          block: [{name: Fail, ansible.builtin.fail: {msg: as it must}}]
          rescue: [{ansible.builtin.ping: }]
        - name: Leave
          ansible.builtin.ping:
          delegate_to: gone
        """,
        hosts="all",
    )
    (plant.root / "app1.txt").write_text("a\n", encoding="utf-8")
    (plant.root / "app1.txt").chmod(0o600)
    with (plant.folder / "hosts.yml").open("a", encoding="utf-8") as hosts:
        hosts.write("gone:\n  hosts:\n    gone: {ansible_connection: ssh, ansible_host: 192.0.2.1}\n")
    git(plant, "init", "-q")
    git(plant, "add", ".")
    git(plant, "commit", "-q", "-m", "x")
    run = plant.run(
        playbook, "--limit", "app1,app2", "-v", "-e", "change_id=C-1", "--skip-tags", "slow",
        "--ssh-common-args", "-o ProxyCommand=false",
    )  # fmt: skip
    assert run.returncode == 4, run.stdout + run.stderr
    assert "ansible:start" in run.stdout, "the first task saw its own run's beginning"
    assert plant.verified().unfinished == {}

    start, play = plant.events("ansible:start", "ansible:play")
    new = start["new"]
    assert new["playbook"] == str(playbook)
    assert new["git"]["playbook"] == {"commit": git(plant, "rev-parse", "HEAD"), "dirty": False, "changed": []}
    assert (new["inventory"], new["limit"], new["skip_tags"]) == ([str(plant.folder)], "app1,app2", ["slow"])
    assert (new["extra_vars"], new["check"], new["plant"]) == ({"change_id": "C-1"}, False, "works")
    assert new["origin"]["user"] == subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
    assert new["origin"]["host"] == os.uname().nodename
    assert play["new"] == {"hosts": ["app1", "app2"], "play": "A play"}

    changes = {(event["new"]["task"], event["record"]["id"]): event["new"] for event in plant.events("ansible:change")}
    assert set(changes) == {
        (task, host) for task in ("Write {{ inventory_hostname }}", "Items") for host in ("app1", "app2")
    }
    assert "-a\n+b\n" in changes["Write {{ inventory_hostname }}", "app1"]["diff"]
    assert changes["Items", "app2"]["items"] == [{"item": "two", "command": "echo two"}]
    assert changes["Items", "app2"]["file"] == f"{playbook}:15"

    before_items = max(event["id"] for event in plant.events("ansible:change") if event["new"]["task"] != "Items")
    head = json.loads((plant.root / "head").read_bytes())
    assert head["synced"]["sequence"] == before_items, "a task's records are synced before the next task"

    (failure,) = plant.events("ansible:failure")
    assert (failure["record"]["id"], failure["new"]["message"], failure["new"]["ignored"]) == (
        "app1",
        "as it must",
        False,
    )
    gone = plant.events("ansible:unreachable")
    assert {event["record"]["id"] for event in gone} == {"app1", "app2"}
    (end,) = plant.events("ansible:end")
    assert end["new"]["outcome"] == "failed"
    assert end["new"]["hosts"]["app1"]["changed"] == 2
    assert end["new"]["hosts"]["app2"]["unreachable"] == 1
    assert {event["request_id"] for event in plant.events()} == {start["record"]["id"]}


def test_check_mode_awx_and_an_unclean_tree_are_told(plant: Plant) -> None:
    playbook = plant.playbook(TOUCH)
    git(plant, "init", "-q")
    awx = ["-e", json.dumps({"awx_job_id": 12, "awx_user_name": "sato", "awx_user_email": "sato@example.invalid"})]
    awx += ["-e", f"kojo_audit_directory={plant.journal}"]
    assert plant.run(playbook, "--check", *awx).returncode == 0
    start, change = plant.events("ansible:start", "ansible:change")
    assert (start["actor"]["id"], start["new"]["origin"]["awx"]["awx_job_id"]) == ("sato", 12)
    assert (start["new"]["check"], change["new"]["check"]) == (True, True)
    assert start["new"]["git"]["playbook"]["dirty"] is True
    assert not (plant.root / "touched-app1").exists()


CANARY = "CANARY"
LEAKS = """
- name: A fact with a name that says it
  ansible.builtin.set_fact: {service_password: CANARY-set-fact}
  no_log: true
- name: A result with a name that says it
  ansible.builtin.command: echo CANARY-registered
  register: api_token
  no_log: true
  changed_when: true
- name: A command line
  ansible.builtin.command: >-
    echo --password CANARY-option --token=CANARY-equals postgresql://app:CANARY-url@db1/mes PGPASSWORD=CANARY-assigned
    -u sato:CANARY-user {{ service_password }} {{ api_token.stdout }} {{ vaulted }} {{ file_vaulted }}
    {{ plant_secrets.other_password }} {{ extra_token }} {{ prompted }} {{ lookup('env', 'DEPLOY_TOKEN') }}
    CANARY-environment
  environment: {APP_SECRET: CANARY-environment}
- name: Items of a loop
  ansible.builtin.command: echo {{ item.name }} {{ item.password }}
  loop: [{name: a, password: CANARY-loop-item}]
  changed_when: true
- name: A difference
  ansible.builtin.copy:
    dest: "{{ playbook_dir }}/out.conf"
    mode: "0600"
    content: |
      password = CANARY-diff
      url = https://sato:CANARY-diff-url@example.invalid/
      plain {{ service_password }} {{ vaulted }} {{ file_vaulted }}
      {{ {'a': vaulted} | to_json }} {{ vaulted | b64encode }} {{ vaulted | urlencode }}
- name: What no_log hides
  ansible.builtin.copy: {dest: "{{ playbook_dir }}/hidden", content: CANARY-no-log, mode: "0600"}
  no_log: true
- block:
    - name: What no_log hides in a loop, and fails
      ansible.builtin.command: "false CANARY-no-log-loop {{ item }}"
      loop: [CANARY-no-log-item]
      no_log: true
  rescue: [{ansible.builtin.ping: }]
- name: Task {{ service_password }}
  ansible.builtin.command: echo
  changed_when: true
- name: A secret of a task's own variables
  ansible.builtin.command: echo {{ own_secret }}
  vars: {own_secret: CANARY-task-var}
  changed_when: true
- name: A module's argument that is no_log
  ansible.builtin.user: {name: "nobody", password: CANARY-module-argument, update_password: on_create}
  check_mode: true
  changed_when: true
- name: The last one fails with it
  ansible.builtin.fail: {msg: "bad {{ vaulted }} {{ service_password }} and token=CANARY-message {{ play_secret }}"}
"""


def test_no_secret_reaches_the_journal(plant: Plant) -> None:
    password = plant.write("vault-password", "of this test only\n")
    vault = [str(BIN / "ansible-vault"), "{}", "--vault-password-file", str(password)]
    said = subprocess.run(
        [*vault[:1], "encrypt_string", *vault[2:], "CANARY-vaulted value"], check=True, capture_output=True, text=True
    )
    page = plant.folder / "group_vars/all"
    (page / "vaulted.yml").write_text(f"vaulted: {said.stdout}\n", encoding="utf-8")
    whole = page / "file.yml"
    whole.write_text("file_vaulted: CANARY-vaulted-file\n", encoding="utf-8")
    subprocess.run([*vault[:1], "encrypt", *vault[2:], str(whole)], check=True, capture_output=True)
    header = """
        vars: {play_secret: CANARY-play-var}
        vars_prompt: [{name: prompted, private: true, default: CANARY-prompted}]
    """
    playbook = plant.playbook(LEAKS, header=header)
    run = plant.run(
        playbook, "--vault-password-file", str(password), "-e", "extra_token=CANARY-extra",
        "-e", json.dumps({"nested": {"list": [{"password": "CANARY-nested"}]}, "dsn": "redis://:CANARY-dsn@c1"}),
        **{"DEPLOY_TOKEN": "CANARY-env"},
    )  # fmt: skip
    assert run.returncode == 2, run.stdout + run.stderr
    assert "The last one fails" in run.stdout
    changed = plant.events("ansible:change")
    assert len(changed) == 8, "all of them were told, but for their secrets"
    found = [
        (path.name, line[max(0, line.find(CANARY) - 60) : line.find(CANARY) + 30])
        for path in plant.journal.iterdir()
        for line in path.read_text(encoding="utf-8").splitlines()
        if CANARY in line
    ]
    assert found == []
    # nor a form of one
    text = "".join(path.read_text(encoding="utf-8") for path in plant.journal.glob("*.jsonl"))
    assert "Q0FOQVJZ" not in text
    (start,) = plant.events("ansible:start")
    assert start["new"]["extra_vars"] == {
        "dsn": "redis://:(removed)@c1",
        "extra_token": "(removed)",
        "nested": {"list": [{"password": "(removed)"}]},
    }
    by_task = {event["new"]["task"]: event["new"] for event in changed}
    assert by_task["What no_log hides"]["censored"] == "no_log"
    assert "+password = (removed)" in by_task["A difference"]["diff"]


def broken_key(plant: Plant) -> list[str]:
    return ["-e", '{"plant_secrets": {}}']


def no_place(plant: Plant) -> list[str]:
    return ["-e", "kojo_audit_directory=/sys/kernel/kojo"]


def cut_chain(plant: Plant) -> list[str]:
    path = written(plant.journal, 3)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    return []


def passing_folder(_plant: Plant) -> list[str]:
    return ["-e", json.dumps({"awx_job_id": 12})]


FAULTS = {
    broken_key: ("plant_secrets.mes_journal_signing_key is missing", "run `make secrets"),
    no_place: ("/sys/kernel/kojo can't be written", "kojo_audit_directory"),
    cut_chain: ("truncated: record 3 of ansible", "kojo.plant.audit_verify"),
    passing_folder: ("it would be gone with this AWX job", "kojo_audit_directory"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_cannot_be_recorded_does_not_begin(plant: Plant, fault: object) -> None:
    options = fault(plant)  # type: ignore[operator]
    problem, remedy = FAULTS[fault]  # type: ignore[index]
    run = plant.run(plant.playbook(TOUCH), *options)
    assert run.returncode == 1
    assert "TASK" not in run.stdout
    assert not (plant.root / "touched-app1").exists()
    (error,) = [line for line in run.stderr.splitlines() if line.strip()]
    assert "the run has not begun" in error
    assert problem in error
    assert remedy in error
    assert "kojo_audit=best_effort" in error


@pytest.mark.parametrize("fault", [broken_key, no_place])
def test_an_exception_is_recorded_by_the_first_run_that_can(plant: Plant, fault: object) -> None:
    playbook = plant.playbook(TOUCH)
    options = fault(plant)  # type: ignore[operator]
    # the place, not the fault, tells whose they are: the second run must look where the first one meant to write
    run = plant.run(playbook, *options, "-e", "kojo_audit=best_effort")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "without its journal, as an exception" in run.stderr
    assert (plant.root / "touched-app1").exists()
    assert plant.events() == []
    if fault is no_place:
        pending = plant.root / "xdg/kojo"
        assert [path.suffix for path in pending.iterdir()] == [".pending"]
        return
    assert plant.run(playbook).returncode == 0
    told = plant.events()
    assert [event["action"] for event in told[:5]] == [
        "ansible:exception",
        "ansible:start",
        "ansible:play",
        "ansible:change",
        "ansible:end",
    ]
    assert told[0]["new"]["best_effort"] is True
    assert "mes_journal_signing_key is missing" in told[0]["new"]["fault"]
    assert {event["reason"] for event in told[:5]} == {"written later: the journal could not be written at its time"}
    assert told[5]["reason"] is None
    assert list(plant.journal.glob("*.pending")) == []
    assert plant.verified().records == len(told)


def test_nothing_but_the_two_modes_is_taken(plant: Plant) -> None:
    run = plant.run(plant.playbook(TOUCH), "-e", "kojo_audit=off")
    assert run.returncode == 1
    assert "kojo_audit is 'off'; set it to required or best_effort" in run.stderr


def test_a_missing_library_stops_the_run(plant: Plant) -> None:
    """A callback that can't be loaded is only warned of by Ansible."""
    plant.write("shim/rfc8785.py", "raise ModuleNotFoundError('gone', name='rfc8785')\n")
    run = plant.run(plant.playbook(TOUCH), PYTHONPATH=str(plant.root / "shim"))
    assert run.returncode == 1
    assert "has no rfc8785; install" in run.stderr


def test_a_journal_that_breaks_in_the_middle_ends_the_run(plant: Plant) -> None:
    playbook = plant.playbook(
        """
        - name: Somebody shortens the journal
          ansible.builtin.command: truncate -s 100 {{ playbook_dir }}/works/.state/journal/works.jsonl
        - name: Not any more
          ansible.builtin.command: touch {{ playbook_dir }}/touched
        """
    )
    run = plant.run(playbook)
    assert run.returncode == 1
    assert "the run ends here" in run.stderr
    assert not (plant.root / "touched").exists()
    (pending,) = plant.journal.glob("*.pending")
    kept = [json.loads(line)["action"] for line in pending.read_text(encoding="utf-8").splitlines()]
    assert kept == ["ansible:exception", "ansible:change"], "not even that is lost"


def test_a_full_disk_ends_the_run(plant: Plant) -> None:
    playbook = plant.playbook(
        """
        - name: Fill the disk
          ansible.builtin.shell: |
            head -c 40M /dev/zero > {{ playbook_dir }}/works/.state/journal/filler || true
        - name: "{{ 'A name that no block of the disk has room for ' * 200 }}"
          ansible.builtin.command: echo {{ 'x' * 4000 }}
          loop: "{{ range(20) }}"
        - name: Not any more
          ansible.builtin.command: touch {{ playbook_dir }}/touched
        """
    )
    plant.journal.mkdir(parents=True)
    kept = plant.root / "kept"
    script = (
        f"mount -t tmpfs -o size=24m,mode=0700 tmpfs {plant.journal} || exit 77; "
        f'"$@"; code=$?; cp -r {plant.journal} {kept}; exit $code'
    )
    command = ["unshare", "--mount", "bash", "-c", script, "run", *plant.command(playbook)]
    run = subprocess.run(command, env=plant.environment(), cwd=plant.root, capture_output=True, text=True, check=False)
    if run.returncode in (77, 1) and ("unshare" in run.stderr or "mount:" in run.stderr):
        pytest.skip(f"this machine gives no mount namespace: {run.stderr}")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "No space left on device; make room" in run.stderr
    assert not (plant.root / "touched").exists()
    assert (kept / "works.jsonl").read_bytes().endswith(b"\n"), "no half record"


def test_a_killed_run_leaves_what_it_did_and_that_it_did_not_end(plant: Plant) -> None:
    with waiting(plant, plant.playbook(TOUCH + WAIT)) as run:
        run.send_signal(signal.SIGKILL)
        run.wait()
    (start,) = plant.events("ansible:start")
    assert [event["new"]["task"] for event in plant.events("ansible:change")] == ["Touch"]
    assert plant.run(plant.playbook("- ansible.builtin.ping:\n", "next.yml")).returncode == 0
    assert plant.verified().unfinished == {start["record"]["id"]: start["at"]}


def test_a_run_that_is_interrupted_says_so(plant: Plant) -> None:
    with waiting(plant, plant.playbook(WAIT)) as run:
        run.send_signal(signal.SIGINT)
    (end,) = plant.events("ansible:end")
    assert end["new"]["outcome"] == "interrupted"
    assert plant.verified().unfinished == {}


def test_runs_at_the_same_time_share_the_journal(plant: Plant) -> None:
    playbook = plant.playbook(TOUCH + TOUCH.replace("touched", "{{ again }}"), hosts="all")
    runs = [plant.start(playbook, "-e", f"again=again-{number}") for number in range(3)]
    for run in runs:
        assert run.wait() == 0, run.communicate()[0]
        run.communicate()
    report = plant.verified()
    assert report.unfinished == {}
    ids = {event["record"]["id"] for event in plant.events("ansible:start")}
    assert len(ids) == 3
    for identifier in ids:
        told = [event for event in plant.events() if event["request_id"] == identifier]
        assert (told[0]["action"], told[-1]["action"]) == ("ansible:start", "ansible:end")
        written_by = {event["record"]["id"] for event in told if event["action"] == "ansible:change"}
        assert written_by == {"app1", "app2"}


def test_what_is_no_plants_is_not_recorded(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    run = plant.run(plant.playbook(TOUCH, "lab/play.yml"))
    assert run.returncode == 0, run.stderr
    page = plant.folder / "group_vars/all/plant.yml"
    page.write_text(yaml.safe_dump({"other": 1}), encoding="utf-8")
    assert plant.run(plant.playbook(TOUCH)).returncode == 0
    assert not plant.journal.exists()


def test_a_command_without_a_playbook_is_recorded(plant: Plant) -> None:
    command = [str(BIN / "ansible"), "-i", str(plant.folder), "app1", "-m", "command", "-a", "echo password=CANARY"]
    done = subprocess.run(command, env=plant.environment(), cwd=plant.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    start, change = plant.events("ansible:start", "ansible:change")
    assert (start["new"]["playbook"], start["new"]["module"]) == (None, "command echo password=(removed)")
    assert change["new"]["command"] == "echo password=(removed)"


def test_syntax_and_lists_need_no_journal(plant: Plant) -> None:
    for option in ("--syntax-check", "--list-tasks", "--list-hosts"):
        assert plant.run(plant.playbook(TOUCH), option).returncode == 0
    assert not plant.journal.exists()
