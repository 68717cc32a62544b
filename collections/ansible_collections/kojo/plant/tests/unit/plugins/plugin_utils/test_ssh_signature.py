"""Signatures that ssh-keygen itself made, of people who may sign and of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.ssh_signature import Unverified, signer_of
from ansible_collections.kojo.plant.tests.unit.plugins.signatures import key, sign

NAMESPACE = "kojo-test"


@pytest.fixture
def signers(tmp_path: Path) -> dict[str, str]:
    return {name: key(tmp_path, name) for name in ("aiko", "ken")}


def test_the_signer_is_named(tmp_path: Path, signers: dict[str, str]) -> None:
    for name in signers:
        assert signer_of(b"what", sign(tmp_path, name, b"what", NAMESPACE), NAMESPACE, signers) == name


def test_other_content_is_not_signed(tmp_path: Path, signers: dict[str, str]) -> None:
    with pytest.raises(Unverified, match="doesn't fit the content as a kojo-test"):
        signer_of(b"something else", sign(tmp_path, "aiko", b"what", NAMESPACE), NAMESPACE, signers)


def test_a_signature_for_something_else_does_not_pass(tmp_path: Path, signers: dict[str, str]) -> None:
    with pytest.raises(Unverified):
        signer_of(b"what", sign(tmp_path, "aiko", b"what", "git"), NAMESPACE, signers)


def test_a_strangers_signature_does_not_pass(tmp_path: Path, signers: dict[str, str]) -> None:
    key(tmp_path, "mallory")
    with pytest.raises(Unverified, match="by none of aiko, ken"):
        signer_of(b"what", sign(tmp_path, "mallory", b"what", NAMESPACE), NAMESPACE, signers)


@pytest.mark.parametrize("nonsense", [b"", b"-----BEGIN SSH SIGNATURE-----\n", b"\x00" * 100])
def test_nonsense_is_no_signature(signers: dict[str, str], nonsense: bytes) -> None:
    with pytest.raises(Unverified, match="no SSH signature"):
        signer_of(b"what", nonsense, NAMESPACE, signers)
