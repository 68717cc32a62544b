"""Backups from outside: the repository's own files, a restore that is started and asked, and the metrics."""

from __future__ import annotations

import json
import shlex
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from testinfra.host import Host

from tests.plant.inventory import Plant
from tests.wait import eventually

# the unit has the group that reads the host's key, the user hasn't
AS_POSTGRES = ["runuser", "-u", "postgres", "-g", "postgres", "-G", "kojo-tls", "--"]
REPOSITORY = "/var/lib/pgbackrest"
SCRATCH = "/var/lib/postgresql/kojo-restore-test"
METRICS = "/var/lib/prometheus/node-exporter"
# greets everybody who speaks TLS 1.3; a request is answered, if only by an error, to whom it knows
TLS_PROBE = """
import socket, ssl, sys
address, version, certificate = sys.argv[1:]
context = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
context.maximum_version = ssl.TLSVersion[version]
if certificate == "with":
    context.load_cert_chain("/etc/kojo/pki/host.crt", "/etc/kojo/pki/host.key")
with context.wrap_socket(socket.create_connection((address, 8432), 5), server_hostname=address) as stream:
    stream.settimeout(5)
    assert b"pgBackRest" in stream.recv(1000)
    stream.sendall(b"a request\\n")
    print(len(stream.recv(1000)))
"""


@dataclass(frozen=True)
class Backups:
    """The repository's host and the database's."""

    plant: Plant
    host: Callable[[str], Host]

    @property
    def repository(self) -> Host:
        return self.host(self.plant.groups["monitoring"][0])

    @property
    def stanza(self) -> str:
        return str(self.plant.vars["plant_id"])

    def as_postgres(self, host: Host, *command: str) -> str:
        return str(host.check_output(shlex.join([*AS_POSTGRES, *command]))).strip()

    def sql(self, host: Host, statement: str, socket: str = "/run/postgresql") -> str:
        return self.as_postgres(
            host, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", socket, "-d", "postgres", "-c", statement
        )

    def roles(self) -> tuple[Host, Host]:
        """The primary and one standby."""
        hosts = [self.host(name) for name in self.plant.groups["database"]]
        in_recovery = {host: self.sql(host, "select pg_is_in_recovery()") for host in hosts}
        (primary,) = [host for host, answer in in_recovery.items() if answer == "f"]
        return primary, next(host for host, answer in in_recovery.items() if answer == "t")

    def archived(self, wal: str) -> list[str]:
        """The repository's files of one WAL segment."""
        command = f"find {REPOSITORY}/archive/{self.stanza} -name '{wal}-*'"
        return str(self.repository.check_output(command)).split()

    def metrics(self) -> dict[str, float]:
        lines = self.repository.check_output(f"cat {METRICS}/kojo-backup-*.prom").splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}


@pytest.fixture(scope="module")
def backups(plant: Plant, host: Callable[[str], Host]) -> Backups:
    return Backups(plant, host)


@pytest.fixture
def row(backups: Backups) -> Iterator[str]:
    """A row that is in the WAL archive, but in no backup."""
    primary, _ = backups.roles()
    value = str(uuid.uuid4())
    backups.sql(primary, f"create table kojo_restore_test as select '{value}'::text as value")
    wal = backups.sql(primary, "select pg_walfile_name(pg_switch_wal())")
    eventually(lambda: backups.archived(wal), bool, 90)
    yield value
    backups.sql(backups.roles()[0], "drop table kojo_restore_test")


def test_there_is_a_full_encrypted_backup(backups: Backups) -> None:
    command = ["pgbackrest", f"--stanza={backups.stanza}", "--output=json", "info"]
    (info,) = json.loads(backups.as_postgres(backups.repository, *command))
    assert info["status"]["code"] == 0
    assert info["cipher"] == "aes-256-cbc"
    assert "full" in [backup["type"] for backup in info["backup"]]
    assert not [backup for backup in info["backup"] if backup["error"]]


def test_wal_comes_into_the_repository_encrypted(backups: Backups) -> None:
    primary, _ = backups.roles()
    backups.sql(primary, "select pg_logical_emit_message(true, 'kojo', 'something to archive')")
    wal = backups.sql(primary, "select pg_walfile_name(pg_switch_wal())")
    (file,) = eventually(lambda: backups.archived(wal), bool, 90)
    assert backups.repository.check_output(f"head -c 8 {file}") == "Salted__"


