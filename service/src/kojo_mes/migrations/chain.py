"""The steps of the schema, and which of them a release's code needs (docs/decisions/0017).

After the first release each step says `phase`: "expand" adds, and leaves the code before it alone; "contract" takes
away, and names in `completes` the revision from which on no release's code uses what goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

FOLDER = Path(__file__).parent
FIRST = "0025"  # the first release's schema: nothing older runs on it, so the steps up to here have no phase


class Phase(StrEnum):
    EXPAND = "expand"
    CONTRACT = "contract"


class ChainFault(CommandError):
    """A step doesn't say what it must, and what it must say."""


@dataclass(frozen=True)
class Step:
    revision: str
    phase: Phase | None = None
    completes: str | None = None


@dataclass(frozen=True)
class Chain:
    """All steps that this code knows, oldest first. Revisions are four digits that rise: they compare as text."""

    steps: tuple[Step, ...]

    @classmethod
    def read(cls) -> Self:
        """The steps in FOLDER; ChainFault when one isn't declared as it must be."""
        steps: list[Step] = []
        for script in reversed(list(ScriptDirectory.from_config(config()).walk_revisions())):
            steps.append(_step(script.revision, vars(script.module), steps))
        return cls(tuple(steps))

    @property
    def oldest(self) -> str:
        """The oldest schema that the code runs on: it may use all that an expanding step added."""
        return next((step.revision for step in reversed(self.steps) if step.phase is Phase.EXPAND), FIRST)

    @property
    def newest(self) -> str:
        return self.steps[-1].revision

    def needs(self, revision: str | None) -> str | None:
        """The newest revision that a release must know to run on the schema REVISION; None: any release runs on it."""
        return max(
            (step.completes for step in self.steps if step.completes and step.revision <= (revision or "")),
            default=None,
        )

    def after(self, revision: str | None) -> list[Step]:
        return [step for step in self.steps if step.revision > (revision or "")]

    def __contains__(self, revision: object) -> bool:
        return any(step.revision == revision for step in self.steps)


def config() -> Config:
    """Alembic's, without its file."""
    found = Config()
    found.set_main_option("script_location", str(FOLDER))
    return found


def _step(revision: str, said: dict[str, Any], before: list[Step]) -> Step:
    phase, completes = said.get("phase"), said.get("completes")
    if not re.fullmatch(r"\d{4}", revision) or (before and revision <= before[-1].revision):
        above = before[-1].revision if before else "0000"
        raise ChainFault(f"migration {revision}: its revision is not four digits above {above}")
    if revision <= FIRST:
        return Step(revision)
    if phase not in list(Phase):
        raise ChainFault(f'migration {revision}: phase is {phase!r}; write phase = "expand" or phase = "contract"')
    known = [step.revision for step in before if step.revision >= FIRST]
    if phase == Phase.CONTRACT and completes not in known:
        raise ChainFault(
            f"migration {revision}: completes is {completes!r}; write the revision from which on no release's code "
            f"uses what goes, one of {', '.join(known)}"
        )
    if phase == Phase.EXPAND and completes is not None:
        raise ChainFault(f"migration {revision}: only a contracting migration completes another; remove completes")
    return Step(revision, Phase(phase), completes)
