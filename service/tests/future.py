"""Releases that aren't there yet: the schema's steps, and more after them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kojo_mes.migrations import chain

STEP = '''"""A step of a release to come."""

from __future__ import annotations

from alembic import op

revision = "{revision}"
down_revision = "{before}"
{declared}


def upgrade() -> None:
    op.execute("""{up}""")


def downgrade() -> None:
    op.execute("""{down}""")
'''

# revision, what it declares, and its SQL
Step = tuple[str, str, str]
Release = Callable[..., None]

EXPAND = ("0026", 'phase = "expand"', "ALTER TABLE mes.line ADD colour text")
CONTRACT = ("0027", 'phase = "contract"\ncompletes = "0026"', "ALTER TABLE mes.line DROP COLUMN colour")
LATER = ("0028", 'phase = "expand"', "ALTER TABLE mes.line ADD shade text")


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """From now on the code is that of a release with these steps after the first release's."""
    present = chain.FOLDER

    def change(*steps: Step, down: str = "SELECT 1") -> None:
        folder = tmp_path / "migrations"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(present, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (folder / "versions").glob("[0-9]*.py"):
            if path.name[:4] > chain.FIRST:
                path.unlink()
        before = chain.FIRST
        for revision, declared, up in steps:
            text = STEP.format(revision=revision, before=before, declared=declared, up=up, down=down)
            (folder / "versions" / f"{revision}_step.py").write_text(text, encoding="utf-8")
            before = revision
        monkeypatch.setattr(chain, "FOLDER", folder)

    return change
