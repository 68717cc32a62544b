"""By ansible-playbook on this machine, from a role with a template and a file of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[8]
PYTHON = {"ANSIBLE_PYTHON_INTERPRETER": sys.executable}
# trailing newline, a loop's line end and a variable of the file's own
TEMPLATE = "{% for word in words %}\n{{ word }} of {{ here }}\n{% endfor %}\n"


@pytest.fixture
def run(tmp_path: Path) -> Any:
    role = tmp_path / "roles/settings"
    for folder in ("tasks", "templates", "files"):
        (role / folder).mkdir(parents=True)
    (role / "templates/words.j2").write_text(TEMPLATE)
    (role / "files/static").write_text("a\n\n")

    def playbook(*files: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        task = {"name": "Write", "kojo.plant.files": {"files": list(files)}, "vars": {"words": ["one", "two"]}}
        (role / "tasks/main.yml").write_text(yaml.safe_dump([task]))
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["settings"]}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        return subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "--diff", "play.yml"],
            cwd=tmp_path,
            env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1"} | PYTHON,
            capture_output=True,
            text=True,
            check=False,
        )

    return playbook


def test_templates_and_files_of_the_role_are_laid_down(run: Any, tmp_path: Path) -> None:
    owned = {"owner": str(os.geteuid()), "group": str(os.getegid())}
    files = [
        owned | {"path": str(tmp_path / "rendered"), "template": "words.j2", "vars": {"here": "this file"}},
        owned | {"path": str(tmp_path / "copied"), "source": "static"},
        owned | {"path": str(tmp_path / "written"), "content": "canary", "secret": True},
    ]
    first, second = run(*files), run(*files)
    assert "changed=1" in first.stdout, first.stdout + first.stderr
    assert "+two of this file" in first.stdout
    assert "canary" not in first.stdout + first.stderr
    assert (tmp_path / "rendered").read_text() == "one of this file\ntwo of this file\n"
    assert (tmp_path / "copied").read_text() == "a\n\n"
    assert (tmp_path / "written").read_text() == "canary"
    assert "changed=0" in second.stdout


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({}, "give one of content, template, source, not none"),
        ({"content": "x", "source": "static"}, "give one of content, template, source"),
        ({"source": "nowhere"}, "Could not find or access 'nowhere'"),
        ({"template": "words.j2"}, "'here' is undefined"),
    ],
)
def test_what_makes_no_content_is_refused_by_the_files_name(
    run: Any, tmp_path: Path, file: dict[str, Any], message: str
) -> None:
    said = run({"path": str(tmp_path / "wanted")} | file)
    output = " ".join((said.stdout + said.stderr).split())
    assert f"{tmp_path}/wanted: " in output
    assert message in output
    assert not (tmp_path / "wanted").exists()
