"""Who, from where, and of which commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils import journal_origin
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_origin import actor, commits, origin

AWX = {"awx_job_id": 7, "awx_user_name": "sato", "awx_user_first_name": "Hanako", "awx_user_last_name": "Sato"}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_awx_names_the_person_or_nobody() -> None:
    assert actor(AWX) == {"id": "sato", "kind": "person", "name": "Hanako Sato", "roles": []}
    assert actor({"awx_job_id": 7})["kind"] == "system"
    assert origin(AWX | {"other": 1})["awx"] == dict(sorted(AWX.items()))


def test_who_logged_in_counts_before_who_sudo_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "aiko")
    monkeypatch.setattr(journal_origin, "_login", lambda: None)
    assert actor({})["id"] == "aiko"
    monkeypatch.setattr(journal_origin, "_login", lambda: "www-data")
    assert actor({})["id"] == "www-data"
    monkeypatch.undo()
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(journal_origin, "_login", lambda: None)
    assert actor({})["id"] == subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()


def test_the_address_is_found_behind_sudo(tmp_path: Path) -> None:
    """A child without the variable, of a shell that has it."""
    script = (
        "import os; os.environ.pop('SSH_CONNECTION', None);"
        "from ansible_collections.kojo.plant.plugins.plugin_utils.journal_origin import origin;"
        "print(origin({})['ssh_client'])"
    )
    environment = {**os.environ, "SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 22", "SCRIPT": script}
    environment["PYTHONPATH"] = str(Path(__file__).parents[7])
    command = f'env -u SSH_CONNECTION {sys.executable} -c "$SCRIPT"; :'
    said = subprocess.run(["bash", "-c", command], env=environment, check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "192.0.2.7"


def test_a_commit_and_what_is_not_as_it_says(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a b.yml").write_text("1\n", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "x")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "sub").mkdir()
    folders = {"playbook": tmp_path, "inventory": tmp_path / "sub"}
    assert commits(folders)["inventory"] == {"commit": commit, "dirty": False, "changed": []}
    (tmp_path / "a b.yml").write_text("2\n", encoding="utf-8")
    (tmp_path / "new.yml").write_text("2\n", encoding="utf-8")
    assert commits(folders)["playbook"] == {"commit": commit, "dirty": True, "changed": ["a b.yml", "new.yml"]}


def test_where_there_is_no_git_it_is_said(tmp_path: Path) -> None:
    found = commits({"playbook": tmp_path})["playbook"]
    assert found["commit"] is None
    assert "not a git repository" in found["fault"]
