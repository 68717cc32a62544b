# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""From the conduit table to firewall rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_conduits import (
    Plant,
    forward_rules,
    input_rules,
)

DOCUMENTATION = r"""
name: conduit_rules
short_description: From the conduit table to one host's firewall rules
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - A pure function of the plant model. It tells what one host accepts and, for the firewall,
    what it lets through between zones.
  - The firewall owns the gateway address of every zone; rules from or to it name all of them.
    An edge may hold the virtual address; what is forwarded to the edges may go there too.
  - It trusts the model. The role C(kojo.plant.preflight) checks it before.
options:
  _input:
    description: The conduit table, C(plant_conduits).
    type: list
    elements: dict
    required: true
  host:
    description: The host that the rules are for.
    type: str
    required: true
  zones:
    description: The zones with C(network) and C(gateway), C(plant_zones).
    type: dict
    required: true
  groups:
    description: Group name to host names, as in Ansible's C(groups).
    type: dict
    required: true
  addresses:
    description: Host name to address, for every host of the plant.
    type: dict
    required: true
  control_nodes:
    description: The addresses that the conduit end C(control_nodes) stands for, C(plant_control_nodes).
    type: list
    elements: str
    required: true
  virtual_address:
    description: The address that one edge at a time holds, C(plant_virtual_address).
    type: str
"""

EXAMPLES = r"""
- name: Compile the conduit table for this host
  ansible.builtin.set_fact:
    rules: >-
      {{ plant_conduits | kojo.plant.conduit_rules(
           host=inventory_hostname, zones=plant_zones, groups=groups,
           addresses=dict(groups['all'] | zip(groups['all'] | map('extract', hostvars, 'ansible_host'))),
           control_nodes=plant_control_nodes, virtual_address=plant_virtual_address) }}
"""

RETURN = r"""
_value:
  description: Rules in the order of the conduit table. Whatever they don't name is to be dropped.
  type: dict
  contains:
    input:
      description: What the host accepts. C(sources) are addresses or networks. C(icmp) and C(vrrp) have no C(ports).
      type: list
      elements: dict
      sample:
        - {protocol: tcp, ports: [5432], sources: [10.77.30.11, 10.77.30.12], purpose: the service's records}
    forward:
      description: What passes between zones. Empty for a host that isn't in the group C(firewall).
      type: list
      elements: dict
      sample:
        - protocol: tcp
          ports: [5432]
          sources: [10.77.30.11, 10.77.30.12]
          destinations: [10.77.31.11]
          purpose: the service's records
"""


def conduit_rules(
    conduits: Sequence[Mapping[str, Any]],
    host: str,
    zones: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Sequence[str]],
    addresses: Mapping[str, str],
    control_nodes: Sequence[str],
    virtual_address: str | None = None,
) -> dict[str, list[dict[str, Any]]]:
    plant = Plant(zones, groups, addresses, control_nodes, virtual_address)
    try:
        return {
            "input": input_rules(conduits, plant, host),
            "forward": forward_rules(conduits, plant) if plant.is_firewall(host) else [],
        }
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Found by Ansible under this name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"conduit_rules": conduit_rules}
