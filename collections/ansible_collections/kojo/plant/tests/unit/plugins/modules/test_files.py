"""On this machine's own files: the module runs as Ansible runs it, and the folder is looked at from outside."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kojo.plant.plugins.modules import files

OWNED = {"owner": str(os.geteuid()), "group": str(os.getegid())}


class Play:
    """Runs the module and returns what it says."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(
        self, *entries: dict[str, Any], directories: Sequence[dict[str, Any]] = (), check: bool = False
    ) -> dict[str, Any]:
        arguments = {
            "files": [OWNED | entry for entry in entries],
            "directories": list(directories),
            "_ansible_check_mode": check,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            files.main()
        said: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return said


@pytest.fixture
def play(capsys: pytest.CaptureFixture[str]) -> Play:
    return Play(capsys)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_folders_are_made_once(play: Play, tmp_path: Path) -> None:
    wanted = {"path": str(tmp_path / "new/settings"), "content": "x = 1\n", "mode": "0640"}
    folders = [OWNED | {"path": str(tmp_path / "new"), "mode": "0750"}]
    first, second = play(wanted, directories=folders), play(wanted, directories=folders)
    assert first["changed_paths"] == [str(tmp_path / "new"), str(tmp_path / "new/settings")]
    assert (tmp_path / "new/settings").read_text() == "x = 1\n"
    assert (mode(tmp_path / "new"), mode(tmp_path / "new/settings")) == (0o750, 0o640)
    assert (second["changed"], second["changed_paths"], second["diff"]) == (False, [], [])


def test_only_what_differs_is_changed_and_shown(play: Play, tmp_path: Path) -> None:
    for name in ("same", "other", "open"):
        (tmp_path / name).write_text("old\n")
        (tmp_path / name).chmod(0o644)
    said = play(
        {"path": str(tmp_path / "same"), "content": "old\n"},
        {"path": str(tmp_path / "other"), "content": "new\n"},
        {"path": str(tmp_path / "open"), "content": "old\n", "mode": "0600"},
    )
    assert said["changed_paths"] == [str(tmp_path / "other"), str(tmp_path / "open")]
    assert (said["diff"][0]["before"], said["diff"][0]["after"]) == ("old\n", "new\n")
    assert (said["diff"][1]["before"]["mode"], said["diff"][1]["after"]["mode"]) == ("0644", "0600")
    assert names(tmp_path) == ["open", "other", "same"]


def test_check_mode_says_it_and_touches_nothing(play: Play, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old\n")
    said = play(
        {"path": str(tmp_path / "there"), "content": "new\n"},
        # on a bare host neither the folder, the group nor the validator is there
        {
            "path": str(tmp_path / "bare/one"),
            "content": "new\n",
            "group": "no-such-group",
            "validate": "no-such-program %s",
        },
        directories=[OWNED | {"path": str(tmp_path / "bare")}],
        check=True,
    )
    assert said["changed_paths"] == [str(tmp_path / name) for name in ("bare", "there", "bare/one")]
    assert (tmp_path / "there").read_text() == "old\n"
    assert names(tmp_path) == ["there"]


def test_a_secret_is_written_and_not_told(play: Play, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("former-canary")
    said = play({"path": str(tmp_path / "key"), "content": "present-canary", "secret": True, "mode": "0600"})
    assert (tmp_path / "key").read_text() == "present-canary"
    assert said["changed"]
    assert "canary" not in json.dumps(said)


def test_a_refused_file_leaves_all_as_they_were(play: Play, tmp_path: Path) -> None:
    (tmp_path / "first").write_text("old\n")
    (tmp_path / "first").chmod(0o604)
    (tmp_path / "third").write_text("old\n")
    said = play(
        {"path": str(tmp_path / "first"), "content": "new\n"},
        {"path": str(tmp_path / "second"), "content": "new\n"},
        # a validator sees the files before its own in place
        {
            "path": str(tmp_path / "third"),
            "content": "bad\n",
            "validate": f"sh -c 'grep -q new {tmp_path}/first && grep -q good %s || {{ echo no good here; exit 1; }}'",
        },
    )
    assert said["failed"]
    assert f"{tmp_path}/third is left as it was" in said["msg"]
    assert "no good here" in said["msg"]
    assert [(tmp_path / name).read_text() for name in ("first", "third")] == ["old\n", "old\n"]
    assert mode(tmp_path / "first") == 0o604
    assert names(tmp_path) == ["first", "third"]


def test_a_validator_may_lean_on_the_files_before(play: Play, tmp_path: Path) -> None:
    said = play(
        {"path": str(tmp_path / "rules"), "content": "rule\n"},
        {
            "path": str(tmp_path / "settings.yml"),
            "content": "x\n",
            "validate": f"grep --quiet rule {tmp_path}/rules %s",
        },
    )
    assert said["changed"]
    assert names(tmp_path) == ["rules", "settings.yml"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "folder", "content": "x"}, "folder is there and is a folder"),
        ({"path": "none/file", "content": "x"}, "name it in directories"),
        ({"path": "file", "content": "x", "validate": "true"}, "has no %s"),
    ],
)
def test_bad_input_is_refused_with_the_remedy(play: Play, tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    (tmp_path / "folder").mkdir()
    said = play(entry | {"path": str(tmp_path / entry["path"])})
    assert said["failed"]
    assert message in said["msg"]
    assert names(tmp_path) == ["folder"]
