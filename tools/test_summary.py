"""Print how many tests ran, and which failed; fail when a suite ran none: python -m tools.test_summary FOLDER SUITE...

The folder has a JUnit file a suite. What failed comes last and is short: often only the end of a long log is kept.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element  # the type alone

from defusedxml import ElementTree

MOST_FAILURES = 5
MOST_CHARACTERS = 240  # of a failure's words
BROKEN_INTO = 6  # lines
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def failures(results: Element) -> Iterator[str]:
    """Give each test of JUnit's RESULTS that failed, with the beginning of what it said."""
    for case in results.iter("testcase"):
        for outcome in (*case.iter("failure"), *case.iter("error")):
            words = " ".join(outcome.get("message", "").split())[:MOST_CHARACTERS]
            yield f"FAILED {case.get('classname')}::{case.get('name')}: {words}"


def refused_tasks(log: Path) -> Iterator[str]:
    """Give what Ansible called fatal: a play that fails before its tests could run has no other witness."""
    lines = COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace")).splitlines()
    for number, line in enumerate(lines):
        if "fatal: [" in line:  # Molecule breaks and frames the lines
            words = " ".join(part.strip(" │") for part in lines[number : number + BROKEN_INTO])
            yield words[:MOST_CHARACTERS]


def main(folder: Path, suites: list[str]) -> int:
    """Print a line a suite and the total; return 1 when a suite is missing, ran no test or one failed."""
    total = {"tests": 0, "failed": 0, "skipped": 0}
    empty, failed = [], list[str]()
    for file in sorted(folder.glob("*.xml")):
        suite = {"tests": 0, "failed": 0, "skipped": 0}
        results = ElementTree.fromstring(file.read_bytes())
        failed += failures(results)
        for element in results.iter("testsuite"):
            suite["tests"] += int(element.get("tests", 0))
            suite["failed"] += int(element.get("failures", 0)) + int(element.get("errors", 0))
            suite["skipped"] += int(element.get("skipped", 0))
        if suite["tests"] == suite["skipped"]:
            empty.append(file.stem)
        print(f"{file.stem}: {suite['tests']} tests, {suite['failed']} failed, {suite['skipped']} skipped")
        total = {name: total[name] + suite[name] for name in total}
    empty += [suite for suite in suites if not (folder / f"{suite}.xml").exists()]
    for name in empty:
        print(f"test_summary: suite {name} ran no test", file=sys.stderr)
    passed = total["tests"] - total["failed"] - total["skipped"]
    print(f"{passed} passed, {total['failed']} failed, {total['skipped']} skipped")
    refused = [line for log in sorted(folder.glob("*.log")) for line in refused_tasks(log)]
    for line in (failed or refused)[:MOST_FAILURES]:
        print(line, file=sys.stderr)
    return 1 if empty or total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
