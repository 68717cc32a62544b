"""A release is of a commit and of nothing else, says what it works with, and verifies by its signer's public key."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.release_manifest import ReleaseFault, read_release

from tests.repository.ansible_yaml import ROOT
from tests.repository.test_wheelhouse import fake_pip
from tools import release, wheelhouse

Say = pytest.CaptureFixture[str]
STEP = """
from alembic import op
revision, down_revision, phase = "9001", "{before}", "expand"
def upgrade(): op.execute("SELECT 1")
def downgrade(): op.execute("SELECT 1")
"""


def newest_migration() -> str:
    return max(path.name[:4] for path in (ROOT / "service/src/kojo_mes/migrations/versions").glob("[0-9]*.py"))


class Clone:
    """A clone with nothing but the service, and somebody's key."""

    def __init__(self, folder: Path) -> None:
        self.root, self.output = folder / "clone", folder / "clone/.state/wheelhouse"
        skipped = shutil.ignore_patterns("__pycache__", ".*_cache", "tests", "benchmarks")
        shutil.copytree(ROOT / "service", self.root / "service", ignore=skipped)
        (self.root / ".venv-service").symlink_to(ROOT / ".venv-service")
        (self.root / ".gitignore").write_text(".state\n.venv-service\n*.local\n")
        (self.root / "service/released-schema").write_text(f"{newest_migration()}\n")
        self.git("init", "-q", "-b", "main")
        self.commit()
        self.key = folder / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self.key], check=True)
        self.signers = {"aiko": self.key.with_name("id.pub").read_text().strip()}

    def git(self, *arguments: str) -> str:
        own = ["-c", "user.name=aiko", "-c", "user.email=aiko@example.org", "-C", str(self.root)]
        return subprocess.run(["git", *own, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "A change")
        return self.git("rev-parse", "HEAD")

    def release(self) -> int:
        return release.main(["--repository", str(self.root)])

    @property
    def released(self) -> str:
        return (self.root / "service/released-schema").read_text().strip()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    monkeypatch.setattr(wheelhouse, "pip", fake_pip)
    clone = Clone(tmp_path)
    monkeypatch.setenv("RELEASE_KEY", str(clone.key))
    return clone


def test_a_release_verifies_and_is_the_commits(clone: Clone, capsys: Say) -> None:
    assert clone.release() == 0, capsys.readouterr().err
    made, signer = read_release(clone.output, clone.signers)
    assert signer == "aiko"
    assert made.commit == clone.git("rev-parse", "HEAD")
    digest = hashlib.sha256((clone.output / made.archive).read_bytes()).hexdigest()
    assert made.artefact_digest == digest
    said = capsys.readouterr().out
    assert digest in said
    assert made.schema.max == clone.released == newest_migration()
    assert clone.git("status", "--porcelain") == ""


def test_a_strangers_key_is_not_the_signers(clone: Clone) -> None:
    assert clone.release() == 0
    with pytest.raises(ReleaseFault, match="by none of nobody"):
        read_release(clone.output, {})


def test_a_new_migration_is_noted_for_the_next_commit(clone: Clone, capsys: Say) -> None:
    step = clone.root / "service/src/kojo_mes/migrations/versions/9001_step.py"
    step.write_text(STEP.format(before=newest_migration()))
    clone.commit()
    assert clone.release() == 0
    assert "service/released-schema is 9001 now: commit it" in capsys.readouterr().out
    made, _ = read_release(clone.output, clone.signers)
    assert (made.schema.min, made.schema.max) == ("9001", "9001")
    assert clone.git("status", "--porcelain") == "M service/released-schema"
    assert clone.release() == 1, "it is to be committed first"
    clone.commit()
    assert clone.release() == 0
    again, _ = read_release(clone.output, clone.signers)
    assert again.artefact_digest == made.artefact_digest, "what is noted is no part of the archive"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda root: (root / "service/README.md").write_text("another\n"), "service/README.md"),
        (lambda root: (root / "service/src/kojo_mes/api.py").unlink(), "service/src/kojo_mes/api.py"),
        (lambda root: (root / "note").write_text("new\n"), "note"),
    ],
    ids=["changed", "removed", "added"],
)
def test_a_dirty_tree_is_refused_by_file(
    clone: Clone, capsys: Say, change: Callable[[Path], object], named: str
) -> None:
    change(clone.root)
    assert clone.release() == 1
    assert f"not as committed:\n  {named}\n" in capsys.readouterr().err
    assert not clone.output.exists()


def test_what_git_ignores_is_not_released(clone: Clone) -> None:
    assert clone.release() == 0
    before, _ = read_release(clone.output, clone.signers)
    (clone.root / "service/src/kojo_mes/settings.local").write_text("mine\n")
    assert clone.release() == 0
    after, _ = read_release(clone.output, clone.signers)
    assert after.artefact_digest == before.artefact_digest


@pytest.mark.parametrize(("value", "says"), [(None, "not set"), ("/no/such/key", "/no/such/key")])
def test_nothing_is_built_without_a_key(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: Say, value: str | None, says: str
) -> None:
    monkeypatch.delenv("RELEASE_KEY") if value is None else monkeypatch.setenv("RELEASE_KEY", value)
    assert clone.release() == 1
    assert f"RELEASE_KEY=~/.ssh/id_ed25519 make release, with your own SSH key (RELEASE_KEY is {says})" in (
        capsys.readouterr().err
    )
    assert not clone.output.exists()


def test_a_key_that_is_none(clone: Clone, capsys: Say) -> None:
    clone.key.write_text("a diary\n")
    assert clone.release() == 1
    assert f"RELEASE_KEY {clone.key}: signing failed" in capsys.readouterr().err
    assert not (clone.output / "release.json").exists()


def test_a_migration_that_does_not_say_its_phase(clone: Clone, capsys: Say) -> None:
    step = clone.root / "service/src/kojo_mes/migrations/versions/9001_step.py"
    step.write_text(STEP.format(before=newest_migration()).replace('"expand"', "None"))
    clone.commit()
    assert clone.release() == 1
    assert "kojo-mes schema failed: kojo-mes schema: migration 9001: phase is None" in capsys.readouterr().err


def test_outside_a_clone(tmp_path: Path, clone: Clone, capsys: Say) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert release.main(["--repository", str(tmp_path / "elsewhere")]) == 1
    assert "is no clone with a commit" in capsys.readouterr().err
