"""The service's test vectors, which this side never imports: both write the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import (
    Keys,
    Kind,
    LineFault,
    Signer,
    canonical,
    key_id,
    public_key,
    read,
    write,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).parents[8]
VECTORS: dict[str, Any] = json.loads((ROOT / "service/tests/vectors/audit.json").read_text(encoding="utf-8"))
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["key"]["seed"])))
KEYS = Keys([public_key(VECTORS["key"]["public"])])
LINES = [vector["line"].encode() for vector in VECTORS["journal"]]


@pytest.mark.parametrize("vector", VECTORS["canonical"])
def test_canonical_json(vector: dict[str, str]) -> None:
    assert canonical(json.loads(vector["value"])).hex() == vector["bytes"]


def test_a_key_has_its_id_in_every_form() -> None:
    forms = [public_key(VECTORS["key"]["public_pem"]), public_key(VECTORS["key"]["public"]), SIGNER.public]
    assert {key_id(form) for form in forms} == {VECTORS["key"]["id"]}


def test_lines_are_written_byte_for_byte() -> None:
    previous = bytes(32)
    for number, vector in enumerate(VECTORS["journal"], 1):
        event = {name: value for name, value in json.loads(vector["line"])["event"].items() if name != "id"}
        text, previous = write(SIGNER, "control1", number, previous, event)
        assert (text, previous.hex()) == (vector["line"].encode(), vector["hash"])


def test_lines_are_read() -> None:
    assert [read(line, KEYS).sequence for line in LINES] == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (LINES[0].replace(b"app1", b"app2", 1), Kind.EDITED),
        (b" " + LINES[0], Kind.EDITED),
        (LINES[0].replace(b'"writer":"control1"', b'"writer":"control2"'), Kind.EDITED),
        (b"{}", Kind.EDITED),
        (b"[" * 100_000, Kind.EDITED),
        (b"\xff", Kind.EDITED),
        (LINES[0].replace(b'"signature":"9', b'"signature":"8'), Kind.FORGED),
    ],
)
def test_a_line_that_is_not_its_writers_is_found_out(line: bytes, kind: Kind) -> None:
    with pytest.raises(LineFault) as caught:
        read(line, KEYS)
    assert caught.value.kind is kind


def test_what_no_record_can_hold_becomes_text() -> None:
    assert json.loads(canonical({"a": "x\0\ud800", "b": 2**60, "c": float("inf"), "d": {1: {2}}})) == {
        "a": "x\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}",
        "b": str(2**60),
        "c": "inf",
        "d": {"1": "{2}"},
    }
