"""One colour with a fault, for as long as a block lasts. Nothing of the product is touched, and no reboot keeps it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bluegreen.colours import UNIT, Colours
from tests.plant import edges

PROGRAM = Path(__file__).with_name("every_fifth.py")
FOLDER = "/run/kojo-fault"
ASKED = 100
LEAST, MOST = 15, 25  # of 100; each host counts for itself


@contextmanager
def failing(colours: Colours, colour: str) -> Iterator[None]:
    """The idle COLOUR fails every fifth request on every app host, which is made sure of through the preview."""
    unit = UNIT.format(colour)
    dropin = f"/run/systemd/system/{unit}.service.d"
    write = shlex.quote(PROGRAM.read_text(encoding="utf-8"))
    settings = shlex.quote(f"[Service]\nEnvironment=PYTHONPATH={FOLDER}\n")
    try:
        colours.on_apps(
            f"install -d -m 755 {FOLDER} {dropin} && printf %s {write} > {FOLDER}/sitecustomize.py"
            f" && printf %s {settings} > {dropin}/fault.conf && chmod 644 {FOLDER}/* {dropin}/*"
        )
        _anew(colours, colour)
        if not LEAST <= (failed := _failures(colours)) <= MOST:
            raise RuntimeError(f"{failed} of {ASKED} requests to {colour} fail; {LEAST} to {MOST} were to")
        yield
    finally:
        colours.on_apps(f"rm -rf {FOLDER} {dropin}")
        _anew(colours, colour)


def _anew(colours: Colours, colour: str) -> None:
    colours.on_apps(f"systemctl daemon-reload && systemctl restart {UNIT.format(colour)}")
    colours.seen(colour, up=True)


def _failures(colours: Colours) -> int:
    plant = colours.lab.plant
    answers: Counter[int] = Counter()
    with edges.client(plant, port=8443, at=plant.address(colours.edges[0])) as preview:
        answers.update(preview.get("/health").status_code for _ in range(ASKED))
    return answers[500]
