"""Every command of `kojo-mes` says in its help what its exit codes mean, and each of them is seen somewhere."""

from __future__ import annotations

import argparse
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import servers
from authority import seal_key
from conftest import PLANT_FILE
from fastapi import FastAPI
from processes import LEAVE_SECONDS, process

from kojo_mes.cli import command_line, main
from kojo_mes.kit.server import serve
from kojo_mes.kit.settings import ListenSettings

Command = tuple[str, ...]
HERE = "test_command_line.py"
ARGUMENTS, TAKEN = f"{HERE}::test_wrong_arguments_exit_2", f"{HERE}::test_a_port_that_is_taken_is_a_failure"
ENDS, SETTINGS = (
    "test_processes.py::test_sigterm_answers_running_requests_and_exits_0",
    "test_processes.py::test_wrong_settings_end_it_at_once",
)
ARCHIVED, ALTERED = (
    "test_retention.py::test_a_month_is_archived_verified_restored_and_only_then_let_go",
    "test_retention.py::test_an_altered_archive_is_found_and_not_restored",
)
LISTENER = {0: ENDS, 1: TAKEN, 2: SETTINGS}
USER = {  # one list of codes: each is seen of one of the verbs
    0: "test_user_command.py::test_the_first_administrator",
    1: "test_user_command.py::test_no_database_is_a_failure",
    2: "test_user_command.py::test_wrong_arguments",
    4: "test_user_command.py::test_what_is_wrong_is_said",
    5: "test_user_command.py::test_what_is_wrong_is_said",
}
# by command: who sees which code of it
SEEN: dict[str, dict[int, str]] = {
    "api": LISTENER,
    "line-monitor": LISTENER,
    "quality": LISTENER,
    "gateway": LISTENER,
    "migrate": {
        0: "test_migrations.py::test_exit_codes_tell_what_there_is_to_do",
        1: "test_migrations.py::test_unknown_revision_fails",
        2: ARGUMENTS,
        3: "test_migrations.py::test_exit_codes_tell_what_there_is_to_do",
    },
    "schema": {
        0: "test_schema.py::test_what_is_live_and_what_is_pending",
        1: "test_schema.py::test_no_database_is_a_failure",
        2: ARGUMENTS,
    },
    "check": {
        0: "test_settings.py::test_check_passes_when_all_is_right",
        2: "test_settings.py::test_check_names_settings_and_connections_in_one_run",
    },
    "audit verify": {
        0: "test_records_page.py::test_its_commands_work_in_their_order",
        1: "test_audit_records.py::test_no_database_is_no_proof",
        2: "test_audit_records.py::test_it_says_what_it_needs",
    },
    "audit export": {
        0: "test_records_page.py::test_its_commands_work_in_their_order",
        1: f"{HERE}::test_an_export_fails_without_its_database",
        2: f"{HERE}::test_an_export_wants_an_empty_folder",
    },
    "archive make": {
        0: ARCHIVED,
        1: "test_retention.py::test_a_month_that_may_still_take_rows_is_not_archived",
        2: ARGUMENTS,
    },
    "archive verify": {0: ARCHIVED, 1: ALTERED, 2: ARGUMENTS},
    "archive restore": {0: ARCHIVED, 1: ALTERED, 2: ARGUMENTS},
    "archive detach": {0: ARCHIVED, 1: ARCHIVED, 2: ARGUMENTS},
    "archive due": {
        0: "test_archives.py::test_every_closed_month_gets_its_archive_once",
        1: "test_archives.py::test_what_came_back_from_the_disk_otherwise_is_not_noted",
        2: "test_archives.py::test_without_its_settings_it_says_which",
    },
    **{f"user {verb}": USER for verb in ("add", "grant", "revoke", "reset", "deactivate", "list")},
    "simulate": {
        0: "test_processes.py::test_the_simulator_loses_nothing_while_the_api_is_away",
        1: "test_processes.py::test_the_simulator_ends_when_it_is_refused",
        2: f"{HERE}::test_a_simulator_without_its_key_says_so",
    },
}


