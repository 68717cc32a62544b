"""audit_event and audit_verify as tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.tests.unit.plugins.journals import SIGNER, written
from ansible_collections.kojo.plant.tests.unit.plugins.plants import Plant

EVENT = """
- name: Tell
  kojo.plant.audit_event:
    action: change:finish
    record_type: change
    record_id: C-1
    record_version: 2
    old: {version: 1.0.0}
    new: {version: 1.1.0, password: CANARY, note: "{{ plant_secrets.other_password }}"}
    reason: because
    once: "{{ once | default(omit) }}"
"""
VERIFY = """
- name: Verify
  kojo.plant.audit_verify: {options}
"""
PUBLIC = SIGNER.public.public_bytes_raw().hex()


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def result(plant: Plant, task: str, *options: str) -> dict[str, Any]:
    """What the one task of a run said; the run's own records are no part of it."""
    playbook = plant.playbook(task)
    run = plant.run(playbook, *options, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
    said = json.loads(run.stdout[run.stdout.index("{") :])
    found: dict[str, Any] = said["plays"][0]["tasks"][0]["hosts"]["app1"]
    return found


def test_an_event_is_written_as_a_record(plant: Plant) -> None:
    said = result(plant, EVENT)
    assert said["changed"] is True
    (event,) = plant.events("change:finish")
    (start,) = plant.events("ansible:start")
    assert event["record"] == {"id": "C-1", "type": "change", "version": 2}
    assert (event["old"], event["reason"]) == ({"version": "1.0.0"}, "because")
    assert event["new"] == {"version": "1.1.0", "password": "(removed)", "note": "(removed)"}
    assert (event["actor"], event["request_id"]) == (start["actor"], start["record"]["id"])
    assert (event["id"], said["event"]["at"]) == (said["sequence"], event["at"])
    assert plant.events("ansible:change") == [], "it is its own record"
    plant.verified()


def test_check_mode_tells_and_writes_nothing_and_the_second_run_changes_nothing(plant: Plant) -> None:
    once = ["-e", "once=C-1-finished"]
    assert result(plant, EVENT, *once, "--check")["changed"] is True
    assert plant.events("change:finish") == []
    assert result(plant, EVENT, *once)["changed"] is True
    assert result(plant, EVENT, *once, "--check")["changed"] is False
    assert result(plant, EVENT, *once)["changed"] is False
    assert len(plant.events("change:finish")) == 1
    assert result(plant, EVENT, "-e", "once=another")["changed"] is True
    assert result(plant, EVENT)["changed"] is True
    assert len(plant.events("change:finish")) == 3


def test_an_event_that_no_journal_takes_is_a_failed_task(plant: Plant) -> None:
    said = result(plant, EVENT, "-e", '{"plant_secrets": {"other_password": "x"}, "kojo_audit": "best_effort"}')
    assert said["failed"] is True
    assert "The event is not in the audit journal: there is no key" in said["msg"]


@pytest.mark.parametrize("record_id", ["", "x" * 201])
def test_what_the_service_would_not_take_is_refused(plant: Plant, record_id: str) -> None:
    said = result(plant, EVENT.replace("record_id: C-1", f"record_id: '{record_id}'"))
    assert "record_id is to have 1 to 200 characters" in said["msg"]


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_a_whole_journal_is_told_with_its_end(plant: Plant, check: list[str]) -> None:
    written(plant.journal, 3)
    said = result(plant, VERIFY.format(options="{}"), *check)
    # with the beginning and the play of the run that verifies
    assert (said["changed"], said["records"], said["unfinished"]) == (False, 5, [])
    (head,) = said["heads"]
    assert (head["writer"], head["sequence"], len(head["hash"])) == ("ansible", 5, 64)
    heads = json.dumps([head])
    assert result(plant, VERIFY.format(options="{heads: " + heads + "}"))["records"] == 8


def test_a_tampered_copy_is_told_with_its_first_bad_record(plant: Plant) -> None:
    path = written(plant.root / "copy", 4)
    path.write_bytes(path.read_bytes().replace(b'"number":2', b'"number":9'))
    options = f"{{files: [{path}], public_keys: [{PUBLIC}]}}"
    said = result(plant, VERIFY.format(options=options))
    assert said["failed"] is True
    assert said["finding"] == {
        "kind": "edited",
        "file": str(path),
        "line": 3,
        "record": "record 3 of ansible",
        "detail": "its hash is not that of what it says",
    }
    assert "The journal is not whole" in said["msg"]


def test_a_cut_copy_is_found_out_by_a_remembered_head(plant: Plant) -> None:
    path = written(plant.root / "copy", 4)
    lines = path.read_bytes().splitlines(keepends=True)
    head = json.dumps([{"writer": "ansible", "sequence": 4, "hash": json.loads(lines[3])["hash"]}])
    path.write_bytes(b"".join(lines[:3]))
    options = f"{{files: [{path}], public_keys: [{PUBLIC}], heads: {head}}}"
    assert result(plant, VERIFY.format(options=options))["finding"]["kind"] == "truncated"
