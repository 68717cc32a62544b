# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""etcd's version 3 interface, through its JSON gateway."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ansible_collections.kojo.plant.plugins.module_utils.https_json import Transport, Unreachable

POLL_SECONDS = 1.0
AUTH_OFF = "authentication is not enabled"
WRONG_PASSWORD = "authentication failed"  # noqa: S105 (a message of etcd's)
NO_USER = "user name not found"
NO_ROLE = "role name not found"


class EtcdError(Exception):
    """etcd refused."""


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


@dataclass(frozen=True)
class Permission:
    """Reading and writing of a range of keys; both ends in base64, as the gateway has them."""

    kind: str
    key: str
    range_end: str

    @classmethod
    def prefix(cls, prefix: str) -> Permission:
        first = prefix.encode()
        return cls("READWRITE", _encoded(first), _encoded(first[:-1] + bytes([first[-1] + 1])))

    @classmethod
    def from_json(cls, entry: dict[str, str]) -> Permission:
        # the gateway leaves out what is zero, and READ is
        return cls(entry.get("permType", "READ"), entry.get("key", ""), entry.get("range_end", ""))

    def as_json(self) -> dict[str, str]:
        return {"permType": self.kind, "key": self.key, "range_end": self.range_end}

    def __str__(self) -> str:
        return f"{self.kind} of {base64.b64decode(self.key).decode(errors='replace')}*"


class Etcd:
    """One member; it answers for the whole cluster."""

    def __init__(
        self,
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._token: str | None = None

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": self._token} if self._token else {}
        answer = self._transport.request("POST", f"/v3/{path}", body, headers)
        if answer.status != 200 or not isinstance(answer.data, dict):
            reason = answer.data.get("error", answer.data) if isinstance(answer.data, dict) else answer.data
            raise EtcdError(f"{path}: etcd answered {answer.status} {str(reason)[:200]}")
        return cast(dict[str, Any], answer.data)

    def _authenticate(self, name: str, password: str) -> str | None:
        """A token; none while authentication is off."""
        try:
            token: str = self.call("auth/authenticate", {"name": name, "password": password})["token"]
        except EtcdError as error:
            if AUTH_OFF in str(error):
                return None
            raise
        return token

    def wait_until_ready(self, seconds: float) -> None:
        """Until the member answers, and has a leader to ask."""
        deadline = self._clock() + seconds
        while True:
            try:
                answer = self._transport.request("GET", "/health")
                if answer.status == 200:
                    return
                reason = f"etcd is not healthy: {str(answer.data)[:200]}"
            except Unreachable as error:
                reason = str(error)
            if self._clock() >= deadline:
                raise Unreachable(f"{reason}; waited {seconds:g} s, see `journalctl -u etcd`")
            self._sleep(POLL_SECONDS)

    def login(self, name: str, password: str) -> bool:
        """Whether authentication is on; if so, calls from now on are made as NAME."""
        try:
            self._token = self._authenticate(name, password)
        except EtcdError as error:
            if WRONG_PASSWORD in str(error):
                raise EtcdError(
                    f"etcd doesn't take the password of user {name}: is it the one of this plant's secrets?"
                ) from error
            raise
        return self._token is not None

    def accepts(self, name: str, password: str) -> bool:
        """Whether PASSWORD is known to be the one of user NAME."""
        try:
            return self._authenticate(name, password) is not None
        except EtcdError as error:
            if WRONG_PASSWORD in str(error):
                return False
            raise

    def user_roles(self, name: str) -> list[str] | None:
        """The user's roles; none if there is no such user."""
        entry = self._get("auth/user/get", {"name": name}, NO_USER)
        return None if entry is None else entry.get("roles", [])

    def role_permissions(self, name: str) -> list[Permission] | None:
        """The role's permissions; none if there is no such role."""
        entry = self._get("auth/role/get", {"role": name}, NO_ROLE)
        return None if entry is None else [Permission.from_json(item) for item in entry.get("perm", [])]

    def _get(self, path: str, body: dict[str, Any], absent: str) -> dict[str, Any] | None:
        try:
            return self.call(path, body)
        except EtcdError as error:
            if absent in str(error):
                return None
            raise
