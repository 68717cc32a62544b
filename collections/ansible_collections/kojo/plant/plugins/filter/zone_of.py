"""Filter: the zone that an address lies in."""

from __future__ import annotations

DOCUMENTATION = r"""
name: zone_of
short_description: The zone that an address lies in
description:
  - Finds the zone whose network holds an address, by the plant's zones table.
version_added: 0.1.0
author: [Kojo]
options:
  _input:
    description: An IPv4 or IPv6 address.
    type: string
    required: true
  zones:
    description: The plant's zones, C(plant_zones), zone name to a dictionary with C(network).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Where this host stands
  ansible.builtin.debug:
    msg: "{{ ansible_host | kojo.plant.zone_of(plant_zones) }}"
"""

RETURN = r"""
_value:
  description: The zone's name.
  type: string
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from ansible.errors import AnsibleFilterError


def zone_of(address: str, zones: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name of the zone whose network holds the address; an address outside every zone is an error."""
    try:
        wanted = ip_address(address)
    except ValueError as error:
        raise AnsibleFilterError(f"zone_of: {error}") from error
    for name, zone in zones.items():
        if wanted in ip_network(zone["network"]):
            return name
    raise AnsibleFilterError(f"{address} lies in no zone of plant_zones ({', '.join(zones)})")


class FilterModule:
    """Filters of this file, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters."""
        return {"zone_of": zone_of}
