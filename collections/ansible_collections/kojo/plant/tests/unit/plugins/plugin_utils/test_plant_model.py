"""Each way to get a plant's page wrong, and the message that it gets."""

from __future__ import annotations

import base64
import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model import check_model
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import generate_missing

# public halves that ssh-keygen made
AIKOS_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM95BKyhYw5PE8rCRzkE38kjd+5Cv6PFknVeZ8vTnhdd"
KENS_KEY = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGgH"
    "yYEKbxUWqzUDz2fRhdIBi7OCvMTpSqbdMhoJkkrSkaEwEvytd1wQq6bkemSfz2xUVPpEHt/Tel1SKzXwsIw="
)
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII5myPd9VTv8FK2N+7uvRf2zgW88EL0kx4OxF0MEd57H"

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0OlOADXvKplgd7KQlzzzYou+Tna+eZw6GO75X9/TsW"
# Small enough to read, and with everything in it: two zones, a firewall, hosts that do several things.
PLANT: dict[str, Any] = {
    "page": {
        "plant_id": "mill",
        "plant_name": {"ja": "製粉所", "en": "Mill"},
        "plant_language": "en",
        "plant_timezone": "Asia/Tokyo",
        "plant_domain": "mill.internal",
        "plant_rto_profile": "fast",
        "plant_zones": {
            "front": {"level": 3.5, "network": "192.0.2.0/25", "gateway": "192.0.2.126"},
            "back": {"level": None, "network": "192.0.2.128/25", "gateway": "192.0.2.254"},
        },
        "plant_virtual_address": "192.0.2.10",
        "plant_control_nodes": ["203.0.113.5"],
        "plant_conduits": [
            {"from": "control_nodes", "to": "all", "protocol": "tcp", "ports": [22], "purpose": "ssh"},
            {"from": "all", "to": "all", "protocol": "icmp", "purpose": "ping"},
            {"from": "edge", "to": "edge", "protocol": "vrrp", "purpose": "virtual address"},
            {"from": "front", "to": "edge", "protocol": "tcp", "ports": [443, 8404], "purpose": "terminals"},
            {"from": "back", "to": "edge", "protocol": "tcp", "ports": [443, 8404], "purpose": "lines"},
            {"from": "edge", "to": "app", "protocol": "tcp", "ports": [8101, 8102], "purpose": "service"},
            {
                "from": "back",
                "to": "database",
                "protocol": "tcp",
                "ports": [5432, 8432, 8008, 2379, 2380, 2381, 9187],
                "purpose": "databases",
            },
            {"from": "all", "to": "cache", "protocol": "tcp", "ports": [6379, 26379], "purpose": "caches"},
            {"from": "front", "to": "database", "protocol": "tcp", "ports": [5432], "purpose": "records"},
            {"from": "monitoring", "to": "all", "protocol": "tcp", "ports": [9100, 9121], "purpose": "metrics"},
            {"from": "monitoring", "to": "app", "protocol": "tcp", "ports": [8081, 8101, 8102], "purpose": "metrics"},
            {"from": "monitoring", "to": "gateway", "protocol": "tcp", "ports": [8080, 9090], "purpose": "metrics"},
            {"from": "database", "to": "monitoring", "protocol": "tcp", "ports": [8432], "purpose": "backup"},
            {"from": "edge", "to": "edge", "protocol": "tcp", "ports": [8405], "purpose": "colours"},
        ],
        "plant_lines": [
            {
                "id": "line-1",
                "name": {"ja": "ライン", "en": "Line"},
                "product": "flour",
                "ideal_cycle_time": 2,
                "equipment": [
                    {"id": "m-1", "name": {"ja": "臼", "en": "Stone"}, "type": "mill", "temperature_limit": 60},
                    {"id": "m-2", "name": {"ja": "篩", "en": "Sieve"}, "type": "sieve", "temperature_limit": -5.5},
                ],
            },
        ],
        "plant_shifts": [
            {"name": "day", "weekdays": [1, 2, 3, 4, 5], "starts": "06:00", "ends": "18:00"},
            {"name": "night", "weekdays": [5], "starts": "18:00", "ends": "06:00", "lines": ["line-1"]},
        ],
        "plant_production_windows": [
            {"weekdays": [1, 2, 3, 4, 5], "starts": "06:00", "ends": "18:00"},
            {"weekdays": [5], "starts": "17:00", "ends": "02:00", "lines": ["line-1"]},
        ],
        "plant_approvers": {
            "aiko": {"role": "devops_lead", "key": f"{AIKOS_KEY} aiko@office, 田中"},
            "ken": {"role": "quality_manager", "key": KENS_KEY},
        },
        "plant_release_signers": {"aiko": f"{KEY} aiko@works"},
        "plant_service_levels": {
            "production_uptime": 0.999,
            "database_uptime": 0.9995,
            "sensor_connectivity": 0.998,
            "api_latency_p95": 0.2,
            "database_latency_p95": 0.05,
        },
    },
    "secrets": generate_missing({}),
    "hosts": {
        "fw": "192.0.2.126",
        "e1": "192.0.2.11",
        "e2": "192.0.2.12",
        "d1": "192.0.2.131",
        "d2": "192.0.2.132",
        "d3": "192.0.2.133",
        "m1": "192.0.2.140",
    },
    "groups": {
        "all": ["fw", "e1", "e2", "d1", "d2", "d3", "m1"],
        "ungrouped": [],
        "firewall": ["fw"],
        "edge": ["e1", "e2"],
        "app": ["e1", "e2"],
        "database": ["d1", "d2", "d3"],
        "cache": ["d1", "d2", "d3"],
        "gateway": ["d1"],
        "monitoring": ["m1"],
    },
}


