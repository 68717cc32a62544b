# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""A plant's journal on disk, for several runs at a time.

<plant>.jsonl                          the records of this month
<plant>.<writer>.<first>-<last>.jsonl  those before
<plant>.head                           the end of the chain, and how far it is synced; locked while a record is written
<plant>.torn-<record>                  what a run that was cut in the middle of a record had written of it

A record is written at once, so that a killed run loses none, and `sync` makes all of them outlast the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import (
    FIRST_PREVIOUS,
    SOURCE,
    Keys,
    LineFault,
    Signer,
    now,
    read,
    write,
)
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_verify import NOTHING, Finding, Head, verify

HEAD_SIZE = 512  # one sector: it is overwritten in place
LARGEST_FILE = 16 * 2**20
LONGEST_LINE = 2**20
ROOM = 16 * 2**20  # what a long run may write
SYSTEM = {"id": "kojo.plant.audit", "kind": "system", "name": "kojo.plant.audit", "roles": []}


class JournalFault(Exception):
    """The journal can't be written: why, and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy = problem, remedy


@dataclass(frozen=True)
class _State:
    """What <plant>.head says."""

    writer: str
    sequence: int = 0
    hash: bytes = FIRST_PREVIOUS
    size: int = 0
    synced: Head = NOTHING

    def text(self) -> bytes:
        values = {
            "hash": self.hash.hex(),
            "sequence": self.sequence,
            "size": self.size,
            "synced": {"hash": self.synced.hash.hex(), "sequence": self.synced.sequence},
            "writer": self.writer,
        }
        return json.dumps(values).encode().ljust(HEAD_SIZE - 1) + b"\n"

    @classmethod
    def of(cls, text: bytes) -> _State | None:
        try:
            values = json.loads(text)
            synced = Head(values["synced"]["sequence"], bytes.fromhex(values["synced"]["hash"]))
            place = values["sequence"], bytes.fromhex(values["hash"]), values["size"]
            return cls(values["writer"], *place, synced)
        except (ValueError, KeyError, TypeError):
            return None


class Journal:
    """Made by `open`, which raises JournalFault as every method does."""

    def __init__(self, directory: Path, plant: str, writer: str, signer: Signer) -> None:
        self.path = directory / f"{plant}.jsonl"
        self._head_path = directory / f"{plant}.head"
        self._plant, self._writer, self._signer = plant, writer, signer
        self._keys = Keys([signer.public])
        self._file = self._head = -1
        self._unsynced = False

    @classmethod
    def open(cls, directory: Path, plant: str, writer: str, signer: Signer) -> Journal:
        """The journal, ready to be written: its folder made, a cut end kept aside, an old month put away."""
        journal = cls(directory, plant, writer, signer)
        try:
            with journal._told():
                _make_folder(directory)
                journal._head = os.open(journal._head_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                with journal._locked():
                    state = journal._load()
                    journal._check_last(state)
                    journal._put_away(state)
        except JournalFault:
            journal.close()
            raise
        return journal

    def append(self, event: Mapping[str, Any]) -> int:
        """Writes EVENT, which lacks its id and source, as the next record; returns its number."""
        with self._told(), self._locked():
            return self._append(self._load(), event).sequence

    def sync(self) -> None:
        """What was written outlasts the machine, afterwards."""
        if not self._unsynced:
            return
        with self._told(), self._locked():
            state = self._load()
            os.fdatasync(self._file)
            self._save(_State(state.writer, state.sequence, state.hash, state.size, Head(state.sequence, state.hash)))
        self._unsynced = False

    def close(self) -> None:
        for handle in (self._file, self._head):
            if handle >= 0:
                os.close(handle)
        self._file = self._head = -1

    def _append(self, state: _State, event: Mapping[str, Any]) -> _State:
        full = {**event, "source": SOURCE}
        text, digest = write(self._signer, self._writer, state.sequence + 1, state.hash, full)
        try:
            _write_all(self._file, text + b"\n")
        except OSError:
            with suppress(OSError):  # otherwise the next run keeps it aside
                os.ftruncate(self._file, state.size)
            raise
        state = _State(self._writer, state.sequence + 1, digest, state.size + len(text) + 1, state.synced)
        self._save(state)
        self._unsynced = True
        return state

    def _load(self) -> _State:
        """The chain's end, under the lock. What doesn't fit together is looked into, and may be a fault."""
        if self._file < 0 or not self._is_current():
            if self._file >= 0:
                os.close(self._file)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.fchmod(self._file, 0o600)
            _sync_folder(self.path.parent)
        size = os.fstat(self._file).st_size
        state = _State.of(os.pread(self._head, HEAD_SIZE, 0))
        if state and state.writer != self._writer:  # another chain begins
            self._rename(state.writer)
            return self._load()
        if state and state.size == size:
            return state
        return self._recover(state, size)

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            return False

    def _recover(self, state: _State | None, size: int) -> _State:
        """A run was cut between a record and the head, or in a record; or somebody else wrote here."""
        events: list[dict[str, Any]] = []
        text = self.path.read_bytes()
        whole = text.rfind(b"\n") + 1
        files = journal_files(self.path.parent, self._plant, self._writer)
        if torn := text[whole:]:
            events.append(self._keep_aside(torn, text[:whole]))
        try:
            remembered = {self._writer: state.synced} if state else {}
            newest = [file for file in files if file != self.path][-1:]
            report = verify([*newest, self.path], self._keys, remembered, from_first=not newest)
        except Finding as finding:
            raise _broken(finding) from finding
        last = report.heads.get(self._writer, NOTHING)
        if state is None and last != NOTHING:
            events.append({"found": f"{self._head_path} was missing or unreadable"})
        if state and state.sequence > last.sequence:
            events.append(
                {"found": f"records {last.sequence + 1} to {state.sequence} were lost before they were synced"}
            )
        os.fdatasync(self._file)
        found = _State(self._writer, last.sequence, last.hash, whole, last)
        self._save(found)
        for values in events:
            found = self._append(found, _told_by_the_journal(self._writer, values))
        return found

    def _keep_aside(self, torn: bytes, before: bytes) -> dict[str, Any]:
        number = re.findall(rb'"sequence":(\d+),"signature"', before[-LONGEST_LINE:])
        aside = self.path.with_suffix(f".torn-{int(number[-1]) + 1 if number else 1}")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write_all(handle, torn + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        os.ftruncate(self._file, len(before))
        return {"found": f"a record was cut after {len(torn)} bytes; they are in {aside}"}

    def _check_last(self, state: _State) -> None:
        """The chain goes on from a record that this key has signed."""
        if state.size == 0:
            return
        start = max(0, state.size - LONGEST_LINE)
        text = os.pread(self._file, state.size - start, start).rstrip(b"\n").rsplit(b"\n", 1)[-1]
        try:
            line = read(text, self._keys)
        except LineFault as fault:
            key = re.search(rb'"key":"([0-9a-f]{16})","previous"', text)
            if key and key[1].decode() not in self._keys.ids:
                raise JournalFault(
                    f"{self.path}: {fault.what} was signed with the key {key[1].decode()}, and the plant's is "
                    f"{self._signer.key_id}",
                    "with a new key, begin a new chain: give kojo_audit_writer a name that the service knows with it",
                ) from fault
            raise _broken(Finding(fault.kind, self.path, 0, fault.what, fault.detail)) from fault
        if (line.writer, line.sequence, line.hash) != (state.writer, state.sequence, state.hash):
            detail = f"{self._head_path} says {state.sequence} of {state.writer}, with another hash"
            raise JournalFault(f"{self.path} ends with record {line.sequence} of {line.writer}; {detail}", VERIFY)

    def _put_away(self, state: _State) -> None:
        if state.size == 0:
            return
        month = _first(self._file)["at"][:7]
        if state.size < LARGEST_FILE and month == now()[:7]:
            return
        os.fdatasync(self._file)
        self._rename(self._writer)
        self._save(_State(self._writer, state.sequence, state.hash, 0, Head(state.sequence, state.hash)))
        self._load()

    def _rename(self, writer: str) -> None:
        """The current file becomes an old one of WRITER's; the next `_load` makes another."""
        last = _State.of(os.pread(self._head, HEAD_SIZE, 0))
        if last and os.fstat(self._file).st_size:
            first = _first(self._file)["sequence"]
            self.path.rename(self.path.with_name(f"{self._plant}.{writer}.{first:09}-{last.sequence:09}.jsonl"))
        if writer != self._writer:
            self._save(_State(self._writer))

    def _save(self, state: _State) -> None:
        os.pwrite(self._head, state.text(), 0)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._head, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._head, fcntl.LOCK_UN)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.path
            raise JournalFault(
                f"{where} can't be written: {error.strerror}",
                "make room or give the rights, or name another folder in kojo_audit_directory",
            ) from error


