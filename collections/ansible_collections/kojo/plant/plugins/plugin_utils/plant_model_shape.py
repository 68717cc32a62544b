# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The shape of a plant's page: which keys there are, and what each may hold."""

from __future__ import annotations

import difflib
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final
from zoneinfo import ZoneInfo

from ansible_collections.kojo.plant.plugins.plugin_utils.rto_profile import PROFILES


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and what to do about it. KEY is a path such as plant_zones.dmz.network."""

    key: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Leaf:
    """A value that TEST accepts. A choice says in WHAT what there is, so it needs no example."""

    test: Callable[[Any], object]
    what: str
    example: str | None = None

    @property
    def remedy(self) -> str:
        return f"write for example {self.example}" if self.example else "write one of them"

    def accepts(self, value: object) -> bool:
        try:
            return bool(self.test(value))
        except (ValueError, TypeError, LookupError, OSError):
            return False


@dataclass(frozen=True)
class Record:
    """A dictionary with these keys and no others."""

    fields: Mapping[str, Spec]
    optional: frozenset[str] = frozenset()
    what: str = "a dictionary"


@dataclass(frozen=True)
class Many:
    """A list of items of one shape."""

    item: Spec
    what: str


@dataclass(frozen=True)
class Named:
    """A dictionary from names to items of one shape."""

    name: Leaf
    item: Spec
    what: str


Spec = Leaf | Record | Many | Named


def _matching(pattern: str) -> Callable[[Any], object]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _public_key(value: Any) -> bool:
    """Whether it is TYPE BASE64 [COMMENT] (sshd(8)), with base64 of a key of that type (RFC 4253, 6.6)."""
    found = re.fullmatch(rf"({'|'.join(map(re.escape, KEY_TYPES))}) ([A-Za-z0-9+/]+=*)( [^\x00-\x1f\x7f]*)?", value)
    if not found:
        return False
    kind, key = found[1].encode(), b64decode(found[2], validate=True)
    header = len(kind).to_bytes(4, "big") + kind
    return key.startswith(header) and len(key) > len(header)


def _one_of(*choices: object) -> Leaf:
    names = ", ".join("null" if choice is None else str(choice) for choice in choices)
    # True == 1, but a level isn't a truth
    return Leaf(lambda value: not isinstance(value, bool) and value in choices, f"one of {names}")


KEY_TYPES: Final = (
    *("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa"),
    *("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
)
LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
TEXT: Final = Leaf(lambda value: isinstance(value, str) and value.strip(), "a text", "Assembly line 1")
END: Final = Leaf(TEXT.test, "a zone or a group", "app")
PURPOSE: Final = Leaf(TEXT.test, "a text", "the service's records")
CODE: Final = Leaf(TEXT.test, "a text", "housing-100")
IDENTIFIER: Final = Leaf(_matching(r"[a-z][a-z0-9_-]{0,62}"), "lower-case letters, digits, - and _", "line-1")
ZONE_NAME: Final = Leaf(_matching(r"[a-z][a-z0-9_]{0,30}"), "a zone's name (lower-case letters, digits, _)", "dmz")
DOMAIN: Final = Leaf(_matching(rf"{LABEL}(\.{LABEL})*"), "a domain", "plant-a.internal")
TIMEZONE: Final = Leaf(lambda value: ZoneInfo(value), "a time zone of the tz database", "Asia/Tokyo")
ADDRESS: Final = Leaf(lambda value: isinstance(value, str) and IPv4Address(value), "an IPv4 address", "10.77.35.10")
NETWORK: Final = Leaf(lambda value: isinstance(value, str) and IPv4Network(value), "an IPv4 network", "10.77.35.0/24")
POSITIVE: Final = Leaf(lambda value: _number(value) and value > 0, "a number above 0", "4.0")
NUMBER: Final = Leaf(_number, "a number", "80.0")
RATIO: Final = Leaf(lambda value: _number(value) and 0 < value < 1, "a ratio between 0 and 1", "0.999")
SECONDS: Final = Leaf(lambda value: _number(value) and 0 <= value <= 3600, "seconds from 0 to 3600", "30")
TRUTH: Final = Leaf(lambda value: isinstance(value, bool), "true or false", "true")
COUNTER: Final = Leaf(
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53,
    "the highest number of a counter",
    "65535",
)
MEASUREMENT: Final = _one_of(
    *("status", "temperature", "energy", "quality_passed", "quality_failed"),
    *("good_count", "reject_count", "good_total", "reject_total"),
)
# without quotation marks YAML takes 14:00 for the number 840
CLOCK: Final = Leaf(_matching(r"([01]\d|2[0-3]):[0-5]\d"), "a time of day in quotation marks", '"06:00"')
WEEKDAY: Final = Leaf(
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 7,
    "a weekday by ISO 8601 (1 is Monday, 7 Sunday)",
    "1",
)
# a file's name has it between two full stops
APPROVER: Final = Leaf(_matching(r"[a-z][a-z0-9_-]{0,62}"), "a name (lower-case letters, digits, - and _)", "sato")
APPROVER_ROLE: Final = _one_of("manufacturing_lead", "devops_lead", "quality_manager")
PUBLIC_KEY: Final = Leaf(_public_key, "an OpenSSH public key in one line", "the line of ~/.ssh/id_ed25519.pub")
SIGNER: Final = Leaf(TEXT.test, "a person's name", "aiko")
PORT: Final = Leaf(lambda v: isinstance(v, int) and not isinstance(v, bool) and 0 < v < 65536, "a port", "5432")

PORT_PROTOCOLS: Final = ("tcp", "udp")
TRANSLATED: Final = Record({"ja": TEXT, "en": TEXT}, what="a text in both languages, {ja: …, en: …}")

PLACE: Final = Record({"id": IDENTIFIER, "name": TRANSLATED})

# each week, by the plant's clock
WEEKLY: Final[Mapping[str, Spec]] = {
    "weekdays": Many(WEEKDAY, "a list of weekdays"),
    "starts": CLOCK,
    "ends": CLOCK,
    "lines": Many(IDENTIFIER, "a list of lines"),
}

PAGE: Final = Record(
    {
        "plant_id": IDENTIFIER,
        "plant_name": TRANSLATED,
        "plant_language": _one_of("ja", "en"),
        "plant_timezone": TIMEZONE,
        "plant_domain": DOMAIN,
        "plant_rto_profile": _one_of(*PROFILES),
        "plant_zones": Named(
            ZONE_NAME,
            Record(
                {"level": _one_of(0, 1, 2, 3, 3.5, 4, 5, None), "network": NETWORK, "gateway": ADDRESS},
                optional=frozenset({"gateway"}),
            ),
            "a dictionary of zones",
        ),
        "plant_virtual_address": ADDRESS,
        "plant_control_nodes": Many(ADDRESS, "a list of addresses"),
        "plant_conduits": Many(
            Record(
                {
                    "from": END,
                    "to": END,
                    "protocol": _one_of(*PORT_PROTOCOLS, "icmp", "vrrp"),
                    "ports": Many(PORT, "a list of ports"),
                    "purpose": PURPOSE,
                },
                optional=frozenset({"ports"}),
            ),
            "a list of conduits",
        ),
        "plant_lines": Many(
            Record(
                {
                    "id": IDENTIFIER,
                    "name": TRANSLATED,
                    "product": CODE,
                    "ideal_cycle_time": POSITIVE,
                    "micro_stop_limit": SECONDS,
                    "area": IDENTIFIER,
                    "work_cells": Many(PLACE, "a list of work cells"),
                    "equipment": Many(
                        Record(
                            {
                                "id": IDENTIFIER,
                                "name": TRANSLATED,
                                "type": CODE,
                                "temperature_limit": NUMBER,
                                "work_cell": IDENTIFIER,
                                "energy_meter": TRUTH,
                                "counter_limit": COUNTER,
                                "limits": Named(
                                    MEASUREMENT,
                                    Record({"low": NUMBER, "high": NUMBER}, optional=frozenset({"low", "high"})),
                                    "a dictionary of measurements",
                                ),
                            },
                            optional=frozenset({"work_cell", "energy_meter", "counter_limit", "limits"}),
                        ),
                        "a list of equipment",
                    ),
                },
                optional=frozenset({"micro_stop_limit", "area", "work_cells"}),
            ),
            "a list of lines",
        ),
        "plant_enterprise": TEXT,
        "plant_areas": Many(PLACE, "a list of areas"),
        "plant_shifts": Many(
            Record({"name": CODE, **WEEKLY}, optional=frozenset({"lines"})),
            "a list of shifts",
        ),
        "plant_production_windows": Many(Record(WEEKLY, optional=frozenset({"lines"})), "a list of windows"),
        "plant_approvers": Named(
            APPROVER, Record({"role": APPROVER_ROLE, "key": PUBLIC_KEY}), "a dictionary of people"
        ),
        "plant_release_signers": Named(SIGNER, PUBLIC_KEY, "a dictionary of names and public keys"),
        "plant_service_levels": Record(
            {
                "production_uptime": RATIO,
                "database_uptime": RATIO,
                "sensor_connectivity": RATIO,
                "api_latency_p95": POSITIVE,
                "database_latency_p95": POSITIVE,
            }
        ),
    },
    optional=frozenset(
        {
            "plant_enterprise",
            "plant_areas",
            "plant_shifts",
            "plant_production_windows",
            "plant_approvers",
            "plant_release_signers",
        }
    ),
)


def read_page(page: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
    """PAGE without what is wrong in it, which is added to FAULTS."""
    sound = _read(page, PAGE, "", faults)
    return sound if isinstance(sound, dict) else {}


def read_key(key: str, value: object, faults: list[Fault]) -> Any:
    """The VALUE of one KEY of the page, likewise."""
    return _read(value, PAGE.fields[key], key, faults)


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that NAME looks like."""
    return next(iter(difflib.get_close_matches(str(name), sorted(known), n=1)), None)


