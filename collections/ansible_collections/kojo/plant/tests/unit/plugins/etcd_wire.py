"""A far end that answers as the JSON gateway of etcd 3.5 does, with its own words."""

from __future__ import annotations

from typing import Any

from ansible_collections.kojo.plant.plugins.module_utils.https_json import Response, Unreachable


def refusal(message: str, status: int = 400) -> Response:
    return Response(status, {"error": message, "message": message, "code": 9})


class EtcdWire:
    """An etcd cluster without authentication yet; POLLS of /health go by before it is healthy."""

    def __init__(self, polls_until_healthy: int = 0, running: bool = True) -> None:
        self.polls_until_healthy = polls_until_healthy
        self.running = running
        self.enabled = False
        self.passwords: dict[str, str] = {}
        self.granted: dict[str, list[str]] = {}
        self.roles: dict[str, list[dict[str, str]]] = {}
        self.writes: list[str] = []

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
        if not self.running:
            raise Unreachable("connection refused")
        if path == "/health":
            self.polls_until_healthy -= 1
            return Response(200 if self.polls_until_healthy < 0 else 503, {"health": "?"})
        call = path.removeprefix("/v3/auth/")
        if call == "authenticate":
            return self._authenticate(body["name"], body["password"])
        if self.enabled and (headers or {}).get("Authorization") != "token of root":
            return refusal("etcdserver: user name is empty")
        if call not in ("user/get", "role/get"):
            self.writes.append(call)
        return self._carry_out(call, body)

    def _authenticate(self, name: str, password: str) -> Response:
        if not self.enabled:
            return refusal("etcdserver: authentication is not enabled")
        if self.passwords.get(name) != password:
            return refusal("etcdserver: authentication failed, invalid user ID or password")
        return Response(200, {"token": f"token of {name}"})

    def _carry_out(self, call: str, body: dict[str, Any]) -> Response:
        match call:
            case "user/get" if body["name"] not in self.passwords:
                return refusal("etcdserver: user name not found")
            case "user/get":
                # the gateway leaves out empty lists
                roles = self.granted[body["name"]]
                return Response(200, {"roles": roles} if roles else {})
            case "user/add":
                self.passwords[body["name"]] = body["password"]
                self.granted[body["name"]] = []
            case "user/changepw":
                self.passwords[body["name"]] = body["password"]
            case "user/grant" if body["role"] not in self.roles:
                return refusal("etcdserver: role name not found")
            case "user/grant":
                self.granted[body["user"]].append(body["role"])
            case "role/get" if body["role"] not in self.roles:
                return refusal("etcdserver: role name not found")
            case "role/get":
                return Response(200, {"perm": self.roles[body["role"]]} if self.roles[body["role"]] else {})
            case "role/add":
                self.roles[body["name"]] = []
            case "role/grant":
                self.roles[body["name"]].append(body["perm"])
            case "role/revoke":
                keys = (body["key"], body["range_end"])
                self.roles[body["role"]] = [p for p in self.roles[body["role"]] if (p["key"], p["range_end"]) != keys]
            case "enable" if "root" not in self.granted.get("root", []):
                return refusal("etcdserver: root user does not have root role")
            case "enable":
                self.enabled = True
            case _:
                return refusal("unknown", 404)
        return Response(200, {})
