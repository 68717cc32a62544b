"""What judges a load: its oracles find what was made up for them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.load.api import histogram, quantile
from tests.load.mix import Measured
from tests.load.reckoning import Counts, reckon
from tools.figures.ingest import faults

SENT = {"a", "b", "c", "d"}


def test_all_that_was_acknowledged_is_there() -> None:
    assert reckon(SENT, {"a", "b", "c"}, Counter("abc")) == Counts(4, 3, 3, lost=0, unexpected=0, recovered=0)


def test_an_acknowledgement_that_was_made_up_is_a_lost_write() -> None:
    assert reckon(SENT, {"a", "b", "c"}, Counter("ab")).lost == 1


@pytest.mark.parametrize("found", ["abx", "abb"])
def test_what_nobody_sent_or_what_is_there_twice_is_unexpected(found: str) -> None:
    assert reckon(SENT, {"a", "b"}, Counter(found)).unexpected == 1


def test_what_is_there_without_an_answer_is_recovered() -> None:
    counts = reckon(SENT, {"a"}, Counter("ad"))
    assert counts == Counts(4, 1, 2, lost=0, unexpected=0, recovered=1)
    assert str(counts) == "attempted 4, acknowledged 1, present 2, lost 0, unexpected 0, recovered 1"


TALLIES = {"gw-1": {"readings": 1000, "gave_up": ""}, "gw-2": {"readings": 500, "gave_up": ""}}
STORED = {"gw-1": 1000, "gw-2": 500}
NUMBERS = {"gw-1": ["1000", "[]", "0"], "gw-2": ["500", "[]", "0"]}


def test_an_ingest_without_faults() -> None:
    assert faults(TALLIES, STORED, NUMBERS) == []


@pytest.mark.parametrize(
    ("stored", "numbers", "gave_up", "fault"),
    [
        (499, ["500", "[]", "0"], "", "gw-2: 500 acknowledged, 499 stored: 1 lost"),
        (501, ["500", "[]", "0"], "", "gw-2: 500 acknowledged, 501 stored: -1 lost"),
        (500, ["499", "[[7, 8]]", "0"], "", "gw-2: 499 received, [[7, 8]] missing, 0 duplicates in its numbers"),
        (500, ["500", "[]", "500"], "", "gw-2: 500 received, [] missing, 500 duplicates in its numbers"),
        (500, ["1000", "[]", "0"], "503", "gw-2 gave up: 503"),
    ],
)
def test_an_ingest_that_lost_a_reading_is_no_figure(stored: int, numbers: list[str], gave_up: str, fault: str) -> None:
    tallies = TALLIES | {"gw-2": {"readings": 500, "gave_up": gave_up}}
    assert faults(tallies, STORED | {"gw-2": stored}, NUMBERS | {"gw-2": numbers}) == [fault]


METRICS = """\
# TYPE statements histogram
statements_bucket{kind="execute",le="0.01"} 80.0
statements_bucket{kind="execute",le="0.05"} 90.0
statements_bucket{kind="execute",le="+Inf"} 90.0
statements_count{kind="execute"} 90.0
statements_bucket{kind="commit",le="0.01"} 0.0
statements_bucket{kind="commit",le="0.05"} 10.0
statements_bucket{kind="commit",le="+Inf"} 10.0
statements_of_others_bucket{kind="commit",le="0.01"} 7.0
"""


def test_a_quantile_is_as_prometheus_tells_it() -> None:
    """80 of 100 up to 10 ms, the others between 10 and 50: the 95th is three quarters of the way."""
    buckets = histogram(METRICS, "statements")
    assert buckets == {0.01: 80, 0.05: 100, float("inf"): 100}
    assert quantile(0.95, buckets) == pytest.approx(0.04)
    assert quantile(0.4, buckets) == pytest.approx(0.005)


def test_a_quantile_beyond_the_last_edge_is_not_guessed() -> None:
    assert quantile(0.95, Counter({0.05: 90, float("inf"): 100})) == float("inf")


def test_p95_is_of_all_requests_or_of_one_kind() -> None:
    requests = [("quick", float(number), None) for number in range(1, 101)] + [("slow", 900.0, "HTTP 500")]
    measured = Measured(requests, Counter())
    assert (measured.p95("quick"), measured.p95("slow"), measured.p95()) == (95.0, 900.0, 96.0)
    assert measured.failures == {"slow: HTTP 500": 1}
