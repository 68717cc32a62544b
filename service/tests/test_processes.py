"""The installed command as systemd runs it: TLS, SIGTERM, exit codes, and a simulator that loses nothing."""

from __future__ import annotations

import contextlib
import json
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from authority import Files, issue
from conftest import DEVICE_KEY, PLANT_FILE, stored
from processes import LEAVE_SECONDS, listens, plain_api, process
from servers import free_port, wait_until


@pytest.fixture(scope="session")
def plant_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return issue(tmp_path_factory.mktemp("pki"), "plant")


@pytest.fixture(scope="session")
def foreign_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return issue(tmp_path_factory.mktemp("foreign"), "foreign")


def trusting(files: Files, own: Files | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.ca)
    if own:
        context.load_cert_chain(own.certificate, own.key)
    return context


@contextlib.contextmanager
def listener(
    variables: dict[str, str], files: Files, name: str, port: int | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process with TLS, and whatever it takes for it to be production's but a strong password."""
    port = port or free_port()
    url = f"https://127.0.0.1:{port}"
    tls = {
        "KOJO_MES_TLS_CERTIFICATE": str(files.certificate),
        "KOJO_MES_TLS_KEY": str(files.key),
        "KOJO_MES_TLS_CA": str(files.ca),
        "KOJO_MES_LISTEN_PORT": str(port),
    }
    with process(variables | tls, name) as started:
        wait_until(lambda: listens(url, trusting(files, files)), f"kojo-mes {name}")
        yield url, started


@pytest.fixture
def without_database(variables: dict[str, str]) -> dict[str, str]:
    """PostgreSQL and Redis of the tests have no TLS, and these tests don't need them."""
    return variables | {"KOJO_MES_DATABASE_HOSTS": "127.0.0.1:1", "KOJO_MES_REDIS_SENTINELS": "127.0.0.1:1"}


@pytest.mark.parametrize("name", ["api", "gateway"])
def test_a_listener_takes_only_the_plants_certificates_and_tls_1_3(
    without_database: dict[str, str], plant_files: Files, foreign_files: Files, name: str
) -> None:
    with listener(without_database, plant_files, name) as (url, _):
        assert httpx.get(f"{url}/health", verify=trusting(plant_files, plant_files)).status_code == 200
        old = trusting(plant_files, plant_files)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        for refused in (trusting(plant_files, None), trusting(plant_files, foreign_files), old):
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{url}/health", verify=refused)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url.replace('https', 'http')}/health")


def test_sigterm_answers_running_requests_and_exits_0(variables: dict[str, str], admin: psycopg.Connection) -> None:
    answers: list[int] = []
    headers = {"Authorization": f"Bearer {DEVICE_KEY}"}
    with plain_api(variables, free_port()) as (url, api):
        asking = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{url}/api/v1/lines", headers=headers, timeout=60).status_code)
        )
        # the service's own work in the background may wait too
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'kojo_app'"
            " AND datname = current_database() AND query LIKE 'SELECT mes.line.%mes.equipment%'"
        )

        def waiting() -> bool:
            admin.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees who was there at its first look
            return admin.execute(waits).fetchone() == (1,)

        with admin.transaction():
            admin.execute("LOCK TABLE mes.line")
            asking.start()
            wait_until(waiting, "a request that waits")
            api.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert answers == []
        output, _ = api.communicate(timeout=LEAVE_SECONDS)
        asking.join()
    assert (answers, api.returncode) == ([200], 0)
    assert all(json.loads(line) for line in output.splitlines())


def test_wrong_settings_end_it_at_once(variables: dict[str, str]) -> None:
    for name in ("api", "line-monitor"):
        with process(variables | {"KOJO_MES_ENVIRONMENT": "production"}, name) as started:
            output, _ = started.communicate(timeout=LEAVE_SECONDS)
        assert started.returncode == 2
        assert "KOJO_MES_TLS_CERTIFICATE: is missing" in output
        assert "Traceback" not in output


def sent(admin: psycopg.Connection) -> set[str]:
    return {key for (key,) in admin.execute("SELECT key FROM mes.idempotency_key")}


def test_the_simulator_loses_nothing_while_the_api_is_away(
    variables: dict[str, str], admin: psycopg.Connection, tmp_path: Path
) -> None:
    port, spool = free_port(), tmp_path / "spool"
    measured: set[str] = set()

    def waiting() -> set[str]:
        keys = {path.stem for path in spool.glob("*.json")}
        measured.update(keys)
        return keys

    def enough(batches: int) -> bool:
        waiting()
        return len(sent(admin)) >= batches

    (tmp_path / "key").write_text(f"{DEVICE_KEY}\n")
    options = ["--url", f"http://127.0.0.1:{port}", "--key-file", str(tmp_path / "key"), "--seed", "7"]
    options += ["--plant-file", str(PLANT_FILE), "--spool", str(spool), "--interval", "0.25"]
    with process(variables, "simulate", *options) as simulator:
        wait_until(lambda: len(waiting()) >= 3, "batches that wait")
        with plain_api(variables, port):
            wait_until(lambda: enough(4), "batches that were sent")
        before = sent(admin)
        wait_until(lambda: waiting() - before, "a batch that was measured while the API was away")
        with plain_api(variables, port):
            wait_until(lambda: enough(len(before) + 4), "batches that were sent after")
            simulator.terminate()
            output, _ = simulator.communicate(timeout=LEAVE_SECONDS)
    assert simulator.returncode == 0, output
    assert json.loads(output.splitlines()[0])["seed"] == 7
    assert measured <= sent(admin) | waiting()
    assert stored(admin) == 18 * len(sent(admin))  # 3 pieces of equipment, 6 sensors each


def test_the_simulator_ends_when_it_is_refused(variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not-the-key")
    port = free_port()
    options = ["--url", f"http://127.0.0.1:{port}", "--key-file", str(tmp_path / "key")]
    options += ["--plant-file", str(PLANT_FILE), "--spool", str(tmp_path / "spool")]
    with plain_api(variables, port), process(variables, "simulate", *options) as simulator:
        output, _ = simulator.communicate(timeout=LEAVE_SECONDS)
    assert simulator.returncode == 1
    assert "401" in output