@pytest.fixture
def plant() -> dict[str, Any]:
    return copy.deepcopy(PLANT)


def faults(plant: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(fault.key, fault.problem, fault.remedy) for fault in check_model(**plant)]


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """A change that sets the last of PATH at the place that the others lead to."""

    def change(plant: dict[str, Any]) -> None:
        place: Any = plant
        for step in path[:-2]:
            place = place[step]
        place[path[-2]] = path[-1]

    return change


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(plant: dict[str, Any]) -> None:
        place: Any = plant
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def page(*path: Any) -> Callable[[dict[str, Any]], None]:
    return put("page", *path)


def test_a_sound_plant_has_no_fault(plant: dict[str, Any]) -> None:
    assert faults(plant) == []


def test_what_a_plant_may_say_more(plant: dict[str, Any]) -> None:
    """The hierarchy of ISA-95, micro-stops, meters and counters; and a page without what may be left out."""
    name = {"ja": "工場棟", "en": "Hall"}
    line = plant["page"]["plant_lines"][0]
    plant["page"] |= {"plant_enterprise": "Kojo KK", "plant_areas": [{"id": "hall", "name": name}]}
    line |= {"area": "hall", "work_cells": [{"id": "cell", "name": name}], "micro_stop_limit": 30}
    line["equipment"][0] |= {"work_cell": "cell", "energy_meter": True, "counter_limit": 65535}
    line["equipment"][0]["limits"] = {"temperature": {"low": 5, "high": 95.5}, "energy": {"high": 12}, "status": {}}
    assert faults(plant) == []
    for key in ("plant_shifts", "plant_production_windows", "plant_approvers"):
        del plant["page"][key]
    assert faults(plant) == []


