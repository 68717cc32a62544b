"""What is known of a line over a long time, and the part of it that one period needs. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kojo_mes.line_states.timeline import Interval, Span, clipped
from kojo_mes.oee.formula import BUSY, Count, CycleTime, Inputs

LONGEST_COUNT = timedelta(hours=24)  # as production_count's own constraint has it
FOREVER = datetime.max.replace(tzinfo=UTC)


class History:
    """`spans` and `counts` in the order of time."""

    def __init__(
        self,
        spans: Sequence[Span],
        counts: Sequence[Count],
        cycle_times: Sequence[CycleTime],
        micro_stop_limit: timedelta,
        as_of: datetime,
    ) -> None:
        self._spans, self._counts, self._cycle_times = spans, counts, cycle_times
        self._limit, self._as_of = micro_stop_limit, as_of
        self._starts = [span.start for span in spans]
        self._ends = [span.end or FOREVER for span in spans]
        self._counted_from = [count.time.start for count in counts]

    def inputs(self, windows: Sequence[Interval]) -> Inputs:
        """Of windows in order. Spans reach as far beyond as it takes to tell a micro-stop from a longer stop."""
        if not windows:
            return Inputs((), (), (), self._cycle_times, self._limit, self._as_of)
        start, end = windows[0].start, windows[-1].end
        first = bisect_right(self._ends, start - self._limit)
        last = bisect_left(self._starts, end + self._limit)
        counted = bisect_left(self._counted_from, start - LONGEST_COUNT)
        counts = [
            count for count in self._counts[counted : bisect_left(self._counted_from, end)] if count.time.end > start
        ]
        return Inputs(windows, self._spans[first:last], counts, self._cycle_times, self._limit, self._as_of)


def products(inputs: Inputs) -> list[str]:
    """That were set up or counted in the windows."""
    found = {count.product for count in inputs.counts}
    for window in inputs.windows:
        found |= {
            span.product for _, span in clipped(inputs.spans, window) if span.product is not None and span.state in BUSY
        }
    return sorted(found)
