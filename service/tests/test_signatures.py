"""Electronic signatures: who may give one, with what; and what becomes of one that was tampered with."""

from __future__ import annotations

import asyncio
import ctypes
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import servers
from conftest import environment
from desk import GATE_KEY, Desk, desk, desk_of, signature
from people import PASSWORD, Somebody, somebody
from psycopg import sql

from kojo_mes.identity import passwords
from kojo_mes.identity.authority import Directory
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.settings import ApiSettings, SettingsError, load
from kojo_mes.signatures import moment
from kojo_mes.signatures.accuracy import ClockUnreadable, KernelClock, disagreement, kernel_clock
from kojo_mes.signatures.manifestation import manifestation

__all__ = ["desk"]
TIME_ERROR = 5  # <sys/timex.h>: the clock is not synchronised


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:kojo:problem:")


async def sign(desk: Desk, who: Somebody, role: str, change: dict[str, Any] | None = None, **how: Any) -> Any:
    """An approval of a fresh change, or of this one."""
    change = change or await desk.submitted()
    body = {"signature": signature(who, role, **how)}
    return await desk.send(who, f"/{change['id']}/approve", body, change["version"])


async def of_record(desk: Desk, change: dict[str, Any]) -> list[dict[str, Any]]:
    return list((await desk.get("/signatures", record_id=change["id"])).json()["items"])


async def test_a_signature_says_who_what_when_and_on_what(desk: Desk) -> None:
    before = datetime.now(UTC)
    change = await desk.submitted()
    assert (await sign(desk, desk.quality, "quality_manager", change)).status_code == 200
    (found,) = await of_record(desk, change)
    assert before <= datetime.fromisoformat(found["signed_at"]) <= datetime.now(UTC)
    wanted = {
        "record_type": "change-request",
        "record_id": change["id"],
        "record_version": 1,
        "record_digest": change["record_digest"],
        "meaning": "approval",
        "signer_id": desk.quality.id,
        "user_name": desk.quality.user_name,
        "printed_name": desk.quality.name,
        "role": "quality_manager",
        "time_zone": "UTC",
        "authentication": "user-name-and-password",
        "clock_status": "unchecked",
        "clock_error": None,
        "validity": "valid",
    }
    assert {name: found[name] for name in wanted} == wanted
    assert found["manifestation"].startswith(f"{desk.quality.name} (quality_manager) · approval · ")
    assert (await desk.get(f"/signatures/{found['id']}")).json() == found


async def test_the_printed_name_stays_as_it_was(desk: Desk) -> None:
    change = await desk.submitted()
    await sign(desk, desk.quality, "quality_manager", change)
    desk.admin.execute("UPDATE mes.person SET name = 'Married Name', version = 2 WHERE id = %s", (desk.quality.id,))
    (found,) = await of_record(desk, change)
    assert (found["printed_name"], found["validity"]) == (desk.quality.name, "valid")


async def test_the_first_of_a_session_takes_the_user_name_the_next_the_password(desk: Desk) -> None:
    first = await sign(desk, desk.quality, "quality_manager", user_name=False)
    assert problem(first) == (401, "user-name-needed")
    assert "insufficient_user_authentication" in first.headers["WWW-Authenticate"]
    assert (await sign(desk, desk.quality, "quality_manager")).status_code == 200
    change = await desk.submitted()
    assert (await sign(desk, desk.quality, "quality_manager", change, user_name=False)).status_code == 200
    assert (await of_record(desk, change))[0]["authentication"] == "password"


async def test_after_a_pause_both_are_needed_again(variables: dict[str, str], admin: psycopg.Connection) -> None:
    async with desk_of(variables, admin, KOJO_MES_SIGNING_IDLE_TIMEOUT="0.5") as here:
        assert (await sign(here, here.quality, "quality_manager")).status_code == 200
        await asyncio.sleep(0.6)
        late = await sign(here, here.quality, "quality_manager", user_name=False)
        assert problem(late) == (401, "user-name-needed")
        assert (await sign(here, here.quality, "quality_manager")).status_code == 200


async def test_another_session_of_the_same_person_needs_both(desk: Desk) -> None:
    assert (await sign(desk, desk.quality, "quality_manager")).status_code == 200
    session = new_id()
    desk.admin.execute(
        "INSERT INTO mes.login_session (id, person_id, method, expires_at)"
        " VALUES (%s, %s, 'password', now() + interval '1 hour')",
        (session, desk.quality.id),
    )
    elsewhere = Somebody(desk.quality.id, desk.quality.user_name, desk.quality.name, session)
    assert problem(await sign(desk, elsewhere, "quality_manager", user_name=False)) == (401, "user-name-needed")


