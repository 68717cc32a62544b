# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Everything that can be wrong with a plant's model, found without touching a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_addresses import (
    check_hosts,
    check_inventory,
    check_virtual_address,
    check_zones,
)
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_approvers import check_approvers
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_flows import check_conduits, check_flows
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_groups import check_groups
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_lines import check_lines
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_parts import Parts
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault, read_page
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shifts import check_shifts, check_windows
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import secret_faults


def check_model(
    page: Mapping[str, Any], secrets: object, hosts: Mapping[str, object], groups: Mapping[str, Sequence[str]]
) -> list[Fault]:
    """All faults of a plant.

    PAGE holds the variables whose names begin with plant_, but plant_secrets; HOSTS maps each host to its ansible_host.
    A part of the wrong shape is reported once, and then left out of the comparisons.
    """
    faults: list[Fault] = []
    parts = Parts.of(read_page(page, faults), hosts, groups)
    faults += [
        *check_groups(parts),
        *check_zones(parts),
        *check_inventory(hosts),
        *check_hosts(parts),
        *check_virtual_address(parts),
        *check_conduits(parts),
        *check_lines(parts),
        *check_shifts(parts),
        *check_windows(parts),
        *check_approvers(parts.page.get("plant_approvers", {})),
        *secret_faults(secrets),
    ]
    # a conduit, zone or address that is wrong would be reported again as a conduit that is missing
    if not any(
        fault.key.startswith(("plant_conduits", "plant_zones")) or "ansible_host" in fault.key for fault in faults
    ):
        faults += check_flows(parts)
    return faults
