"""PostgreSQL from outside: its own catalogs and logs, raw TLS, and the roles' real logins from where they come."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from testinfra.host import Host

from tests.plant.inventory import Plant
from tests.plant.logins import login

PORT, REST = 5432, 8008
LOGIN_ROLES = {"kojo_owner", "kojo_app", "kojo_read", "kojo_audit"}

# speaks just enough of PostgreSQL's protocol to begin TLS: its own client library would hide the versions
TLS_PROBE = """
import socket, ssl, struct, sys
address, port, version = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
context.maximum_version = ssl.TLSVersion[version]
plain = socket.create_connection((address, port), 5)
if port == 5432:
    plain.sendall(struct.pack("!ii", 8, 80877103))
    assert plain.recv(1) == b"S"
print(context.wrap_socket(plain, server_hostname=address).version())
"""
REST_PROBE = """
import ssl, sys, urllib.request
url, method, certificate = sys.argv[1:]
context = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
if certificate == "with":
    context.load_cert_chain("/etc/kojo/pki/host.crt", "/etc/kojo/pki/host.key")
body = None if method == "GET" else b"{}"
print(urllib.request.urlopen(urllib.request.Request(url, body, method=method), context=context).read().decode())
"""


@dataclass(frozen=True)
class Cluster:
    """The database hosts of the plant."""

    plant: Plant
    host: Callable[[str], Host]

    @property
    def names(self) -> list[str]:
        return self.plant.groups["database"]

    def sql(self, name: str, statement: str, database: str = "postgres") -> str:
        """What the superuser's psql on the host answers, unaligned."""
        command = [
            "runuser",
            "-u",
            "postgres",
            "--",
            "psql",
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-c",
            statement,
        ]
        return str(self.host(name).check_output(shlex.join(command))).strip()

    def primaries(self) -> list[str]:
        return [name for name in self.names if self.sql(name, "select pg_is_in_recovery()") == "f"]

    @property
    def primary(self) -> str:
        (name,) = self.primaries()
        return name

    def rest(self, name: str, path: str, method: str = "GET", certificate: bool = False) -> str:
        """What the host's REST interface answers to a client without a password: a body, or an error."""
        url = f"https://{self.plant.address(name)}:{REST}{path}"
        command = ["python3", "-c", REST_PROBE, url, method, "with" if certificate else "without"]
        done = self.host(name).run(shlex.join(command))
        return str(done.stdout or done.stderr)

    def get(self, name: str, path: str) -> dict[str, object]:
        return dict(json.loads(self.rest(name, path)))

    def login(self, user: str, statement: str, password: str | None = None, mode: str = "verify-full") -> str:
        return login(self.plant, self.host, user, statement, password, mode)


@pytest.fixture(scope="module")
def cluster(plant: Plant, host: Callable[[str], Host]) -> Cluster:
    return Cluster(plant, host)


def test_there_is_one_primary_and_the_others_stream_from_it(cluster: Cluster) -> None:
    (primary,) = cluster.primaries()
    standbys = cluster.sql(primary, "select application_name from pg_stat_replication where state = 'streaming'")
    assert sorted(standbys.splitlines()) == sorted(set(cluster.names) - {primary})


def test_every_node_names_the_same_leader(cluster: Cluster) -> None:
    for name in cluster.names:
        members = cluster.get(name, "/cluster")["members"]
        assert isinstance(members, list)
        assert [member["name"] for member in members if member["role"] == "leader"] == [cluster.primary]


def test_a_commit_waits_for_any_one_standby(cluster: Cluster) -> None:
    assert cluster.sql(cluster.primary, "show synchronous_standby_names").startswith("ANY 1 ")
    assert cluster.sql(cluster.primary, "show synchronous_commit") == "on"
    states = cluster.sql(cluster.primary, "select distinct sync_state from pg_stat_replication")
    assert states == "quorum"


def test_a_committed_row_is_on_the_standbys(cluster: Cluster) -> None:
    row = uuid.uuid4()
    table = f"kojo_test_{row.hex[:12]}"
    cluster.sql(cluster.primary, f"create table {table} as select '{row}'::text as row")
    try:
        lsn = cluster.sql(cluster.primary, "select pg_current_wal_lsn()")
        for name in sorted(set(cluster.names) - {cluster.primary}):
            waited = "select pg_sleep(0.05) from generate_series(1, 100) where pg_last_wal_replay_lsn() < "
            cluster.sql(name, f"{waited}'{lsn}'")
            assert cluster.sql(name, f"table {table}") == str(row)
    finally:
        cluster.sql(cluster.primary, f"drop table {table}")


def test_the_leader_goes_on_without_etcd_and_a_rewind_is_possible(cluster: Cluster) -> None:
    config = cluster.get(cluster.primary, "/config")
    assert config["failsafe_mode"] is True
    assert config["synchronous_mode"] == "quorum"
    assert cluster.sql(cluster.primary, "show wal_log_hints") == "on"


def test_pages_have_checksums(cluster: Cluster) -> None:
    assert {cluster.sql(name, "show data_checksums") for name in cluster.names} == {"on"}


def test_debians_own_cluster_was_never_made(cluster: Cluster) -> None:
    for name in cluster.names:
        assert cluster.host(name).check_output("pg_lsclusters --no-header") == ""


@pytest.mark.parametrize("port", [PORT, REST])
def test_only_tls_1_3_is_spoken(cluster: Cluster, port: int) -> None:
    for name in cluster.names:
        for version, spoken in [("TLSv1_2", False), ("TLSv1_3", True)]:
            command = ["python3", "-c", TLS_PROBE, cluster.plant.address(name), str(port), version]
            done = cluster.host(name).run(shlex.join(command))
            assert (done.stdout == "TLSv1.3\n") == spoken
            assert ("ALERT" in done.stderr) != spoken


