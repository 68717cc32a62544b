"""The figures' own logic; their values are what the commands measure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.ansible_yaml import ROOT
from tools.figures import clean_run, cold_plant, common, lab_memory, rerun, test_time

RECAP = """
PLAY RECAP *********************************************************************
db1                        : ok=41   changed=2    unreachable=0    failed=0    skipped=9    rescued=0    ignored=0
mon1                       : ok=60   changed=0    unreachable=0    failed=0    skipped=3    rescued=0    ignored=0
"""


def test_a_changed_host_is_seen_in_the_recap() -> None:
    assert rerun.changes(RECAP) == {"db1": 2, "mon1": 0}
    assert rerun.changes("ERROR! the playbook could not be found") == {}


SITE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Do it
      ansible.builtin.debug:
        msg: done
      changed_when: {changed}
"""


@pytest.mark.parametrize(("changed", "message"), [("false", None), ("true", "'here': 1"), ("1 / 0", "exit code 2")])
def test_only_a_run_that_changed_nothing_is_timed(
    changed: str, message: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.yml").write_text(SITE.format(changed=changed), encoding="utf-8")
    (tmp_path / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n", encoding="utf-8")
    monkeypatch.setattr(rerun, "ROOT", tmp_path)
    if message is None:
        assert 0 < rerun.run(tmp_path / "hosts.yml") < 60
    else:
        with pytest.raises(common.Unmeasurable, match=message):
            rerun.run(tmp_path / "hosts.yml")


def test_the_list_needs_no_environment_and_names_bar_and_aim() -> None:
    listed = subprocess.run(
        ["/usr/bin/python3", "-m", "tools.figures"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    of_the_lab = {"rerun", "lab-memory", "cold-plant", "test-time", "conduits", "pg-process-kill"}
    of_the_service = {"ingest", "api-mix", "db-p95", "audit-cost", "recall", "oee-rollup", "audit-verify"}
    of_the_edges = {"switch-failures", "switch-p99", "switch-skew", "switch-back", "auto-return", "deploy-faults"}
    assert {line.split()[0] for line in listed} == of_the_lab | of_the_service | of_the_edges | {"audit-overhead"}
    assert [line for line in listed if "bar " not in line] == []
    assert any(line.endswith("(bar 180 s, aim 90 s)") for line in listed)


def test_a_lab_that_is_up_is_not_measured_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_plant, "lab_traces", lambda: ["kojo-plant_a-db1"])
    with pytest.raises(common.Unmeasurable, match="kojo-plant_a-db1 is there already"):
        cold_plant.main()


def test_a_lab_that_is_up_is_not_destroyed_to_time_the_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".state/lab").mkdir(parents=True)
    (tmp_path / ".state/lab/ready").touch()
    monkeypatch.setenv("KOJO_PLANT", str(tmp_path))
    with pytest.raises(common.Unmeasurable, match="a lab is up"):
        test_time.main()


def benchmark(root: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> common.Measured:
    """What comes of a benchmark of the service that is this program."""
    for folder in (".venv-service/bin", "service/benchmarks"):
        (root / folder).mkdir(parents=True)
    (root / ".venv-service/bin/python").symlink_to(sys.executable)
    (root / "service/benchmarks/some.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(common, "ROOT", root)
    return common.service_benchmark("some")


def test_a_benchmark_of_the_service_answers_value_and_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = benchmark(tmp_path, monkeypatch, """print("built"); print('{"samples": 3, "value": 1.5}')""")
    assert measured == (1.5, 3)


def test_a_benchmark_that_fails_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(common.Unmeasurable, match="some: the benchmark failed, exit code 3"):
        benchmark(tmp_path, monkeypatch, """print('{"samples": 3, "value": 1.5}'); raise SystemExit(3)""")


def test_make_runs_as_a_stranger_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Makefile").write_text('all:\n\t@echo "$(PLANT),$$KOJO_PLANT,$$PATH,$$MORE" > said\n', encoding="utf-8")
    monkeypatch.setenv("PLANT", "elsewhere")
    monkeypatch.setenv("KOJO_PLANT", "elsewhere")
    monkeypatch.setenv("PATH", f"{ROOT / '.venv/bin'}:/usr/bin:/bin")
    clean_run.make("all", tmp_path, MORE="1")
    assert (tmp_path / "said").read_text(encoding="utf-8").strip() == ",,/usr/bin:/bin,1"


def test_memory_is_counted_by_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel's /proc in small: two processes of one container, its monitor, another container's, one that ended."""
    mine, other = "a" * 64, "b" * 64
    for pid, place, kib in (
        (10, f"0::/libpod_parent/libpod-{mine}/init.scope", 4000),
        (11, f"9:name=systemd:/\n0::/machine.slice/libpod-{mine}.scope/system.slice/redis.service", 24),
        (12, f"0::/machine.slice/libpod-conmon-{mine}.scope", 512),
        (13, f"0::/libpod_parent/libpod-{other}/init.scope", 999),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cgroup").write_text(place + "\n", encoding="utf-8")
        rollup = f"0-1 ---p 0 0:0 0 [rollup]\nRss: 9999 kB\nPss:    {kib} kB\nPss_Dirty: 1 kB\n"
        (tmp_path / str(pid) / "smaps_rollup").write_text(rollup, encoding="utf-8")
    (tmp_path / "14").mkdir()
    monkeypatch.setattr(lab_memory, "PROC", tmp_path)
    assert lab_memory.kib_of_hosts({mine: "db1"}) == {"db1": 4024}


def test_a_process_that_shares_nothing_has_the_memory_that_it_took() -> None:
    """The kernel's own count, for a process whose memory we know: 64 MiB, written."""
    child = "import sys; block = bytearray(b'1') * (64 * 2**20); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        kib = lab_memory.kib_of(Path("/proc") / str(process.pid))
        process.communicate()
    assert 64 * 1024 < kib < 96 * 1024
