"""kojo.plant.release as a task, on folders that ssh-keygen signed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kojo.plant.tests.unit.plugins.plants import Plant
from ansible_collections.kojo.plant.tests.unit.plugins.plugin_utils.test_release_manifest import RELEASE, Folder

TASKS = """
- kojo.plant.release: {folder: "{{ folder }}", signers: "{{ plant_release_signers }}"}
  register: found
- ansible.builtin.debug:
    msg: >-
      {{ found.signer }} released {{ found.release.artefact_digest }}:
      {{ found.release | kojo.plant.schema_misfit({'revision': '0025', 'needs': none}) }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def run(plant: Plant, folder: Folder, *options: str) -> tuple[int, str]:
    done = plant.run(plant.playbook(TASKS), "-e", f"folder={folder.path}", *options)
    return done.returncode, " ".join(done.stdout.split())


@pytest.mark.parametrize("options", [(), ("--check", "--diff")])
def test_a_release_is_told_and_nothing_changes(tmp_path: Path, folder: Folder, options: tuple[str, ...]) -> None:
    code, said = run(Plant(tmp_path / "plant", plant_release_signers=folder.signers), folder, *options)
    assert code == 0, said
    assert f"aiko released {RELEASE.artefact_digest}" in said
    assert "needs schema 0026, and the database has 0025" in said
    assert "changed=0" in said


def test_another_archive_ends_the_run(tmp_path: Path, folder: Folder) -> None:
    folder.archive.write_bytes(b"another")
    code, said = run(Plant(tmp_path / "plant", plant_release_signers=folder.signers), folder)
    assert code == 2
    assert "This release can't be deployed:" in said
    assert "it is another archive" in said
