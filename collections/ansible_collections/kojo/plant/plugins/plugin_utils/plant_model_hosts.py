# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Faults of the hosts themselves, from what kojo.plant.host_state returned for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault

DEBIAN: Final = "13"
PYTHON: Final = (3, 11)


@dataclass(frozen=True)
class Limits:
    clock_skew_s: float
    disk_free_mb: int
    memory_mb: int


def check_host_states(states: Mapping[str, Mapping[str, Any]], limits: Limits) -> Iterator[Fault]:
    for host, state in states.items():
        if "error" in state:
            yield _unreadable(host, state)
        elif not state.get("skipped"):
            yield from _check_state(host, state, limits)


def _unreadable(host: str, state: Mapping[str, Any]) -> Fault:
    reason = " ".join(str(state["error"]).split())
    if not state["reachable"]:
        remedy = "check ansible_host, the host's power and network, and the SSH user and key"
        return Fault(host, f"cannot be reached: {reason}", remedy)
    remedy = "check that it has python3, and that the SSH user is root or may use sudo"
    return Fault(host, f"cannot be examined: {reason}", remedy)


def _check_state(host: str, state: Mapping[str, Any], limits: Limits) -> Iterator[Fault]:
    if (state["os_id"], state["os_version"]) != ("debian", DEBIAN):
        problem = f"runs {state['os_id'] or 'an unknown system'} {state['os_version']}".rstrip()
        yield Fault(host, problem, f"install Debian {DEBIAN}")
    if tuple(state["python"][:2]) < PYTHON:
        problem = f"has Python {'.'.join(map(str, state['python']))}"
        yield Fault(
            host, problem, f"Kojo needs {'.'.join(map(str, PYTHON))} or later: check ansible_python_interpreter"
        )
    if not state["systemd"]:
        yield Fault(host, "was not started by systemd", "Kojo's daemons are systemd units: boot the host with it")
    if not state["root"]:
        yield Fault(
            host, "gives Ansible no root rights", "set ansible_user to root, or ansible_become to true with sudo"
        )
    if state["clock_skew_s"] > limits.clock_skew_s:
        problem = f"its clock is {state['clock_skew_s']:.1f} s off this control node's"
        yield Fault(host, problem, f"at most {limits.clock_skew_s} s are allowed: set both clocks (timedatectl)")
    for path, free in state["disk_free_mb"].items():
        if free < limits.disk_free_mb:
            yield Fault(host, f"{path} has {free} MB free", f"make room: {limits.disk_free_mb} MB are needed")
    if state["memory_mb"] < limits.memory_mb:
        yield Fault(host, f"has {state['memory_mb']} MB of memory", f"give it {limits.memory_mb} MB or more")
