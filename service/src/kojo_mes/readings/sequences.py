"""Sequence numbers of a source: what is missing, came twice, or came after its successors. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

MOST_GAPS = 1000  # that a source is remembered for; numbers of older ones are lost


@dataclass(frozen=True)
class Ledger:
    """`first`, `last`: lowest and highest number that came. `missing`: ranges that end before their second number,
    in order, none touching the next."""

    first: int | None = None
    last: int | None = None
    missing: tuple[tuple[int, int], ...] = ()
    received: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    lost: int = 0

    @property
    def absent(self) -> int:
        """Numbers that were skipped and haven't come since, the lost ones too."""
        return self.lost + sum(end - start for start, end in self.missing)


def heard(ledger: Ledger, numbers: Iterable[int]) -> Ledger:
    """After these numbers came, in this order. One that is lower than all before comes late, and what lies between it
    and them is missing; a ledger without `first` (of before it was kept) takes it for a duplicate."""
    first, last, missing = ledger.first, ledger.last, list(ledger.missing)
    received, duplicates, out_of_order = ledger.received, ledger.duplicates, ledger.out_of_order
    for number in numbers:
        received += 1
        if last is None:
            first = last = number
        elif number > last:
            if number > last + 1:
                missing.append((last + 1, number))
            last = number
        elif first is not None and number < first:
            if number < first - 1:
                missing.insert(0, (number + 1, first))
            first = number
            out_of_order += 1
        elif (index := _gap(missing, number)) is not None:
            start, end = missing[index]
            missing[index : index + 1] = [(a, b) for a, b in ((start, number), (number + 1, end)) if a < b]
            out_of_order += 1
        else:
            duplicates += 1
    forgotten = missing[: max(0, len(missing) - MOST_GAPS)]
    return replace(
        ledger,
        first=first,
        last=last,
        missing=tuple(missing[len(forgotten) :]),
        received=received,
        duplicates=duplicates,
        out_of_order=out_of_order,
        lost=ledger.lost + sum(end - start for start, end in forgotten),
    )


def _gap(missing: list[tuple[int, int]], number: int) -> int | None:
    """Most that is missing went missing lately."""
    for index in range(len(missing) - 1, -1, -1):
        start, end = missing[index]
        if start <= number < end:
            return index
        if end <= number:
            return None
    return None
