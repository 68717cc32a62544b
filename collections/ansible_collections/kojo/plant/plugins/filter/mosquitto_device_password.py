# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Filter: the password of an MQTT device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.plugin_utils.mosquitto import device_password

DOCUMENTATION = r"""
name: mosquitto_device_password
short_description: The password of an MQTT device
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Derives the password of a device's account from the plant's seed and the device's id.
    A new device needs no new secret, and a commissioning engineer gets its password by this filter.
options:
  _input:
    description: The device's id, as in C(plant_lines).
    type: str
    required: true
  seed:
    description: The plant's seed, C(plant_secrets.mosquitto_device_password_seed).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the password of a device
  ansible.builtin.debug:
    msg: "{{ 'press-1' | kojo.plant.mosquitto_device_password(plant_secrets.mosquitto_device_password_seed) }}"
"""

RETURN = r"""
_value:
  description: The password, 43 characters that need no quotes.
  type: str
  sample: 0IgpcF5vYc1bUlK2tCNYBa4RYkNqYbrxo1KcYnyqHqA
"""


def mosquitto_device_password(device: str, seed: str) -> str:
    try:
        return device_password(seed, device)
    except ValueError as error:
        raise AnsibleFilterError(f"mosquitto_device_password: {error}") from error


class FilterModule:
    """Found by Ansible under this name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mosquitto_device_password": mosquitto_device_password}
