# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Takes secrets out of what goes into a journal: by the name that a value has, by the values that are known, by form.

A value is known when a variable whose name says so held it, or when it came from a vault. A secret that has neither
a name nor a form, and never stood in a variable, can't be told from other text.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

REMOVED = "(removed)"
SHORTEST = 6  # a shorter one would take words out of every sentence; under its own name it goes all the same
SHORTEST_LINE = 8  # of a secret that has several
DEEPEST = 40
# ansible-core's own names: of the type of a value, and of the beginning of a file
VAULTED, VAULT_MARK = "EncryptedString", b"$ANSIBLE_VAULT;"

STRONG = re.compile(r"passw|passphrase|passcode|secret|token|credential|apikey|privatekey", re.IGNORECASE)
WEAK = {"auth", "authorization", "cipher", "cookie", "key", "keys", "pass", "pin", "psk", "pwd", "salt", "seed"}
# a name that ends so tells of a secret, and isn't one
# fmt: off
ABOUT = {
    "age", "algorithm", "count", "dir", "directory", "exchange", "expire", "expires", "file", "hash", "id", "length",
    "lock", "max", "min", "mode", "name", "path", "policy", "ring", "server", "size", "sock", "state", "timeout", "ttl",
    "type", "url", "usage",
}
# fmt: on
# beside a secret in its dictionary, and none
BESIDE = {"group", "mode", "name", "owner", "path", "role", "state", "type", "user", "username"}
# Ansible's views of other variables: to walk these is to compute every template of every host
VIEWS = {"groups", "hostvars", "vars"}
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class Form(NamedTuple):
    """What a secret looks like: HINTS are in every text that has one, in lower case; looking for them is cheap."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str


PRIVATE_KEY = r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
FORMS = [
    Form(("private key-----",), re.compile(PRIVATE_KEY, re.DOTALL), REMOVED),
    Form(("://",), re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@'\"]*:)[^\s'\"]+(?=@)"), rf"\1{REMOVED}"),
    Form(("bearer", "basic"), re.compile(r"\b((?i:bearer|basic)\s+)(?=\S*[A-Z0-9=])[\w.~+/=-]{6,}"), rf"\1{REMOVED}"),
    Form(("-u", "user"), re.compile(r"((?:^|\s)(?:-u|--user|--proxy-user)(?:\s+|=)[^\s:]+:)\S+"), rf"\1{REMOVED}"),
    # as crypt(5) writes hashes
    Form(("$",), re.compile(r"\$(?:[156y]|2[abxy]|7|gy|argon2\w*)\$[^\s:\"']+"), REMOVED),
    Form(
        ("identified", "password"),
        re.compile(r"\b((?:identified\s+by|password)\s+)(?:'[^']*'|\"[^\"]*\")", re.IGNORECASE),
        rf"\1{REMOVED}",
    ),
    Form(
        ("requirepass", "masterauth"),
        re.compile(r"\b((?:requirepass|masterauth)\s+)\S+", re.IGNORECASE),
        rf"\1{REMOVED}",
    ),
]
NAMES = ("passw", "passphrase", "passcode", "secret", "token", "credential", *WEAK)
# name=value, name: value, "name": "value", --name value
ASSIGNED = re.compile(
    r"""(?P<name>[A-Za-z_][\w.-]*|--[\w-]+)(?P<mark>["']?\s*(?:=>|[=:])\s*)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|["']?[^\s"',;&]+)"""
)
OPTION = re.compile(r"""(?P<name>--[\w-]+)(?P<mark>\s+)(?P<value>"[^"]*"|'[^']*'|[^\s"'-]\S*)""")


def is_secret_name(name: object) -> bool:
    """Whether what has this name is a secret."""
    text = str(name)
    words = [word.lower() for word in WORD.findall(text)]
    if not words or words[0] in ("update", "no") or {"public", "authorized"} & set(words):
        return False
    if words[-1] in ABOUT and words[-2:] != ["secret", "id"]:
        return False
    return bool(STRONG.search(text)) or not WEAK.isdisjoint(words)


