"""Who may do what in etcd after a run, and that a second run is quiet."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.etcd import Etcd, EtcdError
from ansible_collections.kojo.plant.plugins.module_utils.https_json import Unreachable
from ansible_collections.kojo.plant.plugins.modules.etcd_auth import User, authorise
from ansible_collections.kojo.plant.tests.unit.plugins.etcd_wire import EtcdWire

PATRONI = User("patroni", "secret", "/kojo/")
# base64 of "/kojo/" and of "/kojo0", the first key after all that begin with it
KOJO_KEYS = {"permType": "READWRITE", "key": "L2tvam8v", "range_end": "L2tvam8w"}


def run(wire: EtcdWire, users: list[User], root: str = "root's", check_mode: bool = False) -> dict[str, Any]:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return authorise(Etcd(wire, lambda: now[0], sleep), root, users, 60, check_mode)


@pytest.fixture
def wire() -> EtcdWire:
    return EtcdWire()


def test_a_new_cluster_gets_users_before_authentication_is_on(wire: EtcdWire) -> None:
    assert run(wire, [PATRONI])["changed"]
    assert wire.enabled
    assert wire.writes[-1] == "enable"
    assert wire.passwords == {"root": "root's", "patroni": "secret"}
    assert wire.granted == {"root": ["root"], "patroni": ["patroni"]}
    assert wire.roles == {"root": [], "patroni": [KOJO_KEYS]}


def test_a_second_run_changes_nothing(wire: EtcdWire) -> None:
    run(wire, [PATRONI])
    wire.writes.clear()
    outcome = run(wire, [PATRONI])
    assert not outcome["changed"]
    assert outcome["actions"] == []
    assert wire.writes == []


def test_a_run_that_was_cut_is_completed(wire: EtcdWire) -> None:
    wire.passwords, wire.granted = {"root": "root's"}, {"root": []}
    run(wire, [PATRONI])
    assert wire.enabled
    assert wire.granted["root"] == ["root"]


def test_a_changed_password_is_set(wire: EtcdWire) -> None:
    run(wire, [PATRONI])
    outcome = run(wire, [User("patroni", "new", "/kojo/")])
    assert outcome["actions"] == ["set password of patroni"]
    assert wire.passwords["patroni"] == "new"


def test_a_changed_prefix_replaces_the_old_one(wire: EtcdWire) -> None:
    run(wire, [PATRONI])
    run(wire, [User("patroni", "secret", "/b/")])
    assert wire.roles["patroni"] == [{"permType": "READWRITE", "key": "L2Iv", "range_end": "L2Iw"}]


def test_another_root_password_is_one_clear_error(wire: EtcdWire) -> None:
    run(wire, [PATRONI])
    with pytest.raises(EtcdError, match=r"password of user root.*secrets"):
        run(wire, [PATRONI], root="another")


def test_check_mode_writes_nothing(wire: EtcdWire) -> None:
    outcome = run(wire, [PATRONI], check_mode=True)
    assert outcome["changed"]
    assert "turn authentication on" in outcome["diff"]["after"]
    assert wire.writes == []


def test_check_mode_on_a_bare_host_would_make_it_all() -> None:
    outcome = run(EtcdWire(running=False), [PATRONI], check_mode=True)
    assert outcome["actions"] == ["add user root", "add user patroni", "turn authentication on"]


def test_no_secret_is_in_what_is_returned(wire: EtcdWire) -> None:
    assert "secret" not in str(run(wire, [PATRONI]))


def test_a_cluster_that_elects_is_waited_for() -> None:
    assert run(EtcdWire(polls_until_healthy=30), [PATRONI])["changed"]


def test_the_wait_ends() -> None:
    with pytest.raises(Unreachable, match="waited 60 s"):
        run(EtcdWire(polls_until_healthy=100), [PATRONI])
