# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The timings of an RTO profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.plugin_utils.rto_profile import rto_profile as timings

DOCUMENTATION = r"""
name: rto_profile
short_description: The timings of an RTO profile, and the recovery times that they lead to
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - One table drives the timings of Patroni, etcd, HAProxy, keepalived, Sentinel and the database clients,
    so that the layers can't disagree.
  - The recovery times under C(predicted) are computed from the same table. The drills check them.
options:
  _input:
    description: The profile's name.
    type: str
    required: true
    choices: [fast, lab, normal]
"""

EXAMPLES = r"""
- name: Show how soon a lost database host is replaced
  ansible.builtin.debug:
    msg: "{{ (plant_rto_profile | kojo.plant.rto_profile).predicted.host_lost_worst_s }} s"
"""

RETURN = r"""
_value:
  description:
    - The keys C(patroni), C(haproxy), C(keepalived), C(sentinel), C(client) and C(etcd) hold timings.
      A name's ending is its unit.
    - The key C(predicted) holds the recovery times in seconds.
  type: dict
  sample:
    patroni: {ttl: 20, loop_wait: 3, retry_timeout: 8, primary_start_timeout: 0, primary_stop_timeout: 10}
    haproxy: {check_interval_ms: 500, fall: 3, rise: 2, connect_timeout_ms: 1000}
    keepalived: {advert_int: 0.2, down_timer_adverts: 5}
    sentinel: {down_after_ms: 2000, failover_timeout_ms: 10000}
    client: {connect_timeout_s: 2, tcp_user_timeout_ms: 5000}
    etcd: {heartbeat_ms: 100, election_ms: 1000}
    predicted:
      process_lost_s: 6.0
      host_lost_average_s: 21.5
      host_lost_worst_s: 25.0
      host_and_etcd_leader_lost_worst_s: 26.0
      address_takeover_s: 1.2
      redis_failover_s: 3.5
"""


def rto_profile(name: str) -> dict[str, Any]:
    try:
        return dict(timings(name))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Found by Ansible under this name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rto_profile": rto_profile}
