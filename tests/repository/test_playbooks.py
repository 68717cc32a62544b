"""Playbooks: all in one folder, and readable by Ansible on a clean clone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.ansible_yaml import ROOT, load, module_of
from tests.tree import versioned

PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))


@pytest.mark.parametrize("plant", ["plant_a", "plant_b"])
def test_every_playbook_has_a_sound_syntax(plant: str, tmp_path: Path) -> None:
    """On a clean clone: before there are secrets, keys and a lab."""
    made_later = shutil.ignore_patterns("secrets.yml", ".state")
    inventory = shutil.copytree(ROOT / "inventories" / plant, tmp_path / plant, ignore=made_later)
    checked = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "--syntax-check", "-i", inventory, "site.yml", *PLAYBOOKS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count("playbook: ") == len(PLAYBOOKS) + 1
    assert "WARNING" not in checked.stderr


@pytest.mark.parametrize(("link", "target"), [("site.yml", "playbooks/site.yml"), ("plant_a", "inventories/plant_a")])
def test_the_root_has_links_for_the_plain_command(link: str, target: str) -> None:
    assert (ROOT / link).is_symlink()
    assert (ROOT / link).readlink() == Path(target)


def test_there_are_playbooks_in_one_folder_only() -> None:
    """Those of Molecule and of tests are no verb of a plant."""
    elsewhere = [
        path
        for path in versioned("*.yml", "*.yaml")
        if not path.is_symlink()
        and path.relative_to(ROOT).parts[0] not in ("playbooks", "molecule", "tests")
        and isinstance(content := load(path), list)
        and any(isinstance(entry, dict) and "hosts" in entry for entry in content)
    ]
    assert elsewhere == []


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda playbook: playbook.name)
def test_a_playbook_is_a_list_of_roles(playbook: Path) -> None:
    for play in load(playbook):
        assert not play.get("gather_facts", True), f"{play['name']}: plays don't gather, base does"
        assert play.get("any_errors_fatal"), f"{play['name']}: a stage that fails on one host ends the run"
        for role in play.get("roles", []):
            assert role["role"].startswith("kojo.plant."), role
            assert role.get("tags") or playbook.name != "site.yml", f"{role['role']}: has no tag to be run alone by"
        for task in play.get("tasks", []):
            assert (module_of(task) or "a.b.c").count(".") == 2, task