ONE_FAULT = [
    # shape
    (page("plant_langage", "en"), "plant_langage", "unknown key", "did you mean plant_language?"),
    (page("plant_zones", "front", "netwrk", 1), "plant_zones.front.netwrk", "unknown key", "did you mean network?"),
    (page("plant_zones", "front", "xyz", 1), "plant_zones.front.xyz", "unknown key", "use one of gateway, level"),
    (drop("page", "plant_domain"), "plant_domain", "is missing", "add a domain, for example plant-a.internal"),
    (drop("page", "plant_lines", 0, "product"), "plant_lines[0].product", "is missing", "add"),
    (page("plant_id", "Mill 1"), "plant_id", "'Mill 1' is not lower-case", "write for example"),
    (page("plant_name", "Mill"), "plant_name", "not a text in both languages", "{ja: …, en: …}"),
    (page("plant_language", "fr"), "plant_language", "'fr' is not one of ja, en", "write one of them"),
    (page("plant_timezone", "Asia/Tokio"), "plant_timezone", "'Asia/Tokio' is not a time zone", "Asia/Tokyo"),
    (page("plant_timezone", "../passwd"), "plant_timezone", "is not a time zone", "Asia/Tokyo"),
    (page("plant_rto_profile", "quick"), "plant_rto_profile", "'quick' is not one of fast, lab, normal", "write one"),
    (page("plant_control_nodes", "10.0.0.1"), "plant_control_nodes", "not a list", "a list of addresses"),
    (page("plant_control_nodes", ["host"]), "plant_control_nodes[0]", "'host' is not an IPv4 address", "for example"),
    (
        page("plant_service_levels", "production_uptime", 99.9),
        "plant_service_levels.production_uptime",
        "ratio",
        "0.999",
    ),
    # lines
    (page("plant_lines", []), "plant_lines", "is empty", "at least one line"),
    (
        page("plant_lines", 0, "ideal_cycle_time", 0),
        "plant_lines[0].ideal_cycle_time",
        "0 is not a number above 0",
        "4.0",
    ),
    (page("plant_lines", 0, "ideal_cycle_time", True), "plant_lines[0].ideal_cycle_time", "True is not", "4.0"),
    (
        page("plant_lines", 0, "equipment", 1, "id", "m-1"),
        "plant_lines",
        "2 pieces of equipment have the id m-1",
        "own",
    ),
    (page("plant_lines", 0, "equipment", [None]), "plant_lines[0].equipment[0]", "not a dictionary", "dictionary"),
    (page("plant_lines", 0, "micro_stop_limit", 4000), "plant_lines[0].micro_stop_limit", "not seconds", "30"),
    (page("plant_lines", 0, "area", "hall"), "plant_lines[0].area", "hall is not in plant_areas", "describe it"),
    (
        page("plant_lines", 0, "equipment", 0, "work_cell", "cell"),
        "plant_lines[0].equipment[0].work_cell",
        "cell is not in the line's work_cells",
        "describe it in",
    ),
    (
        page("plant_lines", 0, "work_cells", [{"id": "m-1", "name": {"ja": "臼", "en": "Stone"}}]),
        "plant_lines",
        "work cell shares the id m-1",
        "own",
    ),
    (
        page("plant_lines", 0, "equipment", 0, "energy_meter", "yes"),
        "plant_lines[0].equipment[0].energy_meter",
        "not true or false",
        "true",
    ),
    (
        page("plant_lines", 0, "equipment", 0, "counter_limit", 0),
        "plant_lines[0].equipment[0].counter_limit",
        "0 is not the highest number",
        "65535",
    ),
    (
        page("plant_lines", 0, "equipment", 0, "limits", {"pressure": {"low": 1}}),
        "plant_lines[0].equipment[0].limits.pressure",
        "'pressure' is not one of status, temperature",
        "one of them",
    ),
    (
        page("plant_lines", 0, "equipment", 0, "limits", {"temperature": {"low": "cold"}}),
        "plant_lines[0].equipment[0].limits.temperature.low",
        "'cold' is not a number",
        "80.0",
    ),
    (
        page("plant_lines", 0, "equipment", 0, "limits", {"temperature": {"low": 95, "high": 5}}),
        "plant_lines[0].equipment[0].limits.temperature",
        "low 95 is not below high 5",
        "swap",
    ),
    (
        page("plant_lines", 0, "equipment", 0, "limits", {"energy": {"high": 5}}),
        "plant_lines[0].equipment[0].limits.energy",
        "a sensor that the equipment doesn't have",
        "remove",
    ),
    # shifts
    (page("plant_shifts", 0, "starts", 840), "plant_shifts[0].starts", "840 is not a time of day in quotation", '"06'),
    (page("plant_shifts", 0, "ends", "24:00"), "plant_shifts[0].ends", "'24:00' is not a time of day", '"06:00"'),
    (page("plant_shifts", 0, "weekdays", [0]), "plant_shifts[0].weekdays[0]", "0 is not a weekday", "write for"),
    (page("plant_shifts", 0, "weekdays", []), "plant_shifts[0].weekdays", "names no day", "[1, 2, 3, 4, 5]"),
    (page("plant_shifts", 1, "lines", ["line-2"]), "plant_shifts[1].lines[0]", "line-2 is not a line", "mean line-1?"),
    (page("plant_shifts", 1, "starts", "17:59"), "plant_shifts[1]", "night overlaps day on line-1", "move one of them"),
    (
        page("plant_shifts", 1, {"name": "night", "weekdays": [7], "starts": "22:00", "ends": "06:30"}),
        "plant_shifts[1]",
        "night overlaps day on line-1",
        "name the lines",
    ),
    (drop("page", "plant_shifts", 0, "ends"), "plant_shifts[0].ends", "is missing", "quotation marks"),
    # production windows
    (page("plant_production_windows", 0, "starts", 360), "plant_production_windows[0].starts", "360 is not", '"06:00"'),
    (page("plant_production_windows", 0, "weekdays", []), "plant_production_windows[0].weekdays", "no day", "[1, 2"),
    (
        page("plant_production_windows", 1, "lines", ["line-2"]),
        "plant_production_windows[1].lines[0]",
        "line-2 is not a line",
        "line-1?",
    ),
    (
        page("plant_production_windows", 0, "from", "06:00"),
        "plant_production_windows[0].from",
        "unknown key",
        "use one",
    ),
    (page("plant_production_windows", {}), "plant_production_windows", "not a list of windows", "a list of windows"),
    # approvers
    (
        page("plant_approvers", "Ken T.", {"role": "devops_lead", "key": OTHER_KEY}),
        "plant_approvers.Ken T.",
        "name",
        "",
    ),
    (page("plant_approvers", "ken", "role", "operator"), "plant_approvers.ken.role", "is not one of", "one of them"),
    (drop("page", "plant_approvers", "ken", "key"), "plant_approvers.ken.key", "is missing", "public key in one line"),
    (page("plant_approvers", "ken", "key", "ssh-ed25519 AAAA"), "plant_approvers.ken.key", "is not an OpenSSH", ".pub"),
    (
        page("plant_approvers", "ken", "key", f"cert-authority {KENS_KEY}"),
        "plant_approvers.ken.key",
        "is not an OpenSSH public key",
        ".pub",
    ),
    (
        page("plant_approvers", "ken", "key", f"{KENS_KEY}\nmallory {OTHER_KEY}"),
        "plant_approvers.ken.key",
        "in one line",
        ".pub",
    ),
    (page("plant_approvers", "ken", "key", 7), "plant_approvers.ken.key", "is not an OpenSSH public key", ".pub"),
    (page("plant_approvers", "ken", "key", f"{AIKOS_KEY} ken"), "plant_approvers.ken.key", "is the key of aiko", "own"),
    (
        page("plant_approvers", "ken", "role", "devops_lead"),
        "plant_approvers",
        "one role alone (devops_lead)",
        "another",
    ),
    # who may release
    (
        page("plant_release_signers", [KEY]),
        "plant_release_signers",
        "is not a dictionary of names and public keys",
        "write a dictionary",
    ),
    *(
        (page("plant_release_signers", "ken", key), "plant_release_signers.ken", "is not an OpenSSH public key", ".pub")
        for key in (
            "AAAAC3NzaC1lZDI1NTE5AAAAI",
            KEY.replace("ssh-ed25519", "ssh-rsa"),
            f"ssh-dss {base64.b64encode(bytes([0, 0, 0, 7]) + b'ssh-dss' + bytes(4)).decode()}",
            KEY[:30],
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
            f"cert-authority {KEY}",
            f'namespaces="git" {KEY}',
            f"{KEY}\nken {KEY}",
            f"{KEY}\n",
            17,
        )
    ),
    (page("plant_release_signers", " ", KEY), "plant_release_signers. ", "is not a person's name", "aiko"),
    # zones and addresses
    (page("plant_zones", "front", "level", 7), "plant_zones.front.level", "7 is not one of", "write one of them"),
    (
        page("plant_zones", "front", "network", "192.0.2.0/33"),
        "plant_zones.front.network",
        "not an IPv4 network",
        "/24",
    ),
    (
        page("plant_zones", "front", "network", "192.0.2.1/25"),
        "plant_zones.front.network",
        "not an IPv4 network",
        "/24",
    ),
    (
        page("plant_zones", "back", "gateway", "192.0.2.1"),
        "plant_zones.back.gateway",
        "not a host address",
        "inside its",
    ),
    (page("plant_zones", "back", "gateway", "192.0.2.255"), "plant_zones.back.gateway", "not a host address", "inside"),
    (drop("page", "plant_zones", "back", "gateway"), "plant_zones.back.gateway", "is missing", "to the other zones"),
    (
        page("plant_zones", "spare", {"level": 0, "network": "192.0.2.64/27", "gateway": "192.0.2.65"}),
        "plant_zones.spare.network",
        "192.0.2.64/27 overlaps 192.0.2.0/25 of zone front",
        "a network of its own",
    ),
    (
        page("plant_zones", "edge", {"level": 0, "network": "198.51.100.0/27", "gateway": "198.51.100.1"}),
        "plant_zones.edge",
        "the name of a group",
        "rename the zone",
    ),
    (put("hosts", "e1", "198.51.100.9"), "e1.ansible_host", "198.51.100.9 is in no zone", "move the host"),
    (put("hosts", "e1", "e1.example.org"), "e1.ansible_host", "'e1.example.org' is not an IPv4 address", "without DNS"),
    (put("hosts", "e1", None), "e1.ansible_host", "is missing", "set it"),
    (put("hosts", "e2", "192.0.2.11"), "e2.ansible_host", "192.0.2.11 is the address of e1 too", "of its own"),
    (put("hosts", "d1", "192.0.2.128"), "d1.ansible_host", "address of a network", "another of the zone"),
    (put("hosts", "d1", "192.0.2.254"), "d1.ansible_host", "is the gateway of zone back", "group firewall"),
    (put("hosts", "fw", "192.0.2.100"), "fw.ansible_host", "is no zone's gateway", "gateway address of the zone"),
    (page("plant_virtual_address", "192.0.2.11"), "plant_virtual_address", "is the address of e1", "nobody has"),
    (
        page("plant_virtual_address", "192.0.2.126"),
        "plant_virtual_address",
        "is the gateway of zone front",
        "nobody has",
    ),
    (
        page("plant_virtual_address", "192.0.2.200"),
        "plant_virtual_address",
        "is not in zone front, where e1 is",
        "share",
    ),
    # groups
    (put("groups", "edge", []), "edge", "has no host", "at least one host"),
    (put("groups", "database", ["d1", "d2"]), "database", "has 2 host(s)", "odd number of them, at least 3"),
    (put("groups", "database", ["d1", "d2", "d3", "m1"]), "database", "has 4 host(s)", "odd number"),
    (put("groups", "database", ["d1"]), "database", "has 1 host(s)", "at least 3"),
    (put("groups", "cache", ["d1", "d2"]), "cache", "has 2 host(s)", "Sentinel needs at least 3"),
    (put("groups", "gateway", ["m1"]), "m1", "both listen on port 9090", "to another host"),
    (put("groups", "databases", ["d1"]), "databases", "not a group that Kojo knows", "did you mean database?"),
    # conduits
    (page("plant_conduits", 5, "from", "egde"), "plant_conduits[5].from", "neither a zone nor a group", "mean edge?"),
    (page("plant_conduits", 5, "to", "apps"), "plant_conduits[5].to", "'apps' is not a group", "did you mean app?"),
    (page("plant_conduits", 5, "to", "back"), "plant_conduits[5].to", "'back' is a zone", "name the group"),
    (page("plant_conduits", 5, "to", "control_nodes"), "plant_conduits[5].to", "is not a group", "use one of"),
    (page("plant_conduits", 5, "protocol", "sctp"), "plant_conduits[5].protocol", "not one of tcp, udp", "one of them"),
    (page("plant_conduits", 5, "ports", [8101, 65536]), "plant_conduits[5].ports[1]", "65536 is not a port", "5432"),
    (page("plant_conduits", 5, "ports", [0]), "plant_conduits[5].ports[0]", "0 is not a port", "5432"),
    (page("plant_conduits", 5, "ports", ["8101"]), "plant_conduits[5].ports[0]", "'8101' is not a port", "5432"),
    (page("plant_conduits", 5, "ports", []), "plant_conduits[5].ports", "names no port, but tcp needs one", "[443]"),
    (drop("page", "plant_conduits", 5, "ports"), "plant_conduits[5].ports", "names no port", "[443]"),
    (page("plant_conduits", 1, "ports", [1]), "plant_conduits[1].ports", "icmp has no ports", "remove the key"),
    (drop("page", "plant_conduits", 2), "plant_conduits", "no conduit lets e1 reach e2 by vrrp", "add {from: edge"),
    (
        page("plant_conduits", 5, "ports", [8101]),
        "plant_conduits",
        "no conduit lets e1 reach e2 by tcp port 8102",
        "add {from: edge, to: app, protocol: tcp, ports: [8101, 8102], purpose: both colours of the service}",
    ),
    (
        page("plant_conduits", 0, "from", "front"),
        "plant_conduits",
        "no conduit lets control_nodes reach fw by tcp port 22",
        "add {from: control_nodes, to: all",
    ),
    # secrets
    (put("secrets", None), "plant_secrets", "is missing", "make secrets"),
    (put("secrets", ["x"]), "plant_secrets", "is not a dictionary", "make secrets"),
    (drop("secrets", "redis_app_password"), "plant_secrets.redis_app_password", "is missing", "make secrets"),
    (put("secrets", "redis_app_password", ""), "plant_secrets.redis_app_password", "is empty", "remove it and run"),
    (put("secrets", "redis_app_password", "ChangeMe123"), "plant_secrets.redis_app_password", "placeholder", "remove"),
    (
        put("secrets", "redis_app_password", "xxxxxxxxxxxxxxxxxxxx"),
        "plant_secrets.redis_app_password",
        "placeholder",
        "",
    ),
    (put("secrets", "redis_app_password", "8eX2"), "plant_secrets.redis_app_password", "shorter than 16", "remove"),
    (put("secrets", "redis_app_password", 12), "plant_secrets.redis_app_password", "is not a text", "remove"),
    (
        put("secrets", "redis_password_app", "8" * 3),
        "plant_secrets.redis_password_app",
        "unknown key",
        "redis_app_password",
    ),
    (put("secrets", "bcrypt_salt", "abcdefghijklmnopqrstuv"), "plant_secrets.bcrypt_salt", "alphabet", "remove"),
]


