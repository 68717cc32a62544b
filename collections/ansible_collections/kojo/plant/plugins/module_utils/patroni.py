# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Patroni's REST interface."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ansible_collections.kojo.plant.plugins.module_utils.https_json import Response, Transport, Unreachable

POLL_SECONDS = 1.0
LEADER_ROLES = frozenset({"leader", "master", "standby_leader"})

Tree = dict[str, Any]


class PatroniError(Exception):
    """Patroni refused, or its cluster isn't in a state to be asked."""


@dataclass(frozen=True)
class Member:
    name: str
    role: str
    state: str
    pending_restart: bool

    @property
    def leads(self) -> bool:
        return self.role in LEADER_ROLES and self.state == "running"


class Patroni:
    """One node's REST interface; it answers for the whole cluster."""

    def __init__(
        self,
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._sleep = sleep

    def _call(self, method: str, path: str, body: Any = None) -> Tree:
        answer: Response = self._transport.request(method, path, body)
        if answer.status != 200 or not isinstance(answer.data, dict):
            raise PatroniError(f"{method} {path}: Patroni answered {answer.status} {str(answer.data)[:200]}")
        return cast(Tree, answer.data)

    def config(self) -> Tree:
        return self._call("GET", "/config")

    def patch_config(self, patch: Tree) -> Tree:
        return self._call("PATCH", "/config", patch)

    def members(self) -> list[Member]:
        return [
            Member(
                name=str(entry["name"]),
                role=str(entry.get("role", "")),
                state=str(entry.get("state", "")),
                pending_restart=bool(entry.get("pending_restart", False)),
            )
            for entry in self._call("GET", "/cluster").get("members", [])
        ]

    def wait_for_leader(self, seconds: float) -> str:
        """The leader's name, as soon as there is one."""
        deadline = self._clock() + seconds
        while True:
            try:
                leaders = [member.name for member in self.members() if member.leads]
                reason = "no member leads"
            except (PatroniError, Unreachable) as error:
                leaders, reason = [], str(error)
            if len(leaders) == 1:
                return leaders[0]
            if self._clock() >= deadline:
                raise PatroniError(f"the cluster has no leader after {seconds:g} s: {reason}; see `patronictl list`")
            self._sleep(POLL_SECONDS)

    def wait_for_loop(self, loop_wait: float) -> None:
        """Until every member has run its loop once more, and so has noticed a new configuration."""
        self._sleep(loop_wait + POLL_SECONDS)


def difference(present: Tree, wanted: Tree) -> Tree:
    """The smallest patch that brings PRESENT to WANTED: keys that WANTED doesn't name stay, null removes a key.

    Scalars and lists are compared as Patroni's own patch compares them, by their text: 100 and "100" are one value.
    """
    patch: Tree = {}
    for key, value in wanted.items():
        current = present.get(key)
        if value is None:
            if current is not None:
                patch[key] = None
        elif isinstance(value, dict):
            below = difference(current if isinstance(current, dict) else {}, value)
            if below or not isinstance(current, dict):
                patch[key] = below
        elif current is None or str(current) != str(value):
            patch[key] = value
    return patch


def merge(present: Tree, patch: Tree) -> Tree:
    """PRESENT after PATCH."""
    merged = dict(present)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            current = merged.get(key)
            merged[key] = merge(current if isinstance(current, dict) else {}, value)
        else:
            merged[key] = value
    return merged
