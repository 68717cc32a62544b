"""What preflight says of the hosts themselves."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_hosts import Limits, check_host_states

LIMITS = Limits(clock_skew_s=5.0, disk_free_mb=2048, memory_mb=1024)
SOUND: dict[str, Any] = {
    "reachable": True,
    "os_id": "debian",
    "os_version": "13",
    "python": [3, 13, 5],
    "systemd": True,
    "root": True,
    "clock_skew_s": 0.0,
    "disk_free_mb": {"/": 9000, "/var": 2048},
    "memory_mb": 1024,
}


def faults(state: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.problem, fault.remedy) for fault in check_host_states({"db1": state}, LIMITS)]


@pytest.mark.parametrize("state", [SOUND, {"changed": False, "skipped": True}, {**SOUND, "clock_skew_s": 5.0}])
def test_nothing_to_say(state: dict[str, Any]) -> None:
    assert faults(state) == []


@pytest.mark.parametrize(
    ("change", "problem", "remedy"),
    [
        ({"os_version": "12"}, "runs debian 12", "install Debian 13"),
        ({"os_id": "ubuntu", "os_version": "13"}, "runs ubuntu 13", "install Debian 13"),
        ({"os_id": "debian", "os_version": ""}, "runs debian", "install Debian 13"),
        ({"python": [3, 10, 12]}, "has Python 3.10.12", "3.11 or later"),
        ({"systemd": False}, "was not started by systemd", "boot the host with it"),
        ({"root": False}, "gives Ansible no root rights", "ansible_become"),
        ({"clock_skew_s": 7200.04}, "its clock is 7200.0 s off this control node's", "at most 5.0 s"),
        ({"disk_free_mb": {"/": 9000, "/var": 2047}}, "/var has 2047 MB free", "2048 MB are needed"),
        ({"memory_mb": 1023}, "has 1023 MB of memory", "1024 MB or more"),
        (
            {"reachable": False, "error": "ssh: connect to host\n 192.0.2.1: refused"},
            "cannot be reached: ssh: connect to host 192.0.2.1: refused",
            "SSH user and key",
        ),
        (
            {"error": "/bin/sh: 1: python3: not found"},
            "cannot be examined: /bin/sh: 1: python3: not found",
            "has python3",
        ),
    ],
)
def test_one_fault_is_one_message(change: dict[str, Any], problem: str, remedy: str) -> None:
    found = faults({**SOUND, **change})
    assert len(found) == 1
    assert found[0][0] == problem
    assert remedy in found[0][1]


def test_all_faults_of_all_hosts_come_in_one_run() -> None:
    states = {
        "db1": {**SOUND, "os_version": "12", "memory_mb": 1},
        "db2": {"reachable": False, "error": "refused"},
        "db3": SOUND,
    }
    assert [fault.key for fault in check_host_states(states, LIMITS)] == ["db1", "db1", "db2"]
