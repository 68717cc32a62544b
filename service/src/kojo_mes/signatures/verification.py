"""Does a signature still stand for its record? (21 CFR 11.70; 11.10(a): altered records are discerned.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kojo_mes.kit.canonical import plain
from kojo_mes.signatures.models import SignatureRow
from kojo_mes.signatures.schemas import Validity


@dataclass(frozen=True)
class Present:
    """What a record is now."""

    version: int
    signed_digest: bytes | None  # of the signed version, as it is kept now; None when that version isn't there
    altered: str = ""  # which part isn't as it was signed, where that can be told


def attested(row: SignatureRow) -> dict[str, object]:
    """All of a signature, as its audit entry keeps it: the seals over the trail cover the signature with it."""
    values: dict[str, object] = plain({column.name: getattr(row, column.name) for column in row.__table__.columns})
    return values


def validity(row: SignatureRow, present: Present | None, recorded: Mapping[str, object] | None) -> tuple[Validity, str]:
    """And the reason, for people. `recorded`: what the audit trail says was signed."""
    if recorded is None:
        return Validity.INVALID, "the audit trail knows of no such signing"
    if differing := sorted(name for name, value in attested(row).items() if recorded.get(name) != value):
        return Validity.INVALID, f"differs from what the audit trail says was signed: {', '.join(differing)}"
    if present is None or present.signed_digest is None:
        return Validity.INVALID, f"there is no version {row.record_version} of {row.record_type} {row.record_id}"
    if present.signed_digest != row.record_digest:
        return (
            Validity.INVALID,
            present.altered or f"version {row.record_version} of the record is not as it was signed",
        )
    if present.version != row.record_version:
        return Validity.SUPERSEDED, f"the record has version {present.version} now"
    return Validity.VALID, "record and signature are as they were signed"
