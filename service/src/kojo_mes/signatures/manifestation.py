"""How a signature is shown on every form of a record that people read (21 CFR 11.50(b))."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from kojo_mes.signatures.models import SignatureRow
from kojo_mes.signatures.schemas import Signature


def manifestation(printed_name: str, role: str, meaning: str, signed_at: datetime, time_zone: str) -> str:
    """Printed name, role, meaning, and the time, local with its offset and in UTC to the second."""
    local = signed_at.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M:%S %z")
    utc = signed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{printed_name} ({role}) · {meaning} · {local} ({utc})"


def shown(row: SignatureRow) -> Signature:
    line = manifestation(row.printed_name, row.role, row.meaning, row.signed_at, row.time_zone)
    values = {column.name: getattr(row, column.name) for column in row.__table__.columns}
    return Signature.model_validate(values | {"record_digest": row.record_digest.hex(), "manifestation": line})
