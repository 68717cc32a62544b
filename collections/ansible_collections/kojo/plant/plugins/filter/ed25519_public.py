# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Filter: the public half of an Ed25519 key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

DOCUMENTATION = r"""
name: ed25519_public
short_description: The public half of an Ed25519 key
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - The private key stays among the plant's secrets; whoever verifies what it signs gets this.
options:
  _input:
    description: The private key, an unencrypted PEM (PKCS 8).
    type: str
    required: true
  form:
    description: V(pem) for OpenSSL and C(kojo-mes --key), V(hex) for the 32 bytes in hexadecimal digits.
    type: str
    choices: [pem, hex]
    default: pem
"""

EXAMPLES = r"""
- name: Show the key that an inspector verifies seals with
  ansible.builtin.debug:
    msg: "{{ plant_secrets.mes_seal_key | kojo.plant.ed25519_public }}"
"""

RETURN = r"""
_value:
  description: The public key.
  type: str
  sample: d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
"""


def ed25519_public(private_key: str, form: str = "pem") -> str:
    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError) as error:
        # the parser's own message may quote what it was given
        raise AnsibleFilterError("ed25519_public: this is no private key in PEM (PKCS 8)") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AnsibleFilterError("ed25519_public: this key is not an Ed25519 key")
    if form == "hex":
        return key.public_key().public_bytes_raw().hex()
    if form == "pem":
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    raise AnsibleFilterError(f"ed25519_public: form is {form!r}; give pem or hex")


class FilterModule:
    """Found by Ansible under this name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"ed25519_public": ed25519_public}
