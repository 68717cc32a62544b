"""Print how many tests ran; fail when a suite ran none: python -m tools.test_summary FOLDER SUITE...

The folder has a JUnit file a suite.
"""

from __future__ import annotations

import sys
from pathlib import Path

from defusedxml import ElementTree


def main(folder: Path, suites: list[str]) -> int:
    """Print a line a suite and the total; return 1 when a suite is missing, ran no test or one failed."""
    total = {"tests": 0, "failed": 0, "skipped": 0}
    empty = []
    for file in sorted(folder.glob("*.xml")):
        suite = {"tests": 0, "failed": 0, "skipped": 0}
        for element in ElementTree.parse(file).iter("testsuite"):
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
    return 1 if empty or total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
