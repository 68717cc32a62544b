"""The journal's files under what happens to files: several writers, kills, full disks, other months, other hands."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils import journal_file
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault, journal_files, remembered
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import Signer
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_verify import verify
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import GENERATORS
from ansible_collections.kojo.plant.tests.unit.plugins.journals import KEYS, PEM, event, events, opened, written

COLLECTIONS = Path(__file__).parents[7]
WRITER = """
    import os, sys
    from pathlib import Path
    from ansible_collections.kojo.plant.tests.unit.plugins.journals import event
    from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import Journal
    from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import Signer
    journal = Journal.open(Path(sys.argv[1]), "works", "ansible", Signer.of_pem(os.environ["PEM"]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def writer(folder: Path, code: str, **options: Any) -> subprocess.Popen[str]:
    """A process of its own with the journal open as `journal`."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER) + textwrap.dedent(code), folder],
        env={**os.environ, "PEM": PEM, "PYTHONPATH": str(COLLECTIONS)},
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def head(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "works.head").read_bytes())
    return found


def test_only_its_owner_may_look_in_and_git_never_does(folder: Path) -> None:
    written(folder, 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.name != ".gitignore"}
    assert modes == {"works.jsonl": 0o600, "works.head": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    subprocess.run(["git", "init", "-q", folder.parent], check=True)
    said = subprocess.run(["git", "-C", folder.parent, "status", "--porcelain"], check=True, capture_output=True)
    assert said.stdout == b""


def test_a_folder_that_others_may_write_in_is_refused(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(JournalFault, match=r"others may write in .*; give it the mode 0700"):
        opened(folder)


def test_the_next_run_goes_on_with_the_chain(folder: Path) -> None:
    written(folder, 2)
    path = written(folder, 3)
    assert verify([path], KEYS, remembered(folder, "works")).records == 5


def test_writers_at_the_same_time_make_one_chain(folder: Path) -> None:
    code = """
        print(flush=True); sys.stdin.read(1)
        for number in range(40):
            journal.append(event(process=os.getpid(), number=number))
            if number % 10 == 0: journal.sync()
    """
    runs = [writer(folder, code, stdin=subprocess.PIPE) for _ in range(4)]
    for run in runs:
        assert run.stdout
        run.stdout.readline()
    for run in runs:
        assert run.stdin
        run.stdin.write("\n")
        run.stdin.flush()
    for run in runs:
        run.communicate()
    assert [run.returncode for run in runs] == [0] * 4
    told = events(folder / "works.jsonl")
    assert verify([folder / "works.jsonl"], KEYS).records == 160
    for run in runs:
        assert [entry["new"]["number"] for entry in told if entry["new"]["process"] == run.pid] == list(range(40))


def test_a_killed_writer_loses_nothing_that_it_had_written(folder: Path) -> None:
    code = """
        for number in range(10_000):
            journal.append(event(number=number)); print(number, flush=True)
    """
    with writer(folder, code) as run:
        assert run.stdout
        said = [run.stdout.readline() for _ in range(50)]
        run.send_signal(signal.SIGKILL)
        said += run.stdout.readlines()
    last = max(int(number) for number in said if number.endswith("\n"))
    path = written(folder, 1)
    report = verify([path], KEYS, remembered(folder, "works"))
    assert report.records >= last + 2


@pytest.mark.parametrize("kept", [1, 300, -1])
def test_a_torn_record_is_kept_aside_and_told_of(folder: Path, kept: int) -> None:
    path = written(folder, 3)
    whole = path.read_bytes()
    torn = whole.splitlines(keepends=True)[1][:kept]
    path.write_bytes(whole + torn)
    written(folder, 1)
    assert [entry["action"] for entry in events(path)] == ["site:task"] * 3 + ["journal:recovered", "site:task"]
    assert f"a record was cut after {len(torn)} bytes" in events(path)[3]["new"]["found"]
    assert (folder / "works.torn-4").read_bytes() == torn + b"\n"
    assert verify([path], KEYS, remembered(folder, "works")).records == 5


def test_a_run_that_was_cut_between_record_and_head(folder: Path) -> None:
    path = written(folder, 2)
    before = (folder / "works.head").read_bytes()
    written(folder, 1)
    (folder / "works.head").write_bytes(before)
    written(folder, 1)
    assert verify([path], KEYS).records == 4


def test_records_that_a_power_cut_took_are_told_of(folder: Path) -> None:
    """Written, not synced: the head was kept, the records' pages were not."""
    path = written(folder, 2)
    synced = path.read_bytes()
    journal = opened(folder)
    for _ in range(3):
        journal.append(event())
    journal.close()
    path.write_bytes(synced)
    written(folder, 1)
    assert events(path)[2]["new"]["found"] == "records 3 to 5 were lost before they were synced"
    assert verify([path], KEYS, remembered(folder, "works")).records == 4


def test_a_lost_head_is_made_again_and_told_of(folder: Path) -> None:
    path = written(folder, 2)
    (folder / "works.head").unlink()
    written(folder, 1)
    assert "works.head was missing or unreadable" in events(path)[2]["new"]["found"]
    assert verify([path], KEYS, remembered(folder, "works")).records == 4


@pytest.mark.parametrize(
    ("tampered", "said"),
    [
        (lambda lines: lines[:2], "truncated: record 3 of ansible"),
        (lambda lines: [], "truncated: record 1 of ansible"),
        (lambda lines: [*lines[:2], lines[2].replace(b"app1", b"app2")], "edited: record 3 of ansible"),
        (lambda lines: [lines[0].replace(b"app1", b"application1"), *lines[1:]], "edited: record 1 of ansible"),
        (lambda lines: [b"{}\n", *lines[1:]], "edited: a line"),
    ],
)
def test_a_broken_chain_is_not_gone_on_with(folder: Path, tampered: Any, said: str) -> None:
    path = written(folder, 3)
    path.write_bytes(b"".join(tampered(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(JournalFault, match=said):
        opened(folder)


def test_a_journal_that_was_taken_away_is_missed(folder: Path) -> None:
    written(folder, 3).unlink()
    with pytest.raises(JournalFault, match="the journal ends with record 0; record 3 is remembered"):
        opened(folder)


def test_another_key_begins_no_chain_of_the_same_writer(folder: Path) -> None:
    path = written(folder, 2)
    new = Signer.of_pem(GENERATORS["mes_journal_signing_key"]())
    with pytest.raises(JournalFault, match="give kojo_audit_writer a name"):
        opened(folder, signer=new)
    journal = opened(folder, "control2", new)
    journal.append(event())
    journal.close()
    assert [file.name for file in journal_files(folder, "works")] == [
        "works.ansible.000000001-000000002.jsonl",
        "works.jsonl",
    ]
    assert json.loads(path.read_bytes())["sequence"] == 1


def test_a_month_ends_with_its_file_and_the_chain_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        return [file.name for file in journal_files(folder, "works")]

    path = written(folder, 2)
    other = opened(folder)  # a run whose file is put away under it
    other.append(event())
    monkeypatch.setattr(journal_file, "now", lambda: "2099-01-31T00:00:00.000000Z")
    opened(folder).close()
    other.append(event())
    other.sync()
    assert names() == ["works.ansible.000000001-000000003.jsonl", "works.jsonl"]
    monkeypatch.undo()
    written(folder, 1)
    monkeypatch.setattr(journal_file, "LARGEST_FILE", path.stat().st_size)
    written(folder, 1)
    assert names()[1:] == ["works.ansible.000000004-000000005.jsonl", "works.jsonl"]
    assert verify(journal_files(folder, "works"), KEYS, remembered(folder, "works")).records == 6


def test_a_full_disk_leaves_no_half_record(folder: Path) -> None:
    path = written(folder, 3)
    code = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, ({path.stat().st_size + 100}, resource.RLIM_INFINITY))
        from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault
        try: journal.append(event())
        except JournalFault as fault: print(fault)
    """
    with writer(folder, code) as run:
        assert run.stdout
        said = run.stdout.read()
    assert "can't be written: File too large; make room" in said
    written(folder, 1)
    assert verify([path], KEYS, remembered(folder, "works")).records == 4
    assert list(folder.glob("*.torn-*")) == []


def test_a_run_without_room_does_not_begin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "ROOM", 2**62)
    with pytest.raises(JournalFault, match="MiB of free space"):
        opened(folder)


@pytest.mark.parametrize("place", ["/proc/kojo/journal", "/sys/kernel", "/dev/null/journal"])
def test_a_folder_that_cannot_be_written_is_named(place: str) -> None:
    with pytest.raises(JournalFault, match=rf"{place.rsplit('/', 1)[0]}.* can't be written: .*kojo_audit_directory"):
        opened(Path(place))


def test_open_files_are_given_back(folder: Path) -> None:
    written(folder, 1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        written(folder, 1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > before
    assert head(folder)["sequence"] == 4
