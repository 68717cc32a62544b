"""An export as people read it: a table for spreadsheets, or pages with the signatures shown (21 CFR 11.50(b))."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from kojo_mes.audit.records import Event, Seal
from kojo_mes.kit.canonical import iso, parse
from kojo_mes.kit.paper import Paper
from kojo_mes.kit.tables import defused
from kojo_mes.signatures.manifestation import manifestation
from kojo_mes.signatures.models import SignatureRow

PLACE = ("id", "at", "seal", "source")
ACTOR = ("actor_kind", "actor_id", "actor_name", "actor_roles")
COLUMNS = (*PLACE, *ACTOR, "action", "record_type", "record_id", "record_version", "old", "new", "reason", "request_id")


class Table(Protocol):
    """One way to show events and signatures."""

    def add(self, seal: Seal, events: Sequence[Event]) -> None: ...

    def close(self, signatures: Sequence[SignatureRow]) -> None: ...

    def release(self) -> None:
        """Lets go of the files that it holds open, whether it was closed or not."""


class CsvPages:
    """RFC 4180, UTF-8 with its mark; signatures come in signatures.jsonl."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def add(self, seal: Seal, events: Sequence[Event]) -> None:
        for event in events:
            row = {**vars(event), "at": iso(event.at), "seal": seal.number, "actor_roles": " ".join(event.actor_roles)}
            self._writer.writerow([defused(row[column]) for column in COLUMNS])

    def close(self, _signatures: Sequence[SignatureRow]) -> None:
        self.release()

    def release(self) -> None:
        self._file.close()


class PdfPages:
    """A4 across. Page numbers, the selection, a row an event, then every signature with name, time and meaning."""

    MOST = 5000  # a page a dozen events: nobody reads more, and composing them takes a process's time

    def __init__(self, path: Path, font: Path, selection: dict[str, Any]) -> None:
        self._path = path
        self._rows: list[tuple[str, ...]] = []
        self._pdf = Paper(font, "landscape")
        self._pdf.heading("Audit trail · 監査証跡", 14)
        chosen = {name: value for name, value in selection.items() if value is not None and name != "format"}
        self._pdf.multi_cell(0, text=", ".join(f"{n} = {v}" for n, v in chosen.items()) or "all records", new_x="LEFT")
        self._pdf.ln(2)

    def add(self, seal: Seal, events: Sequence[Event]) -> None:
        for event in events:
            who = f"{event.actor_name}\n{event.actor_id}\n{', '.join(event.actor_roles) or event.actor_kind}"
            version = "" if event.record_version is None else f" v{event.record_version}"
            what = f"{event.record_type} {event.record_id}{version}"
            self._rows.append(
                (f"{event.id}\n({seal.number})", iso(event.at), who, f"{event.action}\n{what}", _changes(event))
            )

    def close(self, signatures: Sequence[SignatureRow]) -> None:
        head = ("No. (seal)", "Time (UTC)", "Who", "What", "Old → new, reason")
        self._pdf.rows((18, 36, 48, 60, 115), self._rows, head)
        self._pdf.ln(4)
        self._pdf.heading("Electronic signatures · 電子署名", 12)
        if not signatures:
            self._pdf.multi_cell(0, text="none · なし", new_x="LEFT")
        else:
            rows = [
                (
                    f"{row.record_type} {row.record_id} v{row.record_version}",
                    manifestation(row.printed_name, row.role, row.meaning, row.signed_at, row.time_zone),
                )
                for row in signatures
            ]
            self._pdf.rows((80, 197), rows, ("Record", "Name (role) · meaning · time"))
        self._pdf.output(str(self._path))

    def release(self) -> None:
        self._pdf.release()


def _changes(event: Event) -> str:
    """Only what differs: a record of many fields stays readable."""
    old, new = (_fields(text) for text in (event.old, event.new))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    lines = [f"{name}: {_shown(old, name)} → {_shown(new, name)}" for name in names]
    return "\n".join(lines + ([f"« {event.reason} »"] if event.reason else []))


def _fields(text: str | None) -> dict[str, Any]:
    """Whatever stands in the row: an altered one is shown as well."""
    values = parse(text) if text else {}
    return values if isinstance(values, dict) else {"": values}


def _shown(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "–"
    text = json.dumps(values[name], ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}…"
