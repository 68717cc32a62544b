"""`ansible-playbook site.yml` with nothing to change: wall time on all hosts of the plant.

The median of three runs on a converged plant. A run that changes anything, anywhere, is no measurement.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tools.figures.common import ROOT, Unmeasurable, emit, inventory, running_plant

BAR = 180
AIM = 90
UNIT = "s"
RUNS = 3
# a host's line in Ansible's recap
HOST = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=\d+\s+failed=\d+", re.MULTILINE)


def changes(recap: str) -> dict[str, int]:
    """Return how much changed on each host, from what ansible-playbook printed."""
    return {host: int(changed) for host, changed in HOST.findall(recap)}


def run(folder: Path) -> float:
    """Converge once; return the seconds that it took."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "site.yml", "-i", str(folder)]
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    changed = changes(done.stdout)
    if done.returncode or not changed or any(changed.values()):
        sys.stderr.write(done.stdout)
        raise Unmeasurable(f"rerun: exit code {done.returncode}, changed {changed}; converge the plant first")
    print(f"{seconds:.1f} s, nothing changed on {len(changed)} hosts")
    return seconds


def main() -> None:
    with running_plant():
        samples = [run(inventory()) for _ in range(RUNS)]
    emit("rerun", round(statistics.median(samples), 1), UNIT, bar=BAR, better="lower", samples=RUNS)


if __name__ == "__main__":
    main()
