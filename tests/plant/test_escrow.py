"""Seals, journals and archives off the hosts that make them, from outside: the copy follows, is proven, only grows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

from tests.plant import edges
from tests.plant.inventory import Plant
from tests.wait import eventually

COPY, SEALS = "/var/lib/kojo-escrow", "/var/lib/kojo-mes/seals"
SCRATCH = "/var/lib/kojo-escrow-test"
KINDS = ("seals", "journals", "archives")
METRICS = "/var/lib/prometheus/node-exporter/kojo-escrow.prom"
# the copy is asked every minute, and the service seals a heartbeat every minute
PATIENCE = 240
AS_ESCROW = "setpriv --reuid=kojo-escrow --regid=kojo-escrow --groups=kojo-tls"


@pytest.fixture(scope="module")
def keeper(plant: Plant, host: Callable[[str], Host]) -> Host:
    """The monitoring host."""
    return host(plant.groups["monitoring"][0])


def lines(host: Host, folder: str) -> list[str]:
    return str(host.check_output(f"cat {folder}/seals-*.jsonl")).splitlines()


def body(line: str) -> dict[str, Any]:
    seal: dict[str, Any] = json.loads(line)["seal"]
    return seal


def metrics(host: Host) -> dict[str, float]:
    told = host.check_output(f"cat {METRICS}").splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in told if line[0] != "#")}


def test_the_copy_has_what_the_services_hosts_wrote_down(
    plant: Plant, host: Callable[[str], Host], keeper: Host
) -> None:
    files = [lines(host(name), SEALS) for name in plant.groups["app"]]
    newest = max(body(written[-1])["number"] for written in files)

    def copied() -> list[str]:
        return lines(keeper, f"{COPY}/seals") if keeper.run(f"ls {COPY}/seals/seals-*.jsonl").rc == 0 else []

    copy = eventually(copied, lambda found: bool(found) and body(found[-1])["number"] >= newest, PATIENCE)
    assert [body(line)["number"] for line in copy] == list(range(1, len(copy) + 1))
    for written in files:
        assert [line for line in written if line not in set(copy)] == []


def test_the_copy_has_what_the_control_node_signed(plant: Plant, keeper: Host) -> None:
    """To the byte, all that the service took; and the host proves it by itself."""
    with edges.client(plant, key=plant.secrets["mes_escrow_key"]) as client:
        (journal,) = client.get("/api/v1/audit/journals").json()["items"]
    assert journal["records"] > 0

    def copied() -> list[bytes]:
        content: bytes = keeper.run(f"cat {COPY}/journals/{journal['writer']}/*.jsonl").stdout_bytes
        return content.splitlines(keepends=True)

    copy = eventually(copied, lambda found: len(found) >= journal["records"], PATIENCE)
    folder, name = plant.folder / ".state/journal", plant.vars["plant_id"]
    files = [*sorted(folder.glob(f"{name}.{journal['writer']}.*.jsonl")), folder / f"{name}.jsonl"]
    written = b"".join(path.read_bytes() for path in files)
    # a run that goes on meanwhile only adds to it
    assert written.startswith(b"".join(copy))
    told = keeper.check_output(f"kojo-escrow verify {COPY} /etc/kojo/escrow")
    assert re.search(rf"^{journal['writer']}: \d+, whole and unaltered", told, re.MULTILINE), told


def test_its_metrics_say_that_it_is_in_step(keeper: Host) -> None:
    now = float(keeper.check_output("date +%s"))
    told = eventually(
        lambda: metrics(keeper),
        lambda found: now - found["kojo_escrow_newest_seal_timestamp_seconds"] < PATIENCE,
        PATIENCE,
    )
    for what in KINDS:
        assert told[f'kojo_escrow_disagrees{{what="{what}"}}'] == 0
    assert told["kojo_escrow_archives_missing"] == 0


@pytest.mark.parametrize("what", KINDS)
def test_it_looks_by_itself_and_after_a_reboot(keeper: Host, what: str) -> None:
    timer = edges.unit(keeper, f"kojo-escrow-{what}.timer")
    assert (timer["ActiveState"], timer["UnitFileState"]) == ("active", "enabled")
    keeper.run_expect([0], f"systemctl start kojo-escrow@{what}.service")


def test_a_copy_or_a_source_that_was_altered_is_told(keeper: Host) -> None:
    """On a copy of the copy, so that nobody is paged."""
    last = lines(keeper, f"{COPY}/seals")[-1]
    altered = last.replace('"sealed_at":"2', '"sealed_at":"1')
    assert altered != last
    run = f"set -a; . /etc/kojo/escrow/escrow.env; {AS_ESCROW} kojo-escrow seals {SCRATCH}"
    try:
        keeper.check_output(f"cp -a {COPY} {SCRATCH}")
        keeper.run_expect([0], run)
        keeper.check_output(f'sed -i \'s/"sealed_at":"2/"sealed_at":"1/\' {SCRATCH}/seals/*.jsonl')
        before = keeper.check_output(f"sha256sum {SCRATCH}/seals/*.jsonl")
        done = keeper.run(run)
        assert (done.rc, "copy and source disagree" in done.stderr) == (1, True), done.stderr
        assert keeper.check_output(f"sha256sum {SCRATCH}/seals/*.jsonl") == before
    finally:
        keeper.run(f"rm -rf {SCRATCH}")


def test_its_key_reads_seals_journals_and_archives_only(plant: Plant) -> None:
    with edges.client(plant, key=plant.secrets["mes_escrow_key"]) as client:
        assert client.get("/api/v1/audit/seals/lines", params={"limit": 1}).status_code == 200
        assert client.get("/api/v1/audit/journals/lines", params={"writer": "ansible", "limit": 1}).status_code == 200
        assert client.get("/api/v1/archives").status_code == 200
        for path in ("/api/v1/audit/events", "/api/v1/lines", "/api/v1/readings/latest"):
            assert client.get(path).status_code == 403, path


def test_its_files_are_nobody_elses(plant: Plant, host: Callable[[str], Host], keeper: Host) -> None:
    assert edges.rights(keeper, COPY) == "kojo-escrow kojo-escrow 700"
    assert edges.rights(keeper, "/etc/kojo/escrow/escrow.env") == "root root 600"
    assert edges.exposure(keeper, "kojo-escrow@seals.service") <= 2.5
    secret = shlex.quote(plant.secrets["mes_escrow_key"])
    holders = {name for name in plant.hosts if host(name).run(f"grep -rqF {secret} /etc").rc == 0}
    assert holders == {plant.groups["monitoring"][0]}, "the service has its hash"


def test_nobody_but_its_user_writes_into_the_copy(keeper: Host) -> None:
    """Every account of the host tries, as it is when it has logged in; the superuser is none that this is about."""
    attempt = 'setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups test -w "$file" && echo "$user"'
    for kind in ("seals", "journals"):
        file = keeper.check_output(f"find {COPY}/{kind} -name '*.jsonl' | sort | tail -n 1")
        assert edges.rights(keeper, file) == "kojo-escrow kojo-escrow 600"
        tried = f"file={file}; cut -d: -f1 /etc/passwd | while read -r user; do {attempt}; done; true"
        assert set(keeper.check_output(tried).split()) == {"root", "kojo-escrow"}


def test_months_are_archived_by_a_timer_of_every_host_with_the_service(
    plant: Plant, host: Callable[[str], Host]
) -> None:
    for name in plant.groups["app"]:
        app = host(name)
        timer = edges.unit(app, "kojo-mes-archive.timer")
        assert (timer["ActiveState"], timer["UnitFileState"]) == ("active", "enabled")
        assert edges.exposure(app, "kojo-mes-archive.service") <= 2.0
        # nothing is due in a plant so young: it looks, and says so
        app.run_expect([0], "systemctl start kojo-mes-archive.service")
        assert "nothing to do" in app.check_output("journalctl --unit=kojo-mes-archive.service --lines=20 --output=cat")
        zone = plant.vars["plant_timezone"]
        moment = app.check_output("systemctl show kojo-mes-archive.timer --property=NextElapseUSecRealtime --value")
        assert app.check_output(f"TZ={zone} date -d '{moment}' +%H") == "04"


def test_nobody_drops_a_month_that_is_held(plant: Plant, host: Callable[[str], Host]) -> None:
    """Not the superuser, not with CASCADE. Rolled back, should it not be refused."""
    for name in plant.groups["database"]:
        database = host(name)
        psql = "runuser -u postgres -- psql -XqAt -v ON_ERROR_STOP=1 -h /run/postgresql kojo"
        enabled = "select evtevent, evtenabled from pg_event_trigger where evtname = 'kojo_retention'"
        assert database.check_output(f"cd /; {psql} -c {shlex.quote(enabled)}") == "sql_drop|A"
        if database.check_output(f"cd /; {psql} -c 'select pg_is_in_recovery()'") == "t":
            continue
        held = "select to_char(month, 'YYYY_MM') from mes.audit_hold order by month desc limit 1"
        month = eventually(lambda: database.check_output(f"cd /; {psql} -c {shlex.quote(held)}"), bool, 60)  # noqa: B023
        drop = f"begin; set local lock_timeout = '20s'; drop table mes.audit_event_{month} cascade; rollback"
        done = database.run(f"cd /; {psql} -c {shlex.quote(drop)}")
        assert done.rc != 0
        assert "it is held" in done.stderr, done.stderr