VERIFY = "find out who did this, with kojo.plant.audit_verify, and put the journal back from its copy"


def journal_files(directory: Path, plant: str, writer: str | None = None) -> list[Path]:
    """A plant's journal in its order, of one writer or of all."""
    old = sorted(directory.glob(f"{plant}.{writer or '*'}.[0-9]*-[0-9]*.jsonl"))
    current = directory / f"{plant}.jsonl"
    return [*old, current] if current.exists() else old


def remembered(directory: Path, plant: str) -> dict[str, Head]:
    """How far the writer's journal was when it was last synced, as <plant>.head has it."""
    try:
        state = _State.of((directory / f"{plant}.head").read_bytes())
    except FileNotFoundError:
        return {}
    return {state.writer: state.synced} if state else {}


def _broken(finding: Finding) -> JournalFault:
    return JournalFault(f"the journal's chain is broken: {finding}", VERIFY)


def _told_by_the_journal(writer: str, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": "journal:recovered",
        "actor": SYSTEM,
        "at": now(),
        "new": values,
        "old": None,
        "reason": None,
        "record": {"id": writer, "type": "journal", "version": None},
        "request_id": None,
    }


def _first(handle: int) -> dict[str, Any]:
    try:
        values = json.loads(os.pread(handle, LONGEST_LINE, 0).split(b"\n", 1)[0])
        return {"at": values["event"]["at"], "sequence": values["sequence"]}
    except (ValueError, KeyError, TypeError) as error:
        raise JournalFault(
            f"the journal's chain is broken: its first line is none of a journal ({error})", VERIFY
        ) from error


def _make_folder(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & 0o022:
        raise JournalFault(f"others may write in {directory}", "give it the mode 0700")
    ignored = directory / ".gitignore"  # an inventory may be in a repository of its own
    if not ignored.exists():
        ignored.write_text("*\n", encoding="ascii")
    space = os.statvfs(directory)
    if space.f_bavail * space.f_frsize < ROOM:
        free = space.f_bavail * space.f_frsize // 2**20
        raise JournalFault(
            f"{directory} has {free} MiB of free space, and a run may need {ROOM // 2**20}",
            "make room, or name another folder in kojo_audit_directory",
        )


def _sync_folder(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, text: bytes) -> None:
    while text:
        text = text[os.write(handle, text) :]
