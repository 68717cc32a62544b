"""Checks audit exports, journals and archives offline: it needs the files and the public keys, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kojo_mes.audit import journal, manifest, trail
from kojo_mes.audit.findings import Finding, Kind, Report
from kojo_mes.audit.journal import JournalFault
from kojo_mes.audit.records import JOURNAL_LINE, SEAL_LINE
from kojo_mes.audit.trail import Published
from kojo_mes.kit.keys import Keys

TRAIL, SIGNATURES = "events.jsonl", "signatures.jsonl"


class NotVerifiable(Exception):
    """A file that carries no proof of its own, and no manifest that names it was given."""


def verify(paths: list[Path], keys: Keys, seals: list[Path]) -> Report:
    """Raises Finding at the first bad record, NotVerifiable, OSError. `seals`: the sealer's own files, in order."""
    report = Report()
    known = trail.published(seals, keys) if seals else None
    named: set[Path] = set()
    for path in (path for path in paths if _kind(path) == "manifest"):
        named |= _verify_export(path, keys, known, report)
    for path in paths:
        if path.resolve() in named:
            continue
        report.files += 1
        match _kind(path):
            case "trail":
                last = trail.check_trail(path, keys, report, known)
                _reaches(path, last.number, None, known)
            case "journal":
                _verify_journal(path, keys, report)
            case _:
                raise NotVerifiable(f"{path}: has no seals of its own; give the manifest.json that came with it")
    return report


def _kind(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(32)
    if path.name == manifest.NAME or start.startswith(b'{"body":'):
        return "manifest"
    if start.startswith(SEAL_LINE):
        return "trail"
    return "journal" if start.startswith(JOURNAL_LINE) else None


def _verify_export(path: Path, keys: Keys, known: Published | None, report: Report) -> set[Path]:
    """The manifest's files; the trail first, because it tells which record is bad, and a checksum doesn't."""
    body = manifest.read(path, keys)
    files = {path.parent / entry.name for entry in body.files}
    events, signatures = path.parent / TRAIL, path.parent / SIGNATURES
    signings: dict[int, dict[str, Any]] = {}
    before = report.events
    if events in files and events.is_file():
        if body.complete:
            if body.last_seal is not None:
                last = trail.check_trail(events, keys, report, known, lambda event: _keep(signings, event))
                if last.number < body.last_seal:
                    detail = f"the file ends with seal {last.number}, the manifest says {body.last_seal}"
                    raise Finding(Kind.TRUNCATED, events, None, f"seal {last.number + 1}", detail)
            _reaches(events, body.last_seal or 0, body.until, known)
        else:
            trail.check_selection(events, keys, report, body.ids or [], lambda event: _keep(signings, event))
        if report.events - before != body.events:
            detail = f"{report.events - before} records, the manifest says {body.events}"
            raise Finding(Kind.EDITED, events, None, "the file", detail)
        if signatures in files and signatures.is_file():
            _verify_signatures(signatures, signings, report)
    manifest.check_files(path, body.files)
    report.files += len(files) + 1
    return {file.resolve() for file in files} | {path.resolve()}


def _keep(signings: dict[int, dict[str, Any]], event: dict[str, Any]) -> None:
    signings[event["id"]] = event


def _reaches(path: Path, last: int, until: str | None, known: Published | None) -> None:
    """No seal that was written down elsewhere is later than the export's last."""
    if known and (newest := known.last_until(until)) > last:
        detail = f"the trail ends with seal {last}; off the database's hosts {newest} were written down"
        raise Finding(Kind.TRUNCATED, path, None, f"seal {last + 1}", detail)


def _verify_journal(path: Path, keys: Keys, report: Report) -> None:
    number = 0

    def counted() -> Iterator[bytes]:
        nonlocal number
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):  # noqa: B007  # read by the handler below
                yield text

    try:
        for _ in journal.lines(counted(), keys):
            report.journal_lines += 1
    except JournalFault as fault:
        raise Finding(fault.kind, path, number, fault.what, fault.detail) from fault


def _verify_signatures(path: Path, signings: dict[int, dict[str, Any]], report: Report) -> None:
    """Every signature is the one that a sealed event tells of, and none of those is missing."""
    told = {event["record"]["id"]: event for event in signings.values()}
    missing = dict(told)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                values = json.loads(line)
                signature, event = values["signature"], values["event"]
                what = f"signature {signature['id']} on {signature['record_type']} {signature['record_id']}"
            except (ValueError, KeyError, TypeError) as error:
                raise Finding(Kind.EDITED, path, number, "a signature", f"the line is none ({error})") from error
            source = missing.pop(signature["id"], None)
            if source is None or source["id"] != event:
                raise _not_told(path, number, what, signature, told)
            if differing := sorted(n for n in source["new"] if source["new"][n] != signature.get(n)):
                kind = Kind.COPIED if {"record_id", "record_type"} & set(differing) else Kind.EDITED
                detail = f"record {event} of the trail says otherwise: {', '.join(differing)}"
                raise Finding(kind, path, number, what, detail)
            report.signatures += 1
    for name, event in missing.items():
        raise Finding(Kind.REMOVED, path, None, f"signature {name}", f"record {event['id']} tells of its making")


def _not_told(path: Path, line: int, what: str, signature: dict[str, Any], told: dict[str, Any]) -> Finding:
    """A copy looks like another signature in all but its own name and its record's."""
    same = ("signer_id", "meaning", "signed_at", "record_digest")
    for name, event in told.items():
        if all(event["new"].get(column) == signature.get(column) for column in same):
            return Finding(Kind.COPIED, path, line, what, f"it is signature {name} on another record")
    return Finding(Kind.INSERTED, path, line, what, "no sealed record tells of its making")
