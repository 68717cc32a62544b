"""The format's test vectors, recomputed here with the standard library and a signature check: no code under test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kojo_mes.audit import journal, merkle, records
from kojo_mes.audit.findings import Kind
from kojo_mes.audit.journal import JournalFault
from kojo_mes.audit.trail import check_seal
from kojo_mes.cli import main
from kojo_mes.kit.canonical import canonical, parse
from kojo_mes.kit.keys import Keys, Signer

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "audit.json").read_text())
PUBLIC = Ed25519PublicKey.from_public_bytes(bytes.fromhex(VECTORS["key"]["public"]))
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["key"]["seed"])))
KEYS = Keys([PUBLIC])
# RFC 8785, 3.2.2 and 3.2.3: the RFC's own results
RFC_VALUES = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
)
RFC_ORDER = ["\r", "1", "\u0080", "ö", "€", "\U0001f600", "\ufb33"]


def small(value: Any) -> bytes:
    """RFC 8785 of what needs no care: ASCII keys, no floats with exponents."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_canonical_json_is_that_of_the_rfc() -> None:
    first, second, *_ = VECTORS["canonical"]
    assert bytes.fromhex(first["bytes"]).decode() == RFC_VALUES
    assert list(json.loads(bytes.fromhex(second["bytes"]))) == RFC_ORDER
    for vector in VECTORS["canonical"]:
        assert canonical(parse(vector["value"])).hex() == vector["bytes"]


@pytest.mark.parametrize("vector", VECTORS["merkle"])
def test_trees(vector: dict[str, Any]) -> None:
    assert merkle.root([merkle.leaf(bytes.fromhex(leaf)) for leaf in vector["leaves"]]).hex() == vector["root"]


def test_the_keys_id() -> None:
    assert SIGNER.key_id == VECTORS["key"]["id"] == hashlib.sha256(PUBLIC.public_bytes_raw()).hexdigest()[:16]


def test_events_and_leaves() -> None:
    for vector in VECTORS["events"]:
        line = vector["line"].encode()
        assert small(json.loads(line)) == line
        assert hashlib.sha256(b"\0" + line).hexdigest() == vector["leaf"] == merkle.leaf(line).hex()
        assert line.startswith(records.EVENT_LINE)


def test_seals() -> None:
    ids = iter(json.loads(vector["line"])["id"] for vector in VECTORS["events"])
    leaves = iter(bytes.fromhex(vector["leaf"]) for vector in VECTORS["events"])
    for number, vector in enumerate(VECTORS["seals"], 1):
        body, values = vector["body"].encode(), json.loads(vector["body"])
        line = json.loads(vector["line"])
        PUBLIC.verify(bytes.fromhex(vector["signature"]), b"kojo.audit.seal.v1\0" + body)
        assert hashlib.sha256(body).hexdigest() == vector["hash"]
        own = [next(leaves) for _ in range(values["events"])]
        root = hashlib.sha256(b"\1" + own[0] + own[1]).digest() if len(own) == 2 else own[0]
        assert values == {
            "events": len(own),
            "ids": [next(ids) for _ in own],
            "key": VECTORS["key"]["id"],
            "number": number,
            "previous": vector["previous"],
            "root": root.hex(),
            "sealed_at": f"2026-01-05T08:30:0{number}.000000Z",
        }
        assert small(line) == vector["line"].encode()
        assert line == {"leaves": b"".join(own).hex(), "seal": values, "signature": vector["signature"]}
        assert check_seal(Path("x"), 1, vector["line"].encode(), KEYS).number == number


def test_journal_lines() -> None:
    previous = bytes(32)
    for number, vector in enumerate(VECTORS["journal"], 1):
        values = json.loads(vector["line"])
        body = {name: values[name] for name in ("event", "key", "sequence", "writer")}
        digest = hashlib.sha256(previous + small(body)).digest()
        assert digest.hex() == values["hash"] == vector["hash"]
        assert values["previous"] == previous.hex()
        PUBLIC.verify(bytes.fromhex(values["signature"]), b"kojo.audit.journal.v1\0" + digest)
        event = {name: value for name, value in values["event"].items() if name != "id"}
        assert journal.write(SIGNER, "control1", number, previous, event) == vector["line"].encode()
        previous = digest


JOURNAL = [vector["line"].encode() + b"\n" for vector in VECTORS["journal"]]


@pytest.mark.parametrize(
    ("lines", "kind", "what"),
    [
        ([JOURNAL[0], JOURNAL[1].replace(b"app1", b"app2", 1), JOURNAL[2]], Kind.EDITED, "record 2"),
        ([JOURNAL[0], JOURNAL[2]], Kind.REMOVED, "record 2"),
        ([JOURNAL[0], JOURNAL[2], JOURNAL[1]], Kind.REMOVED, "record 2"),
        ([JOURNAL[0], JOURNAL[1], JOURNAL[0]], Kind.REORDERED, "record 1"),
        ([JOURNAL[0], b"{}\n"], Kind.EDITED, "a line"),
        ([JOURNAL[0], b" " + JOURNAL[1]], Kind.EDITED, "record 2"),
    ],
)
def test_an_altered_journal_is_found_out(lines: list[bytes], kind: Kind, what: str) -> None:
    with pytest.raises(JournalFault) as caught:
        list(journal.lines(lines, KEYS))
    assert caught.value.kind is kind
    assert caught.value.what.startswith(what)


def test_the_verifier_takes_journals_and_trails_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key.pub").write_text(VECTORS["key"]["public_pem"])
    (tmp_path / "journal.jsonl").write_bytes(b"".join(JOURNAL))
    events = [vector["line"] for vector in VECTORS["events"]]
    one, two = (vector["line"] for vector in VECTORS["seals"])
    (tmp_path / "events.jsonl").write_text("\n".join([one, *events[:2], two, events[2], ""]))
    files = [str(tmp_path / "journal.jsonl"), str(tmp_path / "events.jsonl")]
    assert main(["audit", "verify", *files, "--key", str(tmp_path / "key.pub")]) == 0
    assert "3 records in 2 seals, 0 signatures, 3 journal lines, 2 files" in capsys.readouterr().out
    (tmp_path / "journal.jsonl").write_bytes(JOURNAL[0] + JOURNAL[2])
    assert main(["audit", "verify", *files, "--key", str(tmp_path / "key.pub")]) == 1
    assert "journal.jsonl:2: removed: record 2 of control1" in capsys.readouterr().err
