"""On a host that is played: a kernel that lists tables in its own words, and systemd's timers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.nftables import NftablesError, Rollback, Table
from ansible_collections.kojo.plant.plugins.modules.nftables_ruleset import confirmed, present

FORMER = "table inet kojo {\n  # by hand\n  chain input { tcp dport 22 accept }\n}\n"
WANTED = "table inet kojo {\n  chain input { tcp dport { 22 } accept; }\n}\n"
NO_SUCH_TABLE = (1, "", "Error: No such file or directory; did you mean table 'other'?")


def kernel_words(script: str) -> str | None:
    """What is left of the table's last definition: no comments, line ends or needless braces."""
    body = script.rpartition("delete table inet kojo\n")[2]
    bare = " ".join(re.sub(r"#.*|;", "", body).split())
    return bare.replace("{ 22 }", "22") or None


class Host:
    """Answers the commands that the module gives."""

    def __init__(self) -> None:
        self.live: str | None = None
        self.timer: Path | None = None
        self.timers_work = True

    def __call__(self, command: list[str], data: str = "") -> tuple[int, str, str]:
        match command:
            case ["nft", "-s", "list", "table", "inet", "kojo"]:
                return (0, self.live, "") if self.live else NO_SUCH_TABLE
            case ["nft", "-f", "-"]:
                self.live = kernel_words(data)
            case ["unshare", "--net", *_]:
                return self.scratch(data)
            case ["systemctl", "is-active", *_]:
                return (0 if self.timer else 3), "", ""
            case ["systemctl", "stop", *_]:
                self.timer = None
            case ["systemd-run", *_, "nft", "-f", script] if self.timers_work:
                self.timer = Path(script)
            case _:
                return 1, "", f"refused: {command}"
        return 0, "", ""

    def scratch(self, script: str) -> tuple[int, str, str]:
        if "nonsense" in script:
            return 1, "", "/dev/stdin:4:3-10: Error: syntax error, unexpected string"
        tables = {"table ip neighbour"} if "flush ruleset" not in script else set()
        tables |= set(re.findall(r"^(table \w+ \w+) ?{", script, re.MULTILINE))
        return 0, "\n".join(sorted(tables)) + f"\n\n{kernel_words(script)}", ""

    def time_is_up(self) -> None:
        assert self.timer is not None
        self.live, self.timer = kernel_words(self.timer.read_text()), None


@pytest.fixture
def host() -> Host:
    return Host()


class Module:
    """The module on HOST, with its file below a folder of the test's own."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.table = Table(host, "nft", "inet", "kojo")
        self.rollback = Rollback(host, "nft", "rollback", folder / "run" / "rollback.nft")
        self.path = folder / "etc" / "kojo" / "nftables.nft"

    def present(self, content: str = WANTED, check_mode: bool = False) -> dict[str, Any]:
        params = {"content": content, "path": str(self.path), "rollback_after": 60}
        return present(self.table, self.rollback, params, check_mode)

    def confirmed(self, content: str = WANTED, check_mode: bool = False) -> dict[str, Any]:
        return confirmed(self.table, self.rollback, {"content": content, "path": str(self.path)}, check_mode)


@pytest.fixture
def module(host: Host, tmp_path: Path) -> Module:
    return Module(host, tmp_path)


@pytest.fixture
def former(module: Module) -> str:
    """The host has the former rules, confirmed."""
    module.present(FORMER)
    module.confirmed(FORMER)
    return str(kernel_words(FORMER))


def test_check_on_absent_says_changed_and_makes_nothing(module: Module, host: Host) -> None:
    result = module.present(check_mode=True)
    assert result["changed"]
    assert not result["pending"]
    assert (result["diff"]["before"], result["diff"]["after"]) == ("", kernel_words(WANTED))
    assert (host.live, host.timer) == (None, None)
    assert not module.path.parent.exists()


@pytest.mark.usefixtures("former")
@pytest.mark.parametrize("check_mode", [True, False])
def test_equal_says_ok(module: Module, check_mode: bool) -> None:
    result = module.present(FORMER, check_mode)
    assert not result["changed"]
    assert not result["pending"]
    assert result["diff"]["before"] == result["diff"]["after"]


def test_check_on_different_says_changed_and_changes_nothing(module: Module, host: Host, former: str) -> None:
    result = module.present("table inet kojo { }\n", check_mode=True)
    assert result["changed"]
    assert result["diff"]["before"] == former
    assert (host.live, host.timer) == (former, None)


def test_applied_rules_wait_for_confirmation_and_the_file_keeps_the_former(
    module: Module, host: Host, former: str
) -> None:
    before = module.path.read_text()
    assert module.present("table inet kojo { }\n")["pending"]
    assert host.live == "table inet kojo { }" != former
    assert host.timer is not None
    assert module.path.read_text() == before


def test_confirmed_rules_stay(module: Module, host: Host) -> None:
    module.present()
    assert module.confirmed(check_mode=True)["changed"]
    assert host.timer is not None
    assert module.confirmed()["changed"]
    assert host.timer is None
    assert module.path.read_text().endswith(WANTED)
    assert module.path.stat().st_mode & 0o777 == 0o600
    assert not module.confirmed()["changed"]
    assert not module.present()["changed"]


def test_unconfirmed_rules_are_taken_back_and_cannot_be_confirmed_late(module: Module, host: Host, former: str) -> None:
    module.present("table inet kojo { }\n")
    host.time_is_up()
    assert host.live == former
    with pytest.raises(NftablesError, match="No confirmation came in time"):
        module.confirmed("table inet kojo { }\n")


def test_unconfirmed_rules_of_a_bare_host_leave_no_table(module: Module, host: Host) -> None:
    module.present()
    host.time_is_up()
    assert host.live is None


def test_a_second_try_still_goes_back_to_the_confirmed_rules(module: Module, host: Host, former: str) -> None:
    module.present("table inet kojo { }\n")
    assert module.present("table inet kojo { chain input { } }\n")["pending"]
    host.time_is_up()
    assert host.live == former


def test_a_run_that_was_cut_before_its_confirmation_is_completed(module: Module, host: Host) -> None:
    module.present()
    result = module.present()
    assert result["changed"]
    assert result["pending"]
    assert host.timer is not None


def test_a_table_changed_by_hand_is_seen_and_put_right(module: Module, host: Host, former: str) -> None:
    host.live = "table inet kojo { chain input { tcp dport 23 accept } }"
    result = module.present(FORMER)
    assert result["changed"]
    assert "23" in result["diff"]["before"]
    assert host.live == former


def test_a_lost_file_is_written_again_without_touching_the_live_table(module: Module, host: Host, former: str) -> None:
    module.path.unlink()
    result = module.present(FORMER)
    assert result["changed"]
    assert not result["pending"]
    assert result["diff"]["before_header"] == str(module.path)
    assert (host.live, host.timer) == (former, None)
    assert module.path.read_text().endswith(FORMER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("table inet kojo { nonsense }\n", "syntax error"),
        ("table inet kojo { }\ntable inet other { }\n", "nothing else"),
        ("flush ruleset\ntable inet kojo { }\n", "nothing else"),
    ],
)
def test_rules_that_are_wrong_or_reach_too_far_are_refused(
    module: Module, host: Host, former: str, content: str, message: str
) -> None:
    with pytest.raises(NftablesError, match=message):
        module.present(content)
    assert (host.live, host.timer) == (former, None)


def test_without_a_timer_nothing_is_applied(module: Module, host: Host, former: str) -> None:
    host.timers_work = False
    with pytest.raises(NftablesError, match="nothing was changed"):
        module.present("table inet kojo { }\n")
    assert host.live == former
