"""A far end that answers as one node of Patroni 4 does."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.kojo.plant.plugins.module_utils.https_json import Response, Unreachable


class PatroniWire:
    """A cluster's configuration and members; POLLS of /cluster go by before it has a leader."""

    def __init__(self, config: dict[str, Any] | None, members: dict[str, str], polls_without_leader: int = 0) -> None:
        self.config = config
        self.members = members
        self.polls_without_leader = polls_without_leader
        self.pending: set[str] = set()
        self.restart_keys: set[str] = set()
        self.writes: list[dict[str, Any]] = []

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
        if self.config is None:
            raise Unreachable("connection refused")
        match method, path:
            case "GET", "/cluster":
                return Response(200, {"members": self._members()})
            case "GET", "/config":
                return Response(200, copy.deepcopy(self.config))
            case "PATCH", "/config":
                self.writes.append(body)
                self._patch(self.config, body)
                return Response(200, copy.deepcopy(self.config))
        return Response(404, "")

    def _members(self) -> list[dict[str, Any]]:
        leaderless = self.polls_without_leader > 0
        self.polls_without_leader -= leaderless
        return [
            {
                "name": name,
                "role": "replica" if leaderless else role,
                "state": "running" if role == "leader" else "streaming",
                **({"pending_restart": True} if name in self.pending else {}),
            }
            for name, role in self.members.items()
        ]

    def _patch(self, config: dict[str, Any], patch: dict[str, Any]) -> None:
        for key, value in patch.items():
            if key in self.restart_keys:
                self.pending.update(self.members)
            if value is None:
                config.pop(key, None)
            elif isinstance(value, dict) and isinstance(config.get(key), dict):
                self._patch(config[key], value)
            else:
                config[key] = value
