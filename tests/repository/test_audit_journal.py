"""What the collection writes is what the service takes in and verifies; neither imports the other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import Kind
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_verify import Finding, verify
from ansible_collections.kojo.plant.tests.unit.plugins.journals import KEYS, SIGNER
from ansible_collections.kojo.plant.tests.unit.plugins.plants import Plant
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.repository.ansible_yaml import ROOT

SERVICE = ROOT / ".venv-service/bin"
# what POST /api/v1/audit/journal does with its body before the database has a part in it
TAKE_IN = """
import json, sys
from kojo_mes.audit import service
keys = service.journal_keys({"ansible": sys.argv[1]})
taken = service._lines(sys.stdin.buffer.read(), keys)
print(json.dumps([event.action for _, event in taken]))
"""
PLAYBOOK = """
- name: Write 工場
  ansible.builtin.copy: {content: "工場 \\u0007 \\U0001F3ED\\n", dest: "{{ playbook_dir }}/out", mode: "0600"}
- block: [{name: Fail, ansible.builtin.fail: {msg: "it's \\"so\\" \\\\ \\t"}}]
  rescue: [{ansible.builtin.ping: }]
- name: Tell
  kojo.plant.audit_event:
    {action: change:finish, record_type: change, record_id: C-1, new: {share: 0.1, count: 9007199254740993}}
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    plant = Plant(tmp_path_factory.mktemp("plant"))
    run = plant.run(plant.playbook(PLAYBOOK), "--check")
    assert run.returncode == 0, run.stdout + run.stderr
    run = plant.run(plant.playbook(PLAYBOOK))
    assert run.returncode == 0, run.stdout + run.stderr
    return plant


def verified(journal: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    public = folder / "key.pub"
    public.write_bytes(SIGNER.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command: list[str | Path] = [SERVICE / "kojo-mes", "audit", "verify", journal, "--key", public]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_service_takes_every_record_in(plant: Plant) -> None:
    body = (plant.journal / "works.jsonl").read_bytes()
    key = SIGNER.public.public_bytes_raw().hex()
    done = subprocess.run([SERVICE / "python", "-c", TAKE_IN, key], input=body, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    taken: list[Any] = json.loads(done.stdout)
    assert taken == [event["action"] for event in plant.events()]
    assert {"ansible:start", "ansible:change", "ansible:failure", "change:finish", "ansible:end"} <= set(taken)


def test_the_services_verifier_finds_it_whole(plant: Plant, tmp_path: Path) -> None:
    done = verified(plant.journal / "works.jsonl", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{len(plant.events())} journal lines" in done.stdout


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"A play", b"A game"), *lines[2:]], Kind.EDITED),
        (lambda lines: [lines[0], *lines[2:]], Kind.REMOVED),
        (lambda lines: [lines[0], lines[1][:-3] + b'1"}\n', *lines[2:]], Kind.EDITED),
    ],
)
def test_both_verifiers_name_the_same_record(plant: Plant, tmp_path: Path, tamper: Any, kind: Kind) -> None:
    copy = tmp_path / "journal.jsonl"
    copy.write_bytes(b"".join(tamper((plant.journal / "works.jsonl").read_bytes().splitlines(keepends=True))))
    with pytest.raises(Finding) as caught:
        verify([copy], KEYS)
    assert (caught.value.kind, caught.value.line) == (kind, 2)
    assert f"journal.jsonl:2: {kind}: {caught.value.what}" in verified(copy, tmp_path).stderr
