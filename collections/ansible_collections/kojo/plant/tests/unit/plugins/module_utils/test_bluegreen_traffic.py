"""What the counters of a colour mean: as HAProxy 2.6 gave them for requests whose end is known."""

from __future__ import annotations

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.haproxy_runtime import Runtime, RuntimeFault
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.traffic import Traffic

NAMES = "hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,econ,eresp,wretr,srv_abrt,rtime"


def traffic(*counts: int) -> Traffic:
    reply = f"# pxname,svname,{NAMES},\nblue,BACKEND,{','.join(map(str, counts))},\n\n"
    return Runtime(lambda command: reply if command == "show stat blue 2 -1" else "Unknown command").traffic("blue")


@pytest.mark.parametrize(
    ("what", "counts", "expected"),
    [
        ("three answers, one of them 404", (0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 12), Traffic(3, 0, 0, 12)),
        ("500 by the service", (0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 5), Traffic(1, 1, 0, 5)),
        ("no connection, tried three times", (0, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0), Traffic(1, 1, 3, 0)),
        ("no server", (0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0), Traffic(1, 1, 1, 0)),
        ("dropped before the answer, thrice", (0, 0, 0, 0, 1, 0, 0, 1, 2, 0, 0), Traffic(1, 1, 3, 0)),
        ("no answer in time", (0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0), Traffic(1, 1, 1, 0)),
        ("cut off in its answer", (0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0), Traffic(1, 1, 1, 0)),
        ("shut down at the end of a drain", (0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 26), Traffic(1, 0, 0, 26)),
        ("well when it was tried again", (0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 3), Traffic(1, 0, 1, 3)),
    ],
)
def test_what_the_counters_mean(what: str, counts: tuple[int, ...], expected: Traffic) -> None:
    assert traffic(*counts) == expected, what


@pytest.mark.parametrize("reply", ["Unknown command", "# pxname,svname,\n\n"])
def test_a_reply_that_is_no_counters_is_a_fault(reply: str) -> None:
    with pytest.raises(RuntimeFault, match="show stat blue 2 -1: "):
        Runtime(lambda _: reply).traffic("blue")


def test_edges_are_summed_and_their_averages_weighed() -> None:
    assert Traffic(100, 1, 2, 10) + Traffic(300, 3, 0, 30) == Traffic(400, 4, 2, 25)
    assert Traffic() + Traffic() == Traffic()


@pytest.mark.parametrize(
    ("status", "up"),
    [("UP", True), ("no check", True), ("UP 1/2", False), ("DOWN", False), ("DOWN 1/2", False), ("MAINT", False)],
)
def test_a_server_on_its_way_down_is_nothing_to_go_to(status: str, up: bool) -> None:
    reply = f"# pxname,svname,status,scur,req_tot,stot,hrsp_5xx,econ,eresp,\nblue,app1,{status},0,0,0,0,0,0,\n\n"
    assert [server.up for server in Runtime(lambda _: reply).servers("blue")] == [up]