@pytest.mark.parametrize(("change", "key", "problem", "remedy"), ONE_FAULT)
def test_one_fault_is_one_message(
    plant: dict[str, Any], change: Callable[[dict[str, Any]], None], key: str, problem: str, remedy: str
) -> None:
    change(plant)
    found = faults(plant)
    assert len(found) == 1, found
    assert found[0][0] == key
    assert problem in found[0][1]
    assert remedy in found[0][2]


def test_all_faults_come_in_one_run(plant: dict[str, Any]) -> None:
    changes = [
        page("plant_language", "fr"),
        page("plant_zones", "back", "network", "?"),
        page("plant_conduits", 5, "from", "egde"),
        put("hosts", "e2", "192.0.2.11"),
        put("groups", "cache", ["d1"]),
        drop("secrets", "metrics_password"),
    ]
    for change in changes:
        change(plant)
    assert {key for key, _, _ in faults(plant)} == {
        "plant_language",
        "plant_zones.back.network",
        "plant_conduits[5].from",
        "e2.ansible_host",
        "cache",
        "plant_secrets.metrics_password",
    }


def test_a_host_in_no_known_group_is_reported(plant: dict[str, Any]) -> None:
    plant["hosts"]["spare"] = "192.0.2.50"
    plant["groups"]["all"].append("spare")
    assert [(key, problem) for key, problem, _ in faults(plant)] == [("spare", "is in no group that Kojo knows")]