def suggestion(name: object, known: Iterable[str]) -> str:
    """What to do about an unknown name."""
    names = sorted(known)
    near = nearest(name, names)
    return f"did you mean {near}?" if near else f"remove it, or use one of {', '.join(names)}"


def _read(value: Any, spec: Spec, path: str, faults: list[Fault]) -> Any:
    """VALUE without its wrong parts; None where nothing sound is left. A list keeps its indices."""
    if isinstance(spec, Leaf):
        if spec.accepts(value):
            return value
        faults.append(Fault(path, f"{value!r} is not {spec.what}", spec.remedy))
        return None
    if isinstance(spec, Many):
        if not isinstance(value, list):
            faults.append(Fault(path, f"is not {spec.what}", f"write {spec.what}"))
            return []
        return [_read(item, spec.item, f"{path}[{index}]", faults) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        faults.append(Fault(path, f"is not {spec.what}", f"write {spec.what}"))
        return {}
    if isinstance(spec, Named):
        for name in value:
            _read(name, spec.name, _join(path, name), faults)
        return {name: _read(item, spec.item, _join(path, name), faults) for name, item in value.items()}
    return _read_record(value, spec, path, faults)


def _read_record(value: Mapping[Any, Any], spec: Record, path: str, faults: list[Fault]) -> dict[str, Any]:
    for name in value:
        if name not in spec.fields:
            faults.append(Fault(_join(path, name), "is an unknown key", suggestion(name, spec.fields)))
    sound = {}
    for name, field in spec.fields.items():
        if name in value:
            part = _read(value[name], field, _join(path, name), faults)
            if part is not None:
                sound[name] = part
        elif name not in spec.optional:
            faults.append(Fault(_join(path, name), "is missing", f"add {_describe(field)}"))
    return sound


def _describe(spec: Spec) -> str:
    return f"{spec.what}, for example {spec.example}" if isinstance(spec, Leaf) and spec.example else spec.what


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
