"""Every way to tamper with a journal, with the key and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import FIRST_PREVIOUS, Kind, Signer, read, write
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_verify import Finding, Head, verify
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import GENERATORS
from ansible_collections.kojo.plant.tests.unit.plugins.journals import KEYS, SIGNER, event, events, written

Tamper = Callable[[list[bytes]], list[bytes]]
STRANGER = Signer.of_pem(GENERATORS["mes_journal_signing_key"]())


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return written(tmp_path / "journal", 6)


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def other(sequence: int, previous: bytes, signer: Signer = SIGNER) -> bytes:
    full = {**event("other:task"), "source": "journal"}
    return write(signer, "ansible", sequence, previous, full)[0] + b"\n"


def hash_of(line: bytes) -> bytes:
    return read(line.rstrip(b"\n"), KEYS).hash


def test_a_whole_one_is_whole(journal: Path) -> None:
    report = verify([journal], KEYS)
    last = read(lines(journal)[-1][:-1], KEYS)
    assert (report.records, report.heads) == (6, {"ansible": Head(6, last.hash)})


@pytest.mark.parametrize(
    ("tamper", "kind", "line", "record"),
    [
        (lambda given: [*given[:2], given[2].replace(b"app1", b"app2", 1), *given[3:]], Kind.EDITED, 3, "record 3 of"),
        (lambda given: [*given[:5], given[5].replace(b"app1", b"app2", 1)], Kind.EDITED, 6, "record 6 of"),
        (lambda given: [*given[:2], b"{}\n", *given[3:]], Kind.EDITED, 3, "a line"),
        (lambda given: [*given[:2], b"{}\n", *given[2:]], Kind.INSERTED, 3, "a line"),
        (lambda given: [*given[:2], other(3, hash_of(given[1]), STRANGER), *given[2:]], Kind.INSERTED, 3, "record 3"),
        (lambda given: [*given[:2], other(3, hash_of(given[1]), STRANGER), *given[3:]], Kind.FORGED, 3, "record 3"),
        (lambda given: [*given[:4], given[1], *given[4:]], Kind.INSERTED, 5, "record 2 of"),
        (lambda given: [*given[:2], *given[3:]], Kind.REMOVED, 3, "record 3 of"),
        (lambda given: given[1:], Kind.REMOVED, 1, "record 1 of"),
        (lambda given: [*given[:2], given[3], given[2], *given[4:]], Kind.REORDERED, 3, "record 4 of"),
        (lambda given: [*given[:2], other(3, hash_of(given[1])), *given[3:]], Kind.EDITED, 4, "record 3 of"),
        (lambda given: [*given[:5], given[5][:-40]], Kind.TRUNCATED, 6, "the last record"),
        (lambda given: given[:4], Kind.TRUNCATED, 4, "record 5 of"),
        (lambda given: [], Kind.TRUNCATED, 0, "record 1 of"),
        (lambda given: [*given[:5], other(6, hash_of(given[4]))], Kind.EDITED, 6, "record 6 of"),
    ],
)
def test_the_first_bad_record_is_named(journal: Path, tamper: Tamper, kind: Kind, line: int, record: str) -> None:
    given = lines(journal)
    remembered = {"ansible": Head(6, hash_of(given[5]))}
    journal.write_bytes(b"".join(tamper(given)))
    with pytest.raises(Finding) as caught:
        verify([journal], KEYS, remembered)
    finding = caught.value
    assert (finding.kind, finding.line, finding.path) == (kind, line, journal), finding
    assert finding.what.startswith(record), finding


def test_whoever_has_the_key_is_found_out_by_what_is_remembered(journal: Path) -> None:
    given = lines(journal)
    last = Head(6, hash_of(given[5]))
    made, previous = [], FIRST_PREVIOUS
    for number in range(1, 7):
        made.append(other(number, previous))
        previous = hash_of(made[-1])
    journal.write_bytes(b"".join(made))
    assert verify([journal], KEYS).records == 6
    with pytest.raises(Finding, match=r"edited: record 6 of ansible: another record of this number is remembered"):
        verify([journal], KEYS, {"ansible": last})


def test_a_journal_goes_on_across_files_and_may_begin_later(journal: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    given = lines(journal)
    old.write_bytes(b"".join(given[:3]))
    journal.write_bytes(b"".join(given[3:]))
    assert verify([old, journal], KEYS).records == 6
    assert verify([journal], KEYS, from_first=False).records == 3
    with pytest.raises(Finding, match="removed: record 1 of ansible"):
        verify([journal], KEYS)


def test_writers_have_chains_of_their_own(tmp_path: Path) -> None:
    first, second = written(tmp_path / "one", 2), written(tmp_path / "two", 3, "control2")
    mixed = tmp_path / "mixed"
    one, two = lines(first), lines(second)
    mixed.write_bytes(b"".join([one[0], two[0], two[1], one[1], two[2]]))
    assert {writer: head.sequence for writer, head in verify([mixed], KEYS).heads.items()} == {
        "ansible": 2,
        "control2": 3,
    }


def test_the_helpers_event_is_the_one_that_is_written(journal: Path) -> None:
    assert [entry["new"]["number"] for entry in events(journal)] == list(range(6))
