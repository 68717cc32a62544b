"""What clients see of a switch, and that the load would see it: the same load over a plain restart."""

from __future__ import annotations

import itertools
import time

from tests.bluegreen.colours import UNIT, Colours
from tests.bluegreen.conftest import SHORT
from tests.bluegreen.exercise import exercise, under_load
from tests.faults.lab import Lab

RATE = 100
INTERVAL = 10  # seconds between two changes


def test_no_request_fails_over_switches_and_a_return(lab: Lab) -> None:
    done = exercise(lab, switches=2 if SHORT else 4, returns=1, interval=INTERVAL, drain=5, rate=RATE)
    assert all(one.active != other.active for one, other in itertools.pairwise(done.decided))
    assert len(done.load.requests) > RATE * INTERVAL * len(done.decided)
    assert any(request.name == "live" for request in done.load.requests)
    assert not done.load.failures


def test_a_plain_restart_of_both_app_hosts_fails_requests(lab: Lab) -> None:
    """Negative control: what a deploy without colours does."""
    colours = Colours(lab)
    with under_load(lab, RATE, listener=False) as load:
        time.sleep(5)
        before = load.failures.total()
        colours.on_apps(f"systemctl restart --no-block {UNIT.format(colours.active())}")
        time.sleep(25)
    assert before == 0, load.failures
    assert load.failures.total() > 0
    last = max(request.at + request.seconds for request in load.requests if request.fault)
    assert last < max(request.at for request in load.requests), "it serves again"