def commands(parser: argparse.ArgumentParser, path: Command = ()) -> Iterator[Command]:
    """Those that do something: `audit` alone does nothing."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield path
    for action in inner:
        for name, command in action.choices.items():
            yield from commands(command, (*path, name))


COMMANDS = sorted(commands(command_line()))


def told(path: Command, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main([*path, "--help"])
    assert caught.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_every_command_is_known_here() -> None:
    assert {" ".join(path) for path in COMMANDS} == set(SEEN)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_says_what_it_does_and_names_the_codes_that_are_seen(
    path: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    text = told(path, capsys)
    does = re.match(rf"usage: kojo-mes {' '.join(path)} .*? ([A-Z][a-z]+ [^.]{{10,}}\.)", text)
    assert does, text
    assert set(codes(text)) == set(SEEN[" ".join(path)])


def codes(text: str) -> list[int]:
    (_, found) = text.rsplit("exit codes: ", 1)
    return [int(code) for code in re.findall(r"(?:^|, |; )(\d) ", found)]


@pytest.mark.parametrize("path", [(), ("audit",), ("user",), ("archive",)], ids=lambda path: " ".join(path) or "alone")
def test_a_command_of_commands_lists_them(path: Command, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(path, capsys)
    inner = {command[len(path)] for command in COMMANDS if command[: len(path)] == path}
    assert [name for name in inner if f" {name} " not in text] == []
    assert codes(text)
    with pytest.raises(SystemExit) as caught:
        main([*path])
    assert caught.value.code == 2


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_wrong_arguments_exit_2(path: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*path, "--no-such-option"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_whoever_sees_a_code_is_there() -> None:
    named = {name for seen in SEEN.values() for name in seen.values()}
    texts = {file: Path(__file__).with_name(file).read_text() for file in {name.split("::")[0] for name in named}}
    missing = [name for name in named if f"def {name.split('::')[1]}(" not in texts[name.split("::")[0]]]
    assert missing == []


@pytest.mark.parametrize("name", ["api", "gateway"])
def test_a_port_that_is_taken_is_a_failure(variables: dict[str, str], name: str) -> None:
    with socket.create_server(("127.0.0.1", servers.free_port())) as taken:
        port = {"KOJO_MES_LISTEN_PORT": str(taken.getsockname()[1])}
        with process(variables | port, name) as started:
            output, _ = started.communicate(timeout=LEAVE_SECONDS)
    assert started.returncode == 1, output
    assert "address already in use" in output


def test_an_application_that_cannot_start_is_a_failure() -> None:
    @asynccontextmanager
    async def fails(_app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no")
        yield

    settings = ListenSettings(environment="development", listen_port=servers.free_port())
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert serve(FastAPI(lifespan=fails), settings, 0) is False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def auditor(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    own = {
        "KOJO_MES_AUDIT_PASSWORD": servers.PASSWORD,
        "KOJO_MES_SEAL_KEY_FILE": str(seal_key(tmp_path)),
    }
    for name, value in (variables | own).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_an_export_wants_an_empty_folder(auditor: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "export", str(auditor)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_an_export_fails_without_its_database(
    auditor: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOJO_MES_DATABASE_HOSTS", "127.0.0.1:1")
    monkeypatch.setenv("KOJO_MES_DATABASE_DEADLINE", "0.3")
    assert main(["audit", "export", str(auditor / "trail")]) == 1
    assert "kojo-mes audit export: " in capsys.readouterr().err


def test_a_simulator_without_its_key_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--url", "http://127.0.0.1:1", "--key-file", str(tmp_path / "nowhere"), "--plant-file", str(PLANT_FILE)]
    assert main(["simulate", *options]) == 2
    assert "nowhere" in capsys.readouterr().err