def test_a_restore_has_a_row_that_was_written_after_the_backup(backups: Backups, row: str) -> None:
    _, host = backups.roles()
    archive_get = f"pgbackrest --stanza={backups.stanza} --pg1-path={SCRATCH} --no-archive-async archive-get %f %p"
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": SCRATCH,
        "ssl": "off",
        "archive_mode": "off",
        "synchronous_standby_names": "",
        "hba_file": f"{SCRATCH}/restore_hba.conf",
    }
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    server = ["/usr/lib/postgresql/17/bin/pg_ctl", "-D", SCRATCH]
    restore = [f"--stanza={backups.stanza}", f"--pg1-path={SCRATCH}", "--delta", "--log-level-console=error"]
    backups.as_postgres(host, "mkdir", "-m", "0700", SCRATCH)
    try:
        recover = f"--recovery-option=restore_command={archive_get}"
        backups.as_postgres(host, "pgbackrest", *restore, recover, "restore")
        backups.as_postgres(host, "sh", "-c", f"echo local all postgres peer > {SCRATCH}/restore_hba.conf")
        backups.as_postgres(host, *server, "-l", f"{SCRATCH}/log", "-t", "90", "-o", options, "-w", "start")
        # it answers as soon as it is consistent, which is before the last WAL is replayed
        eventually(lambda: backups.sql(host, "select pg_is_in_recovery()", SCRATCH), lambda answer: answer == "f", 90)
        assert backups.sql(host, "table kojo_restore_test", SCRATCH) == row
    finally:
        host.run(shlex.join([*AS_POSTGRES, *server, "-m", "immediate", "-w", "stop"]))
        host.run(f"rm -rf {SCRATCH}")


def test_backups_log_in_with_least_privilege(backups: Backups) -> None:
    primary, _ = backups.roles()
    assert "\npg1-user=kojo_backup\n" in primary.file("/etc/pgbackrest.conf").content_string
    attributes = "select rolsuper or rolreplication or rolcreaterole from pg_roles where rolname = 'kojo_backup'"
    assert backups.sql(primary, attributes) == "f"


def test_metrics_tell_of_a_good_and_recent_backup(backups: Backups) -> None:
    metrics = backups.metrics()
    now = time.time()
    assert metrics["manufacturing_backup_success"] == 1
    assert now - 8 * 86400 < metrics['manufacturing_backup_last_success_timestamp_seconds{type="full"}'] <= now
    assert metrics['manufacturing_backup_count{type="full"}'] >= 1
    assert now - 3600 < metrics["manufacturing_wal_archive_last_timestamp_seconds"] <= now + 1


def test_a_failed_run_is_told_by_the_metrics_and_the_next_good_one_too(backups: Backups) -> None:
    host, unit = backups.repository, "kojo-backup@diff.service"
    host.run_expect([0], "mv /etc/pgbackrest.conf /etc/pgbackrest.conf.test")
    try:
        assert host.run(f"systemctl start {unit}").rc != 0
        assert backups.metrics()["manufacturing_backup_success"] == 0
    finally:
        host.run_expect([0], "mv /etc/pgbackrest.conf.test /etc/pgbackrest.conf")
    host.run_expect([0], f"systemctl start {unit}")
    assert backups.metrics()["manufacturing_backup_success"] == 1


def test_the_next_backup_is_in_the_plants_window(backups: Backups) -> None:
    zone = backups.plant.vars["plant_timezone"]
    command = "systemctl show kojo-backup.timer --property=NextElapseUSecRealtime --value"
    moment = backups.repository.check_output(command)
    assert backups.repository.check_output(f"TZ={zone} date -d '{moment}' +%H") == "03"


def test_the_server_talks_tls_1_3_with_a_certificate_only(backups: Backups) -> None:
    client = backups.plant.groups["database"][0]
    servers = {client: backups.plant.groups["monitoring"][0], backups.plant.groups["monitoring"][0]: client}
    for name, server in servers.items():
        host, address = backups.host(name), backups.plant.address(server)
        outcomes = []
        for version, certificate in [("TLSv1_3", "with"), ("TLSv1_3", "without"), ("TLSv1_2", "with")]:
            command = ["python3", "-c", TLS_PROBE, address, version, certificate]
            outcomes.append(host.run(shlex.join(command)))
        known, unknown, old = outcomes
        assert int(known.stdout) > 0
        assert int(unknown.stdout) == 0
        assert "ALERT_PROTOCOL_VERSION" in old.stderr


def test_a_host_that_is_not_named_is_refused(backups: Backups) -> None:
    pki, address = "/etc/kojo/pki", backups.plant.address(backups.plant.groups["monitoring"][0])
    command = ["pgbackrest", f"--stanza={backups.stanza}", "--reset-repo1-path", f"--repo1-host={address}", "info"]
    command += ["--repo1-host-type=tls", f"--repo1-host-ca-file={pki}/ca.crt"]
    command += [f"--repo1-host-cert-file={pki}/host.crt", f"--repo1-host-key-file={pki}/host.key"]
    assert "access denied" in backups.as_postgres(backups.repository, *command)


def test_the_repository_is_its_users_alone(backups: Backups) -> None:
    config = backups.repository.file("/etc/pgbackrest.conf")
    assert (config.user, config.group, config.mode) == ("root", "postgres", 0o640)
    assert backups.repository.check_output(f"find {REPOSITORY} -type f -perm /o=rwx -print -quit") == ""
    for name in backups.plant.groups["database"]:
        assert "cipher" not in backups.host(name).file("/etc/pgbackrest.conf").content_string
