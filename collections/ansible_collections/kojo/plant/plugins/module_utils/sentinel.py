# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Sentinel's commands. Each reply that isn't the documented one is a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.kojo.plant.plugins.module_utils.resp import Reply, RespClient, RespError, TlsStream

# The options of a module that talks to Sentinels (documentation: the fragment kojo.plant.sentinel).
SENTINEL_OPTIONS: dict[str, dict[str, Any]] = {
    "port": {"type": "int", "default": 26379},
    "username": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "ca_file": {"type": "path", "required": True},
    "cert_file": {"type": "path"},
    "key_file": {"type": "path"},
}
REQUEST_TIMEOUT = 5.0
NO_SUCH_MASTER = "No such master with that name"


class Sentinel:
    """One Sentinel, logged in."""

    def __init__(self, client: RespClient) -> None:
        self._client = client

    def master(self, name: str) -> dict[str, str] | None:
        """What this Sentinel knows of the master NAME; none if it doesn't monitor it."""
        try:
            return self._pairs("SENTINEL", "MASTER", name)
        except RespError as error:
            if NO_SUCH_MASTER in str(error):
                return None
            raise

    def configuration(self, pattern: str) -> dict[str, str]:
        """Settings of this Sentinel itself, by a glob pattern."""
        return self._pairs("SENTINEL", "CONFIG", "GET", pattern)

    def configure(self, settings: Mapping[str, str]) -> None:
        self._done("SENTINEL", "CONFIG", "SET", *flat(settings))

    def monitor(self, name: str, host: str, port: int, quorum: int) -> None:
        self._done("SENTINEL", "MONITOR", name, host, str(port), str(quorum))

    def set(self, name: str, settings: Mapping[str, str]) -> None:
        self._done("SENTINEL", "SET", name, *flat(settings))

    def remove(self, name: str) -> None:
        self._done("SENTINEL", "REMOVE", name)

    def check_quorum(self, name: str) -> str:
        """Sentinel's own sentence; RespError with NOQUORUM if a failover can't be authorised."""
        reply = self._client.call("SENTINEL", "CKQUORUM", name)
        if not isinstance(reply, str) or not reply.startswith("OK "):
            raise RespError(f"SENTINEL CKQUORUM {name}: unexpected reply {reply!r}")
        return reply

    def close(self) -> None:
        self._client.close()

    def _done(self, *words: str) -> None:
        reply = self._client.call(*words)
        if reply != "OK":
            raise RespError(f"{' '.join(words[:3])}: expected OK, got {reply!r}")

    def _pairs(self, *words: str) -> dict[str, str]:
        reply = self._client.call(*words)
        if not isinstance(reply, list) or len(reply) % 2 or not all(isinstance(entry, str) for entry in reply):
            raise RespError(f"{' '.join(words[:3])}: expected names and values, got {shape(reply)}")
        texts = [str(entry) for entry in reply]
        return dict(zip(texts[::2], texts[1::2], strict=True))


def flat(settings: Mapping[str, str]) -> list[str]:
    return [word for pair in settings.items() for word in pair]


def shape(reply: Reply) -> str:
    """A reply without its content, which may be secret."""
    return f"{type(reply).__name__} of {len(reply)}" if isinstance(reply, list) else type(reply).__name__


def connector(options: Mapping[str, Any]) -> Callable[[str], Sentinel]:
    """What connects to the Sentinel of a host and logs in, from a module's SENTINEL_OPTIONS."""

    def connect(host: str) -> Sentinel:
        client = RespClient(
            TlsStream(
                host, options["port"], options["ca_file"], options["cert_file"], options["key_file"], REQUEST_TIMEOUT
            )
        )
        client.login(options["username"], options["password"])
        return Sentinel(client)

    return connect
