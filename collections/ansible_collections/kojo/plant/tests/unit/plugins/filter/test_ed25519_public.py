"""The public half is RFC 8032's and OpenSSL's."""

from __future__ import annotations

import base64
import subprocess

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.filter.ed25519_public import ed25519_public

# RFC 8032, 7.1, test 1; PKCS 8 is a fixed head and the 32 bytes (RFC 8410)
PRIVATE = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
DER = bytes.fromhex("302e020100300506032b657004220420" + PRIVATE)
PEM = f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(DER).decode()}\n-----END PRIVATE KEY-----\n"


def test_the_bytes_are_those_of_the_rfc() -> None:
    assert ed25519_public(PEM, "hex") == PUBLIC


def test_the_pem_is_openssls() -> None:
    said = subprocess.run(["openssl", "pkey", "-pubout"], input=PEM, check=True, capture_output=True, text=True)
    assert ed25519_public(PEM) == said.stdout


@pytest.mark.parametrize(
    ("key", "form", "told"),
    [
        ("no key", "hex", "no private key"),
        (PEM, "base64", "give pem or hex"),
        (
            subprocess.run(
                ["openssl", "genpkey", "-algorithm", "x25519"], check=True, capture_output=True, text=True
            ).stdout,
            "pem",
            "not an Ed25519 key",
        ),
    ],
    ids=["not a key", "another form", "another curve"],
)
def test_what_it_cannot_do_is_told(key: str, form: str, told: str) -> None:
    with pytest.raises(AnsibleFilterError, match=told):
        ed25519_public(key, form)
