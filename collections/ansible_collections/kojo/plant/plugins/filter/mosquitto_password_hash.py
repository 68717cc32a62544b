# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Filter: a password's hash for mosquitto's password file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.plugin_utils.mosquitto import password_hash

DOCUMENTATION = r"""
name: mosquitto_password_hash
short_description: A password's hash for mosquitto's password file, the same at every run
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Hashes as C(mosquitto_passwd) does, by PBKDF2 with SHA-512.
  - The salt is derived, not drawn, so the file doesn't change between runs.
  - Few iterations are enough. The plant's passwords are long and random, and the broker hashes one at every connection.
options:
  _input:
    description: The password.
    type: str
    required: true
  account:
    description: The account that the password belongs to.
    type: str
    required: true
  iterations:
    description: The cost.
    type: int
    default: 1000
"""

EXAMPLES = r"""
- name: Show a line of the password file
  ansible.builtin.debug:
    msg: "gateway:{{ plant_secrets.mosquitto_gateway_password | kojo.plant.mosquitto_password_hash('gateway') }}"
"""

RETURN = r"""
_value:
  description: The hash, with its cost and salt.
  type: str
  sample: $7$101$…
"""


def mosquitto_password_hash(password: str, account: str, iterations: int = 1000) -> str:
    try:
        return password_hash(password, account, iterations)
    except ValueError as error:
        raise AnsibleFilterError(f"mosquitto_password_hash: {error}") from error


class FilterModule:
    """Found by Ansible under this name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mosquitto_password_hash": mosquitto_password_hash}
