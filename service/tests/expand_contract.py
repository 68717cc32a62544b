"""What is wrong with migrations that run while a release serves that doesn't know them yet (docs/decisions/0017).

squawk judges the SQL that Alembic's offline mode writes; what it has no rule for is in UNJUDGED. A finding that does no
harm is let go by a comment in the line above it: `-- harmless: why`.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from kojo_mes.migrations.chain import FIRST, Chain, Phase, config

RELEASED = Path(__file__).parent.parent / "released-schema"  # `make release` moves it
OPT_IN = (
    *("ban-drop-trigger", "ban-disable-trigger", "ban-drop-type", "ban-drop-extension", "ban-drop-index"),
    *("ban-drop-policy", "ban-create-policy", "ban-alter-policy-condition", "ban-alter-policy-roles"),
    *("ban-alter-row-level-security", "ban-revoke", "ban-new-write-restriction", "ban-replace-view-function"),
    *("ban-detach-inheritance", "ban-replica-identity", "ban-alter-sequence-values", "ban-alter-view-options"),
)
NOT_HERE = (
    # a migration is one transaction that waits for no lock longer than 5 s (migrate.py)
    *("require-concurrent-index-creation", "require-concurrent-index-deletion", "require-concurrent-partition-detach"),
    *("require-concurrent-reindex", "require-lock-timeout", "require-statement-timeout", "require-timeout-settings"),
    "prefer-robust-stmts",
    # a matter of taste, not of releases side by side
    *("prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-identity", "prefer-text-field"),
    *("ban-char-field", "ban-create-domain-with-constraint"),
)
# what takes something away from the release before, or forbids it what it does; other findings are wrong in any phase
TAKES_AWAY = re.compile(r"ban-(?!uncommitted)|renaming-|adding-(required|not-nullable)-field|changing-column-type")
NOT_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
UNJUDGED = {
    r"^\s*DO\b": "a DO block hides what it does",
    r"^\s*(DELETE|TRUNCATE|UPDATE|MERGE)\b": "it changes rows that the release before reads",
    r"^\s*CREATE\s+(OR\s+REPLACE\s+)?(CONSTRAINT\s+)?TRIGGER\b.*?\bON\s+(?P<table>[\w.]+)": (
        "a new trigger may refuse what the release before writes"
    ),
}
# of a column that the release before doesn't write; what it lacks then is adding-required-field
OF_A_NEW_COLUMN = "A new column constraint can reject writes"
HARMLESS = re.compile(r"\s*-- harmless: \S")

Finding = tuple[int, str, str]  # line, rule, message


def faults(released: str) -> list[str]:
    """What is wrong with the migrations after the first release's; RELEASED is the last release's newest revision."""
    chain, found = Chain.read(), []
    scripts = ScriptDirectory.from_config(config())
    texts = {step.revision: sql(scripts.get_revision(step.revision)) for step in chain.after(FIRST)}
    findings = judged(texts)
    for step in chain.after(FIRST):
        name = f"migration {step.revision}"
        if step.completes and step.completes > released:
            found.append(
                f"{name} completes {step.completes}, which no release has yet (the last one knows {released}): "
                f"release {step.completes} first, and contract in a later release"
            )
        for _, rule, message in findings[step.revision]:
            if not TAKES_AWAY.match(rule):
                found.append(f"{name}: {rule}: {message}")
            elif step.phase is Phase.EXPAND:
                found.append(f"{name}: {rule}: {message} Only a contracting migration may do so")
    return found


def sql(script: Script) -> str:
    """What the migration's upgrade says to PostgreSQL; one that asks the database first can't be judged, and fails."""
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer, "transactional_ddl": False}
    )
    with Operations.context(context):
        script.module.upgrade()
    return buffer.getvalue()


def judged(texts: dict[str, str]) -> dict[str, list[Finding]]:
    """The findings in each text, but those that are said to be harmless."""
    found: dict[str, list[Finding]] = defaultdict(list)
    for name, line, rule, message in [*_squawk(texts), *_unjudged(texts)]:
        above = texts[name].splitlines()[line - 1] if line else ""
        if not HARMLESS.match(above) and not message.startswith(OF_A_NEW_COLUMN):
            found[name].append((line, rule, message))
    return found


def _squawk(texts: dict[str, str]) -> Iterator[tuple[str, int, str, str]]:
    if not texts:
        return
    program = shutil.which("squawk", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program, "squawk is missing: run tools/setup"
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in texts]
        for file, text in zip(files, texts.values(), strict=True):
            file.write_text(text, encoding="utf-8")
        options = ["--assume-in-transaction", "--pg-version", "17", "--reporter", "json"]
        rules = [f"--include={','.join(OPT_IN)}", f"--exclude={','.join(NOT_HERE)}"]
        done = subprocess.run([program, *options, *rules, *files], capture_output=True, text=True, check=False)
    assert not done.stderr.startswith("error"), done.stderr
    for finding in json.loads(done.stdout):
        yield Path(finding["file"]).name, finding["line"], finding["rule_name"], finding["message"]


def _unjudged(texts: dict[str, str]) -> Iterator[tuple[str, int, str, str]]:
    for name, text in texts.items():
        made = set(re.findall(r"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)", text, re.IGNORECASE))
        # the same length and lines, without what isn't a statement's own words
        bare, start = NOT_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text), 0
        for statement in bare.split(";"):
            for pattern, why in UNJUDGED.items():
                hit = re.search(pattern, statement, re.IGNORECASE | re.DOTALL)
                if hit and hit.groupdict().get("table") not in made:
                    first = start + len(statement) - len(statement.lstrip())
                    yield name, text.count("\n", 0, first), "ban-what-nobody-judges", f"{why}."
            start += len(statement) + 1
