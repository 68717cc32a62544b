"""What the module reads from the files of a host, and how far a clock is off."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.action.host_state import skew
from ansible_collections.kojo.plant.plugins.modules import host_state


def test_os_release_is_read_with_and_without_quotes() -> None:
    text = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n# a comment\nVERSION_ID="13"\n'
    release = host_state.os_release(text)
    assert (release["ID"], release["VERSION_ID"]) == ("debian", "13")


def test_memory_is_the_total() -> None:
    assert host_state.memory_mb("MemFree: 1 kB\nMemTotal:        4096000 kB\n") == 4000


def test_space_is_measured_where_a_folder_would_be_made(tmp_path: Path) -> None:
    assert host_state.free_mb(tmp_path / "not" / "there") == pytest.approx(host_state.free_mb(tmp_path), abs=64)


def test_packages_are_those_that_are_installed() -> None:
    text = (
        "Package: chrony\nStatus: install ok installed\nVersion: 4.6.1-3\nDescription: clocks\n Status: not a field\n\n"
        "Package: ntp\nStatus: deinstall ok config-files\nVersion: 1\n\n"
        "Package: etcd-server\nStatus: hold ok installed\nVersion: 3.5.16-4\n"
    )
    assert host_state.installed(text) == {"chrony": [{"version": "4.6.1-3"}], "etcd-server": [{"version": "3.5.16-4"}]}


def test_packages_are_those_that_dpkg_names() -> None:
    said = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n"],
        check=True,
        capture_output=True,
        text=True,
    )
    names = {line.split()[1] for line in said.stdout.splitlines() if line.startswith("installed ")}
    assert set(host_state.installed(host_state.DPKG_STATUS.read_text())) == names


@pytest.mark.parametrize(("clock", "off"), [(99.0, 1.0), (100.0, 0.0), (103.0, 0.0), (105.0, 0.0), (165.5, 60.5)])
def test_a_clock_is_off_by_what_the_call_cannot_explain(clock: float, off: float) -> None:
    assert skew(clock, before=100.0, after=105.0) == off