def test_a_host_name_must_fit_a_certificate(plant: dict[str, Any]) -> None:
    plant["hosts"]["spare_1"] = "192.0.2.50"
    plant["groups"]["all"].append("spare_1")
    plant["groups"]["app"].append("spare_1")
    assert [(key, problem) for key, problem, _ in faults(plant)] == [
        ("spare_1", "is not a host name that a certificate can carry")
    ]


def test_an_address_in_two_zones_is_reported_with_the_overlap(plant: dict[str, Any]) -> None:
    plant["page"]["plant_zones"]["spare"] = {"level": 0, "network": "192.0.2.8/29", "gateway": "192.0.2.9"}
    plant["page"]["plant_virtual_address"] = "192.0.2.10"
    assert {key for key, _, _ in faults(plant)} >= {"plant_zones.spare.network", "e1.ansible_host", "e2.ansible_host"}


def test_a_plant_may_have_groups_of_its_own(plant: dict[str, Any]) -> None:
    plant["groups"]["tokyo"] = ["d1"]
    assert faults(plant) == []


def test_no_message_holds_a_secret(plant: dict[str, Any]) -> None:
    for name in plant["secrets"]:
        plant["secrets"][name] = f"short {name[0]}"
    assert not [text for fault in faults(plant) for text in fault if "short " in text]


@pytest.mark.parametrize("junk", [None, [], {}, "text", 3, [None], {"a": None}, {1: [None]}])
@pytest.mark.parametrize("key", sorted(PLANT["page"]))
def test_junk_is_reported_never_a_crash(plant: dict[str, Any], key: str, junk: Any) -> None:
    plant["page"][key] = junk
    legal = (key, junk) in [
        *((name, []) for name in ("plant_control_nodes", "plant_shifts", "plant_production_windows")),
        *((name, {}) for name in ("plant_approvers", "plant_release_signers")),
        *((name, "text") for name in ("plant_id", "plant_domain")),
    ]
    assert bool(faults(plant)) != legal


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_is_taken_as_ssh_keygen_writes_it(plant: dict[str, Any], tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "ken of 工場", "-f", tmp_path / "key"], check=True)
    plant["page"]["plant_release_signers"]["ken"] = (tmp_path / "key.pub").read_text(encoding="utf-8").rstrip("\n")
    assert faults(plant) == []