def test_nobody_is_trusted_and_nobody_comes_without_tls(cluster: Cluster) -> None:
    query = "select coalesce(json_agg(r), '[]') from pg_hba_file_rules r"
    for name in cluster.names:
        rules = json.loads(cluster.sql(name, query))
        assert not [rule for rule in rules if rule["error"]]
        assert {rule["auth_method"] for rule in rules} == {"peer", "scram-sha-256"}
        assert {rule["type"] for rule in rules} == {"local", "hostssl"}
        assert not [rule for rule in rules if rule["type"] == "local" and rule["auth_method"] != "peer"]
        networks = {(rule["address"], rule["netmask"]) for rule in rules if rule["type"] == "hostssl"}
        known = {cluster.plant.address(member) for member in cluster.plant.hosts}
        assert {address for address, _ in networks if address != "samehost"} <= known
        assert {mask for address, mask in networks if address != "samehost"} == {"255.255.255.255"}


def test_the_service_logs_in_over_tls_with_its_password(cluster: Cluster) -> None:
    statement = "select current_user::text, version from pg_stat_ssl where pid = pg_backend_pid()"
    assert cluster.login("kojo_app", statement).strip() == "('kojo_app', 'TLSv1.3')"


def test_a_login_without_tls_or_with_another_password_is_refused(cluster: Cluster) -> None:
    assert "no encryption" in cluster.login("kojo_app", "select 1", mode="disable")
    assert "password authentication failed" in cluster.login(
        "kojo_app", "select 1", password=cluster.plant.secrets["bcrypt_salt"]
    )


@pytest.mark.parametrize("user", ["postgres", "replicator", "rewind", "kojo_backup", "kojo_exporter"])
def test_no_other_role_may_come_from_an_app_host(cluster: Cluster, user: str) -> None:
    assert "no pg_hba.conf entry" in cluster.login(user, "select 1", cluster.plant.secrets["bcrypt_salt"])


def test_login_roles_have_no_attributes(cluster: Cluster) -> None:
    query = """select string_agg(rolname, ',' order by rolname) from pg_roles where rolcanlogin
               and (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)"""
    assert cluster.sql(cluster.primary, query) == "postgres,replicator"


def test_every_password_is_kept_as_scram(cluster: Cluster) -> None:
    query = "select rolname from pg_authid where rolcanlogin and coalesce(rolpassword, '') not like 'SCRAM-SHA-256$%'"
    assert cluster.sql(cluster.primary, query) == "kojo_backup"


def test_only_the_plants_roles_may_connect_to_its_database(cluster: Cluster) -> None:
    query = """select string_agg(rolname, ',' order by rolname) from pg_roles
               where rolcanlogin and not rolsuper and has_database_privilege(oid, 'kojo', 'connect')"""
    assert set(cluster.sql(cluster.primary, query).split(",")) == LOGIN_ROLES


@pytest.mark.parametrize("user", ["kojo_app", "kojo_read", "kojo_audit"])
@pytest.mark.parametrize(
    "statement",
    ["create table public.t (a int)", "create schema s", "create role r", "alter database kojo owner to kojo_app"],
)
def test_only_the_owner_makes_things(cluster: Cluster, user: str, statement: str) -> None:
    answer = cluster.login(user, statement)
    assert "permission denied" in answer or "must be owner" in answer


def test_administrators_statements_are_in_the_journal_without_passwords(cluster: Cluster) -> None:
    primary, role = cluster.primary, f"kojo_test_{uuid.uuid4().hex[:12]}"
    cluster.sql(primary, f"create role {role} password 'kojo-test-hidden'")
    cluster.sql(primary, f"drop role {role}")
    journal = cluster.host(primary).check_output("journalctl --unit patroni --since -2min --output cat")
    assert [line for line in journal.splitlines() if "AUDIT: SESSION" in line and f"drop role {role}" in line]
    assert "kojo-test-hidden" not in journal


def test_no_secret_is_in_journals_process_lists_or_readable_files(cluster: Cluster) -> None:
    secrets = [
        value for name, value in cluster.plant.secrets.items() if name.startswith(("postgresql_", "patroni_", "etcd_"))
    ]
    pattern = "\n".join(secrets)
    for name in cluster.names:
        host = cluster.host(name)
        seen = host.check_output("ps -eo args; journalctl --boot --output cat --unit patroni --unit etcd")
        assert not [line for line in seen.splitlines() for secret in secrets if secret in line]
        config = host.file("/etc/patroni/config.yml")
        assert (config.user, config.group, config.mode) == ("postgres", "postgres", 0o600)
        command = (
            f"find /etc /run /usr/local -xdev -type f -perm -o=r -print0 | xargs -0 grep -lF {shlex.quote(pattern)}"
        )
        assert host.run(command).stdout == ""


@pytest.mark.parametrize("call", ["PATCH /config", "PUT /config", "POST /restart", "POST /switchover"])
def test_patroni_is_changed_only_with_a_certificate_and_a_password(cluster: Cluster, call: str) -> None:
    method, path = call.split()
    assert "HTTP Error 403" in cluster.rest(cluster.primary, path, method)
    assert "HTTP Error 401" in cluster.rest(cluster.primary, path, method, certificate=True)


def test_nothing_waits_for_a_restart(cluster: Cluster) -> None:
    for name in cluster.names:
        assert cluster.sql(name, "select count(*) from pg_settings where pending_restart") == "0"


def test_root_may_use_patronictl(cluster: Cluster) -> None:
    members = json.loads(
        cluster.host(cluster.primary).check_output("patronictl -c /etc/patroni/config.yml list -f json")
    )
    assert len(members) == len(cluster.names)