class Secrets:
    """What is known to be secret, and the taking out of it."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._longest_first: list[str] = []

    def learn(self, variables: object) -> None:
        """The secrets among VARIABLES."""
        before = len(self._values)
        for value in _found(variables, False, 0):
            self._values.update(_forms(value))
        if len(self._values) > before:
            self._longest_first = sorted(self._values, key=len, reverse=True)

    def add(self, value: object) -> None:
        """VALUE is a secret, whatever its name."""
        self.learn({"secret": value})

    def clean(self, value: object, depth: int = 0) -> Any:
        """VALUE without secrets, of what JSON knows."""
        if isinstance(value, Mapping):
            if depth > DEEPEST:
                return "(too deep)"
            return {
                self.text(str(name)): (REMOVED if item not in (None, "", True, False) else item)
                if is_secret_name(name)
                else self.clean(item, depth + 1)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return "(too deep)" if depth > DEEPEST else [self.clean(item, depth + 1) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))

    def text(self, text: str) -> str:
        """TEXT without secrets."""
        for secret in self._longest_first:
            if secret in text:
                text = text.replace(secret, REMOVED)
        lower = text.lower()
        for form in FORMS:
            if any(hint in lower for hint in form.hints):
                text = form.pattern.sub(form.replacement, text)
        if not any(name in lower for name in NAMES):
            return text
        return "".join(map(_without_assigned, text.splitlines(keepends=True)))


def _without_assigned(line: str) -> str:
    lower = line.lower()
    if not any(name in lower for name in NAMES):
        return line
    return OPTION.sub(_unassigned, ASSIGNED.sub(_unassigned, line))


def _unassigned(found: re.Match[str]) -> str:
    name, mark, value = found["name"], found["mark"], found["value"]
    if value.strip("\"'") == REMOVED or not is_secret_name(name):
        return found[0]
    quoted = value[0] if value[0] in "\"'" else ""
    return f"{name}{mark}{quoted}{REMOVED}{quoted}"


def _found(value: object, secret: bool, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in VIEWS:
                continue
            yield from _found(item, (secret and str(name) not in BESIDE) or is_secret_name(name), depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _found(item, secret, depth + 1)
    elif isinstance(value, int) and not isinstance(value, bool):
        if secret or _is_vaulted(value):
            yield str(int(value))
    elif (text := _text(value)) is not None and (secret or _is_vaulted(value)):
        yield text


def _text(value: object) -> str | None:
    """A text, also one that a vault holds; None for what is none, or can't be opened."""
    if type(value) is str:
        return value
    try:
        return str(value) if isinstance(value, str) or type(value).__name__ == VAULTED else None
    except Exception:
        return None  # there is no password for this vault: then no task can have used it either


def _is_vaulted(value: object) -> bool:
    """Whether VALUE came encrypted, alone or in a file that is."""
    if type(value).__name__ == VAULTED:
        return True
    tags: Mapping[type, Any] = getattr(value, "_ansible_tags_mapping", None) or {}
    return any(
        kind.__name__ == "VaultedValue" or (kind.__name__ == "Origin" and tag.path and _is_vault(tag.path))
        for kind, tag in tags.items()
    )


@functools.cache
def _is_vault(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(len(VAULT_MARK)) == VAULT_MARK
    except OSError:
        return False


def _forms(secret: str) -> Iterator[str]:
    """SECRET as it may be written: as it is, by lines, in JSON, in a URL, in base64."""
    if "{{" in secret:
        return  # a template: what it leads to has a name of its own
    parts = {secret, *(line for line in secret.splitlines() if len(line.strip()) >= SHORTEST_LINE)}
    for part in {part.strip() for part in parts if not part.startswith("-----")}:
        if len(part) >= SHORTEST:
            encoded = base64.b64encode(part.encode("utf-8", "replace")).decode().rstrip("=")
            yield from {
                part,
                json.dumps(part)[1:-1],
                json.dumps(part, ensure_ascii=False)[1:-1],
                quote(part, safe=""),
                encoded,
            }
