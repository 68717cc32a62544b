"""The manufacturing service on its hosts: what runs, as whom, with which secrets; and the lines it hears of."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from testinfra.host import Host

from tests.plant import edges
from tests.plant.inventory import Plant
from tests.wait import eventually

PROCESSES = {
    "app": ["kojo-mes-api@{active}", "kojo-mes-quality"],
    "gateway": ["kojo-mes-gateway", "kojo-mes-line-monitor", "kojo-mes-simulator"],
}
UNITS = [(group, unit) for group, units in PROCESSES.items() for unit in units]
# in TLS 1.3 a client is done before the listener asks for its certificate: the refusal comes instead of an answer
ASK = """
import socket, ssl, sys
context = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
if sys.argv[3:]:
    context.load_cert_chain("/etc/kojo/pki/host.crt", "/etc/kojo/pki/host.key")
with context.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2]))), server_hostname=sys.argv[1]) as s:
    s.sendall(b"GET /health HTTP/1.1\\r\\nHost: test\\r\\nConnection: close\\r\\n\\r\\n")
    print(s.recv(64).split(b"\\r\\n")[0].decode())
"""


@pytest.mark.parametrize(("group", "unit"), UNITS)
def test_processes_run_with_few_rights(plant: Plant, host: Callable[[str], Host], group: str, unit: str) -> None:
    unit = unit.format(**edges.decision(plant, host))
    for name in plant.groups[group]:
        assert edges.unit(host(name), unit) == {"ActiveState": "active", "UnitFileState": "enabled", "User": "kojo-mes"}
        assert edges.exposure(host(name), unit) <= 2.0


def test_the_idle_colour_is_installed_and_runs_after_a_deploy_alone(plant: Plant, host: Callable[[str], Host]) -> None:
    active = edges.decision(plant, host)["active"]
    idle = edges.OTHER[active]
    for name in plant.groups["app"]:
        assert host(name).check_output("readlink /opt/kojo-mes/current") == active
        warm = host(name).file("/opt/kojo-mes/deployment.json").exists
        unit = edges.unit(host(name), f"kojo-mes-api@{idle}")
        assert (unit["ActiveState"], unit["UnitFileState"]) == (
            ("active", "enabled") if warm else ("inactive", "disabled")
        )
        assert host(name).check_output(f"/opt/kojo-mes/{idle}/bin/kojo-mes --version")


def test_releases_can_be_changed_by_root_alone(plant: Plant, host: Callable[[str], Host]) -> None:
    for name in plant.groups["app"] + plant.groups["gateway"]:
        loose = "find /opt/kojo-mes -not -type l ( -perm /022 -o -not -user root )"
        assert host(name).check_output(loose.replace("(", r"\(").replace(")", r"\)")) == ""


def test_secrets_are_where_they_are_needed(plant: Plant, host: Callable[[str], Host]) -> None:
    def holders_of(secret: str) -> set[str]:
        search = shlex.join(["grep", "-rqF", plant.secrets[secret], "/etc/kojo-mes", "/etc/systemd/system"])
        return {name for name in plant.groups["app"] + plant.groups["gateway"] if host(name).run(search).rc == 0}

    assert holders_of("postgresql_owner_password") == set()
    assert holders_of("postgresql_app_password") == set(plant.groups["app"])
    assert holders_of("mes_simulator_key") == set(plant.groups["gateway"])
    for name in plant.groups["app"] + plant.groups["gateway"]:
        assert edges.rights(host(name), "/etc/kojo-mes/kojo-mes.env") == "root kojo-mes 640"


def test_the_service_knows_the_lines_of_the_inventory(plant: Plant, host: Callable[[str], Host]) -> None:
    for name in plant.groups["app"]:
        page = json.loads(edges.content(host(name), "/etc/kojo-mes/plant.json"))
        assert page["lines"] == plant.vars["plant_lines"]
    with edges.client(plant, key=plant.secrets["mes_simulator_key"]) as client:
        lines = client.get("/api/v1/lines").json()["items"]
    assert [line["id"] for line in lines] == [line["id"] for line in plant.vars["plant_lines"]]


def test_a_colour_speaks_only_to_hosts_of_the_plant(plant: Plant, host: Callable[[str], Host]) -> None:
    for name in plant.groups["app"]:
        ask = ["python3", "-c", ASK, plant.address(name), "8101"]
        assert host(name).check_output(shlex.join([*ask, "certificate"])) == "HTTP/1.1 200 OK"
        refused = host(name).run(shlex.join(ask))
        # by an alert, or by the connection's end
        assert refused.stdout.strip() == ""


def test_every_equipment_is_heard_of(plant: Plant) -> None:
    """The simulated lines send through the virtual address; what they sent is seconds old."""
    wanted = {item["id"] for line in plant.vars["plant_lines"] for item in line["equipment"]}

    def heard() -> bool:
        with edges.client(plant, key=plant.secrets["mes_simulator_key"]) as client:
            items = client.get("/api/v1/readings/latest").json()["items"]
        young = datetime.now(UTC) - timedelta(seconds=30)
        return wanted <= {item["equipment"] for item in items if datetime.fromisoformat(item["time"]) > young}

    eventually(heard, bool, 60, "a young reading of each equipment")
