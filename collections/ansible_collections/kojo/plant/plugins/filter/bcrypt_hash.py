# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Filter: a bcrypt hash that is the same at every run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bcrypt
from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: bcrypt_hash
short_description: A bcrypt hash that is the same at every run
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Hashes a password for the web configuration of Prometheus and its exporters.
  - The salt is given, not random, so a file with the hash doesn't change between runs.
  - The cost is low by default. The plant's passwords are 40 random characters, which no dictionary holds,
    and each scrape pays for one check.
options:
  _input:
    description: The password.
    type: str
    required: true
  salt:
    description: 22 characters of bcrypt's alphabet, C(plant_secrets.bcrypt_salt).
    type: str
    required: true
  rounds:
    description: The cost, as a power of two, from 4 to 31.
    type: int
    default: 5
"""

EXAMPLES = r"""
- name: Show the hash of the metrics password
  ansible.builtin.debug:
    msg: "{{ plant_secrets.metrics_password | kojo.plant.bcrypt_hash(plant_secrets.bcrypt_salt) }}"
"""

RETURN = r"""
_value:
  description: The hash, with its cost and salt.
  type: str
  sample: $2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW
"""


def bcrypt_hash(password: str, salt: str, rounds: int = 5) -> str:
    if not 4 <= rounds <= 31:
        raise AnsibleFilterError(f"bcrypt_hash: rounds is {rounds}; give a cost from 4 to 31")
    try:
        return bcrypt.hashpw(password.encode(), f"$2b${rounds:02}${salt}".encode()).decode()
    except ValueError as error:
        raise AnsibleFilterError(
            "bcrypt_hash: the salt is not 22 characters of ./A-Za-z0-9; "
            "remove bcrypt_salt from plant_secrets and run `make secrets` again"
        ) from error


class FilterModule:
    """Found by Ansible under this name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"bcrypt_hash": bcrypt_hash}