async def test_somebody_elses_credentials_do_not_sign(desk: Desk) -> None:
    change = await desk.submitted()
    body = {"signature": signature(desk.devops, "quality_manager")}
    answer = await desk.send(desk.quality, f"/{change['id']}/approve", body, change["version"])
    assert problem(answer) == (401, "not-your-signature")
    assert await of_record(desk, change) == []


async def test_a_wrong_password_signs_nothing_and_counts_towards_the_lockout(desk: Desk) -> None:
    change = await desk.submitted()
    answer = await sign(desk, desk.quality, "quality_manager", change, typed="wrong")
    assert problem(answer) == (403, "wrong-password")
    assert await of_record(desk, change) == []
    failures = desk.admin.execute(
        "SELECT failures FROM mes.lockout WHERE person_id = %s", (desk.quality.id,)
    ).fetchone()
    assert failures == (1,)


async def test_however_many_wrong_passwords_come_at_once_no_more_than_the_limit_are_judged(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    async def matches(stored: str | None, typed: str) -> bool:
        judged.append(stored)
        return False

    monkeypatch.setattr(passwords, "matches", matches)
    change = await desk.submitted()
    answers = await asyncio.gather(
        *(sign(desk, desk.quality, "quality_manager", change, typed=f"wrong {number}") for number in range(30))
    )
    kinds = Counter(problem(answer) for answer in answers)
    assert kinds == {(403, "wrong-password"): 5, (403, "account-locked"): 25}
    assert len([stored for stored in judged if stored is not None]) == 5
    assert len(desk.audited("identity:signature-refused", desk.quality.id)) == 5
    assert len(desk.audited("identity:locked", desk.quality.id)) == 1
    assert len(desk.audited("denied", desk.quality.id)) == 25
    monkeypatch.undo()
    assert problem(await sign(desk, desk.quality, "quality_manager", change)) == (403, "account-locked")


async def test_a_right_password_forgives_the_failures_before_though_the_work_is_refused(desk: Desk) -> None:
    await sign(desk, desk.quality, "quality_manager", typed="wrong")
    change = await desk.submitted()
    assert (await sign(desk, desk.quality, "quality_manager", change)).status_code == 200
    for _ in range(6):
        body = {"signature": signature(desk.quality, "quality_manager")}
        present = (await desk.get(f"/changes/{change['id']}")).json()["version"]
        answer = await desk.send(desk.quality, f"/{change['id']}/approve", body, present)
        assert answer.status_code == 409, answer.text
    failures = desk.admin.execute(
        "SELECT failures FROM mes.lockout WHERE person_id = %s", (desk.quality.id,)
    ).fetchone()
    assert failures == (0,)


async def test_a_password_that_is_reset_while_it_is_judged_does_not_sign(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = passwords.matches

    async def matches(stored: str | None, typed: str) -> bool:
        good = await right(stored, typed)
        desk.admin.execute(
            "INSERT INTO mes.password_reset (token_hash, person_id, created_by, created_at, expires_at)"
            " VALUES (%s, %s, 'administrator', now(), now() + interval '1 h') ON CONFLICT DO NOTHING",
            (b"\0" * 32, desk.quality.id),
        )
        return good

    change = await desk.submitted()
    monkeypatch.setattr(passwords, "matches", matches)
    answer = await sign(desk, desk.quality, "quality_manager", change)
    await refused(desk, answer, change, desk.quality, "no password of their own")


async def test_a_wrong_password_is_stored_nowhere(desk: Desk) -> None:
    await sign(desk, desk.quality, "quality_manager", typed="canary-of-a-password")
    await sign(desk, desk.quality, "quality_manager")
    for table in ("audit_event", "idempotency_key", "signature", "signing_session"):
        query = sql.SQL("SELECT string_agg(t::text, ' ') FROM {} AS t").format(sql.Identifier("mes", table))
        dump = desk.admin.execute(query).fetchone()
        assert dump is not None
        assert "canary" not in (dump[0] or "")
        assert PASSWORD not in (dump[0] or "")


async def test_who_was_not_proved_to_be_the_person_does_not_sign(desk: Desk) -> None:
    change = await desk.submitted()
    person = somebody(desk.admin, "quality_manager", proved=False)
    answer = await sign(desk, person, "quality_manager", change)
    await refused(desk, answer, change, person, "proved the person's identity")


async def test_who_has_no_password_of_their_own_does_not_sign(desk: Desk) -> None:
    change = await desk.submitted()
    person = somebody(desk.admin, "quality_manager", password=False)
    answer = await sign(desk, person, "quality_manager", change)
    await refused(desk, answer, change, person, "no password of their own")


async def test_a_password_that_is_too_old_does_not_sign(desk: Desk) -> None:
    """The session is younger: it was begun at an OpenID provider, say."""
    change = await desk.submitted()
    old = "UPDATE mes.password SET set_at = now() - CAST(%s AS interval) WHERE person_id = %s"
    desk.admin.execute(old, ("91 days", desk.quality.id))
    answer = await sign(desk, desk.quality, "quality_manager", change)
    await refused(desk, answer, change, desk.quality, "password is too old")
    desk.admin.execute(old, ("89 days", desk.quality.id))
    assert (await sign(desk, desk.quality, "quality_manager", change)).status_code == 200


@pytest.mark.parametrize(
    "valid", [None, (timedelta(days=-2), timedelta(seconds=-1)), (timedelta(hours=1), timedelta(hours=2))]
)
async def test_a_role_without_a_valid_qualification_does_not_sign(
    desk: Desk, valid: tuple[timedelta, timedelta] | None
) -> None:
    """None, expired, to come. That another role of the same person is qualified doesn't help."""
    change = await desk.submitted()
    person = somebody(desk.admin, "devops_lead")
    desk.admin.execute(
        "INSERT INTO mes.role_grant (id, person_id, role, granted_by) VALUES (%s, %s, 'quality_manager', 'test')",
        (new_id(), person.id),
    )
    if valid:
        desk.admin.execute(
            "INSERT INTO mes.qualification (id, person_id, role, evidence, valid_from, valid_until, recorded_by)"
            " VALUES (%s, %s, 'quality_manager', 'trained', now() + %s, now() + %s, 'test')",
            (new_id(), person.id, *valid),
        )
    answer = await sign(desk, person, "quality_manager", change)
    await refused(desk, answer, change, person, "no valid qualification for the role quality_manager")


async def test_who_has_not_acknowledged_is_refused_by_the_act_of_signing_too(desk: Desk) -> None:
    """The session was let in a moment before the policy became another."""
    desk.app.state.authority = Directory({}, desk.app.state.tokens, seconds=3600)
    change = await desk.submitted()
    body = {"signature": signature(desk.quality, "quality_manager")}
    assert (await desk.get(f"/changes/{change['id']}", desk.quality)).status_code == 200
    with desk.admin.transaction():
        desk.admin.execute("ALTER TABLE mes.acknowledgement DISABLE TRIGGER ALL")
        desk.admin.execute("UPDATE mes.acknowledgement SET policy = 'older' WHERE person_id = %s", (desk.quality.id,))
        desk.admin.execute("ALTER TABLE mes.acknowledgement ENABLE TRIGGER ALL")
    answer = await desk.send(desk.quality, f"/{change['id']}/approve", body, change["version"])
    await refused(desk, answer, change, desk.quality, "not acknowledged the policy")


async def test_a_password_that_was_reset_signs_only_after_a_new_proof(desk: Desk) -> None:
    """An administrator handed out a reset: whoever set the password with it is proved to be the person first."""
    change = await desk.submitted()
    desk.admin.execute(
        "INSERT INTO mes.password_reset (token_hash, person_id, created_by, created_at, expires_at, used_at)"
        " VALUES (%s, %s, 'administrator', now(), now() + interval '1 h', now())",
        (b"\0" * 32, desk.quality.id),
    )
    answer = await sign(desk, desk.quality, "quality_manager", change)
    await refused(desk, answer, change, desk.quality, "password was reset")
    desk.admin.execute(
        "INSERT INTO mes.identity_proof (id, person_id, method, evidence, proved_by)"
        " VALUES (%s, %s, 'known_in_person', 'seen', 'another')",
        (new_id(), desk.quality.id),
    )
    assert (await sign(desk, desk.quality, "quality_manager", change)).status_code == 200


async def refused(desk: Desk, answer: Any, change: dict[str, Any], person: Somebody, said: str) -> None:
    assert problem(answer) == (403, "may-not-sign"), answer.text
    assert said in answer.json()["detail"]
    assert [(entry[0], said in entry[1]) for entry in desk.audited("denied", change["id"])] == [(person.id, True)]
    assert await of_record(desk, change) == []


async def test_machines_do_not_sign(desk: Desk) -> None:
    change = await desk.submitted()
    answer = await desk.client.post(
        f"/api/v1/changes/{change['id']}/approve",
        json={"signature": signature(desk.quality, "quality_manager")},
        headers={"Authorization": f"Bearer {GATE_KEY}", "Idempotency-Key": new_id(), "If-Match": '"2"'},
    )
    assert answer.status_code == 403


async def test_without_a_clock_to_rely_on_nobody_signs(
    variables: dict[str, str], admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = {"KOJO_MES_CLOCK_CHECK": "kernel", "KOJO_MES_CLOCK_LIMIT": "0.5"}
    async with desk_of(variables, admin, **checked) as here:
        change = await here.submitted()
        for clock in (KernelClock(False, 0.001), KernelClock(True, 0.6), ClockUnreadable("not permitted")):
            monkeypatch.setattr(moment, "kernel_clock", lambda clock=clock: _give(clock))
            answer = await sign(here, here.quality, "quality_manager", change)
            assert problem(answer) == (503, "clock-unreliable")
            assert int(answer.headers["Retry-After"]) > 0
        assert len(here.audited("denied", change["id"])) == 3
        assert await of_record(here, change) == []
        monkeypatch.setattr(moment, "kernel_clock", lambda: KernelClock(True, 0.25))
        assert (await sign(here, here.quality, "quality_manager", change)).status_code == 200
        (found,) = await of_record(here, change)
        assert found["clock_status"] == "synchronised"
        assert 0.25 <= found["clock_error"] < 0.5


def _give(clock: KernelClock | Exception) -> KernelClock:
    if isinstance(clock, Exception):
        raise clock
    return clock


async def test_clocks_that_disagree_sign_nothing_even_unchecked(
    variables: dict[str, str], admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ahead(_session: object) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=5)

    async with desk_of(variables, admin) as here:
        change = await here.submitted()
        monkeypatch.setattr(moment, "now", ahead)
        answer = await sign(here, here.quality, "quality_manager", change)
        assert problem(answer) == (503, "clock-unreliable")
        assert "disagree" in answer.json()["title"]


def test_the_kernel_says_how_good_its_clock_is() -> None:
    """The C library's other door to the same question: struct ntptimeval is time, maxerror, esterror, ..."""
    said, other = kernel_clock(), (ctypes.c_long * 16)()
    state = ctypes.CDLL(None).ntp_gettimex(other)
    assert said.largest_error == pytest.approx(other[2] / 1e6, abs=0.01)
    assert said.synchronised == (state != TIME_ERROR)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TIME_ZONE", "Asia/Edo"), ("CLOCK_CHECK", "sundial"), ("CLOCK_LIMIT", "0"), ("SIGNING_IDLE_TIMEOUT", "-1")],
)
def test_wrong_rules_of_signing_are_named(
    postgres: servers.Postgres, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    for name, given in (environment(postgres, "any") | {f"KOJO_MES_{variable}": value}).items():
        monkeypatch.setenv(name, given)
    with pytest.raises(SettingsError) as caught:
        load(ApiSettings)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [f"KOJO_MES_{variable}"]


@pytest.mark.parametrize(("other", "apart"), [(-3, 2.0), (-0.5, 0.0), (0, 0.0), (0.5, 0.0), (3, 2.0)])
def test_only_what_is_surely_apart_counts(other: float, apart: float) -> None:
    middle = datetime(2026, 1, 5, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert disagreement(middle - second, middle + other * second, middle + second) == apart


def test_the_time_is_shown_where_the_plant_is_and_in_utc() -> None:
    signed_at = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    assert manifestation("田中 愛子", "quality_manager", "release", signed_at, "Asia/Tokyo") == (
        "田中 愛子 (quality_manager) · release · 2026-01-06 08:30:00 +0900 (2026-01-05T23:30:00Z)"
    )


async def test_a_meaning_is_signed_once_a_version(desk: Desk) -> None:
    """A rejection ends the change, so the same approval again is what can be tried."""
    change = await desk.submitted()
    assert (await sign(desk, desk.quality, "quality_manager", change)).status_code == 200
    again = await desk.approve(change, "quality_manager")
    assert again.status_code == 409
    assert len(await of_record(desk, change)) == 1


# Tampering, as a superuser who takes the triggers away. {a} and {b} are records, {row} the signature on {a}.
COPY = """
    INSERT INTO mes.signature SELECT '{new}', record_type, '{b}', record_version, record_digest, meaning, signer_id,
        user_name, printed_name, role, signed_at, time_zone, authentication, clock_status, clock_error, session_id,
        request_id FROM mes.signature WHERE id = '{row}'
"""
TAMPERED = {
    "the name": ("UPDATE mes.signature SET printed_name = 'Another' WHERE id = '{row}'", "printed_name"),
    "the time": ("UPDATE mes.signature SET signed_at = signed_at - interval '1 d' WHERE id = '{row}'", "signed_at"),
    "the meaning": ("UPDATE mes.signature SET meaning = 'review' WHERE id = '{row}'", "meaning"),
    "the signer": ("UPDATE mes.signature SET signer_id = '{other}' WHERE id = '{row}'", "signer_id"),
    "moved to another record": ("UPDATE mes.signature SET record_id = '{b}' WHERE id = '{row}'", "record_id"),
    "copied to another record": (COPY, "knows of no such signing"),
    "copied with that record's digest": (
        COPY.replace("record_digest,", "'\\x{digest}',", 1),
        "knows of no such signing",
    ),
    "the record": ("UPDATE mes.change_revision SET why = 'for fun' WHERE change_id = '{a}'", "is not as it was signed"),
    "the record's owner": (
        "UPDATE mes.change_request SET requester_id = '{other}' WHERE id = '{a}'",
        "is not as it was signed",
    ),
}


REMOVE = "DELETE FROM mes.signature WHERE id IN ('{new}', '{row}')"


async def test_tampering_is_found_and_named(desk: Desk) -> None:
    other = await desk.submitted(what="something else")
    for how, (statement, said) in TAMPERED.items():
        one = await desk.submitted()
        await sign(desk, desk.quality, "quality_manager", one)
        (given,) = await of_record(desk, one)
        names = {
            "a": one["id"],
            "b": other["id"],
            "row": given["id"],
            "new": new_id(),
            "other": desk.devops.id,
            "digest": other["record_digest"],
        }
        tamper(desk.admin, statement.format(**names))
        found = (await desk.get("/signatures")).json()["items"]
        (reason,) = (item["reason"] for item in found if item["validity"] == "invalid")
        assert said in reason, how
        tamper(desk.admin, REMOVE.format(**names))


def tamper(admin: psycopg.Connection, statement: str) -> None:
    """As a superuser who takes the triggers away and puts them back."""
    with admin.transaction():
        for table in ("signature", "change_request", "change_revision"):
            admin.execute(f"ALTER TABLE mes.{table} DISABLE TRIGGER ALL".encode())
        assert admin.execute(statement.encode()).rowcount > 0
        for table in ("signature", "change_request", "change_revision"):
            admin.execute(f"ALTER TABLE mes.{table} ENABLE TRIGGER ALL".encode())


async def test_a_signature_without_its_record_is_invalid(desk: Desk) -> None:
    desk.admin.execute(
        "INSERT INTO mes.signature VALUES (%s, 'nothing', 'x', 1, %s, 'review', %s, 'u', 'N', 'quality_manager', now(),"
        " 'UTC', 'password', 'unchecked', NULL, 's', 'r')",
        (new_id(), b"\0" * 32, desk.quality.id),
    )
    (found,) = (await desk.get("/signatures", record_type="nothing")).json()["items"]
    assert found["validity"] == "invalid"


async def test_the_audit_row_and_the_signature_come_together(desk: Desk) -> None:
    """Without room for the audit row there is no signature either."""
    change = await desk.submitted()
    desk.admin.execute(
        "CREATE FUNCTION mes.no_room() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'disk full'; END $$;"
        "CREATE TRIGGER no_room BEFORE INSERT ON mes.audit_event FOR EACH ROW"
        " WHEN (NEW.action = 'signatures:sign') EXECUTE FUNCTION mes.no_room()"
    )
    answer = await sign(desk, desk.quality, "quality_manager", change)
    assert problem(answer) == (503, "audit-unavailable")
    assert await of_record(desk, change) == []
    assert (await desk.get(f"/changes/{change['id']}")).json()["approvals"] == []


async def test_signatures_come_in_pages_and_as_a_table(desk: Desk) -> None:
    for _ in range(3):
        await desk.approved()
    items: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 4}
    while True:
        page = (await desk.get("/signatures", **query)).json()
        items += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert len({item["id"] for item in items}) == len(items) == 6
    mine = (await desk.get("/signatures", signer_id=desk.devops.id)).json()["items"]
    assert {item["signer_id"] for item in mine} == {desk.devops.id}
    table = (await desk.get("/signatures", format="csv")).text
    assert all(item["manifestation"] in table for item in items)
