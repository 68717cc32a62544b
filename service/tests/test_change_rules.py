"""The database itself refuses what the service refuses: tried as the tables' owner, past the service."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
import servers
from people import Somebody, somebody

from kojo_mes.kit.ids import new_id

Check, ForeignKey = psycopg.errors.CheckViolation, psycopg.errors.ForeignKeyViolation


class Owner:
    """kojo_owner at psql, with a submitted change and people who sign what they are told to."""

    def __init__(self, connection: psycopg.Connection, admin: psycopg.Connection) -> None:
        self.connection = connection
        self.change = new_id()
        self.requester = somebody(admin, "devops_lead", "quality_manager", "manufacturing_lead")
        self.devops = somebody(admin, "devops_lead")
        self.other_devops = somebody(admin, "devops_lead")
        self.quality = somebody(admin, "quality_manager")
        self.both = somebody(admin, "devops_lead", "quality_manager")
        self.leader = somebody(admin, "line_leader")
        with connection.transaction():
            connection.execute(
                "INSERT INTO mes.change_request (id, version, revision, state, requester_id, requester_name,"
                " created_at, changed_at) VALUES (%s, 1, 1, 'draft', %s, 'R', now(), now())",
                (self.change, self.requester.id),
            )
            self.write_content(1)
        self.set("state = 'submitted'")

    def write_content(self, revision: int) -> None:
        self.connection.execute(
            "INSERT INTO mes.change_revision VALUES (%s, %s, 'what', 'why', 'impact', 'back', %s, 'plant_a', now(),"
            " now() + interval '1 h', false, now())",
            (self.change, revision, "ab" * 32),
        )

    def set(self, assignments: str) -> None:
        self.connection.execute(
            f"UPDATE mes.change_request SET version = version + 1, {assignments} WHERE id = %s".encode(),  # noqa: S608
            (self.change,),
        )

    def sign(self, who: Somebody, role: str, meaning: str = "approval", revision: int = 1) -> None:
        self.connection.execute(
            "INSERT INTO mes.signature VALUES (%s, 'change-request', %s, %s, %s, %s, %s, %s, %s, %s, now(), 'UTC',"
            " 'password', 'unchecked', NULL, 's', 'r')",
            (new_id(), self.change, revision, b"\0" * 32, meaning, who.id, who.user_name, who.name, role),
        )

    def approve(self, first: tuple[Somebody, str], second: tuple[Somebody, str]) -> None:
        self.set(
            f"state = 'approved', first_approver = '{first[0].id}', first_role = '{first[1]}',"
            f" second_approver = '{second[0].id}', second_role = '{second[1]}'"
        )

    def break_glass(self) -> None:
        self.sign(self.devops, "devops_lead", "responsibility")
        self.set(
            f"break_glass_by = '{self.devops.id}', break_glass_role = 'devops_lead', break_glass_reason = 'fire',"
            " break_glass_at = now(), break_glass_until = now() + interval '1 h',"
            " review_due_at = now() + interval '1 d'"
        )


@pytest.fixture
def owner(postgres: servers.Postgres, database: str, admin: psycopg.Connection) -> Iterator[Owner]:
    with postgres.connect(database, "kojo_owner") as connection:
        yield Owner(connection, admin)


def violated(caught: pytest.ExceptionInfo[psycopg.Error]) -> str | None:
    return caught.value.diag.constraint_name


def test_two_people_in_two_roles_are_enough(owner: Owner) -> None:
    owner.sign(owner.devops, "devops_lead")
    owner.sign(owner.quality, "quality_manager")
    owner.approve((owner.devops, "devops_lead"), (owner.quality, "quality_manager"))


def test_one_person_in_two_roles_is_not(owner: Owner) -> None:
    """The second approval can't even be signed; and one signature does not stand for two."""
    owner.sign(owner.both, "devops_lead")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.sign(owner.both, "quality_manager")
    with pytest.raises(Check) as caught:
        owner.approve((owner.both, "devops_lead"), (owner.both, "quality_manager"))
    assert violated(caught) == "change_request_two_people_two_roles"


def test_one_role_of_two_people_is_not(owner: Owner) -> None:
    owner.sign(owner.devops, "devops_lead")
    owner.sign(owner.other_devops, "devops_lead")
    with pytest.raises(Check) as caught:
        owner.approve((owner.devops, "devops_lead"), (owner.other_devops, "devops_lead"))
    assert violated(caught) == "change_request_two_people_two_roles"


@pytest.mark.parametrize("columns", ["", ", first_approver = '{devops}', first_role = 'devops_lead'"])
def test_fewer_than_two_are_not(owner: Owner, columns: str) -> None:
    owner.sign(owner.devops, "devops_lead")
    with pytest.raises(Check) as caught:
        owner.set("state = 'approved'" + columns.format(devops=owner.devops.id))
    assert violated(caught) == "change_request_approved_by_two"


def test_approvals_without_their_signatures_are_not(owner: Owner) -> None:
    owner.sign(owner.devops, "devops_lead")
    owner.sign(owner.quality, "quality_manager", "review")
    with pytest.raises(ForeignKey) as caught:
        owner.approve((owner.devops, "devops_lead"), (owner.quality, "quality_manager"))
    assert violated(caught) == "change_request_second_approval"


def test_a_signature_in_a_role_that_is_not_held_is_not_even_stored(owner: Owner) -> None:
    with pytest.raises(psycopg.errors.IntegrityError) as caught:
        owner.sign(owner.devops, "quality_manager")
    assert violated(caught) == "signature_in_role"


def test_another_role_does_not_count(owner: Owner) -> None:
    owner.sign(owner.leader, "line_leader")
    owner.sign(owner.quality, "quality_manager")
    with pytest.raises(Check) as caught:
        owner.approve((owner.leader, "line_leader"), (owner.quality, "quality_manager"))
    assert violated(caught) == "change_request_approver_roles"


def test_the_requester_does_not_count(owner: Owner) -> None:
    owner.sign(owner.requester, "devops_lead")
    owner.sign(owner.quality, "quality_manager")
    for pair in (
        ((owner.requester, "devops_lead"), (owner.quality, "quality_manager")),
        ((owner.quality, "quality_manager"), (owner.requester, "devops_lead")),
    ):
        with pytest.raises(Check) as caught:
            owner.approve(*pair)
        assert violated(caught) == "change_request_requester_does_not_approve"


def test_a_new_revision_keeps_no_approval(owner: Owner) -> None:
    owner.sign(owner.devops, "devops_lead")
    owner.sign(owner.quality, "quality_manager")
    owner.approve((owner.devops, "devops_lead"), (owner.quality, "quality_manager"))
    owner.write_content(2)
    with pytest.raises(ForeignKey):
        owner.set("revision = 2, state = 'draft'")
    with pytest.raises(Check):
        owner.set("revision = 2")


def test_a_change_is_not_made_approved(owner: Owner) -> None:
    with pytest.raises(Check):
        owner.connection.execute(
            "INSERT INTO mes.change_request (id, version, revision, state, requester_id, requester_name, created_at,"
            " changed_at) VALUES ('x', 1, 1, 'approved', %s, 'R', now(), now())",
            (owner.requester.id,),
        )


USED = "state = 'used', used_at = now(), used_by = 'gate', used_for = 'deploy'"


def test_nothing_is_used_without_authority(owner: Owner) -> None:
    with pytest.raises(Check) as caught:
        owner.set(USED)
    assert violated(caught) == "change_request_used_with_authority"


def test_break_glass_is_signed_used_once_and_reviewed_by_another(owner: Owner) -> None:
    with pytest.raises(Check):
        owner.set(f"break_glass_by = '{owner.devops.id}', break_glass_role = 'devops_lead'")
    owner.break_glass()
    with pytest.raises(Check):
        owner.set("state = 'approved'")
    owner.set(USED)
    for rewritten in ("used_for = 'another'", "break_glass_reason = 'none'", "state = 'submitted'"):
        with pytest.raises(Check):
            owner.set(rewritten)
    with pytest.raises(Check) as caught:
        owner.set("state = 'closed', closing_note = 'done'")
    assert violated(caught) == "change_request_closed_after_review"
    owner.sign(owner.devops, "devops_lead", "review")
    reviewed = "reviewed_by = '{}', reviewer_role = '{}', reviewed_at = now(), review_conclusion = 'fine'"
    with pytest.raises(Check) as caught:
        owner.set(reviewed.format(owner.devops.id, "devops_lead"))
    assert violated(caught) == "change_request_review_by_another"
    owner.sign(owner.quality, "quality_manager", "review")
    owner.set(reviewed.format(owner.quality.id, "quality_manager"))
    owner.set("state = 'closed', closing_note = 'done'")


REWRITING = (
    "DELETE FROM mes.change_request",
    "TRUNCATE mes.change_request CASCADE",
    "UPDATE mes.change_revision SET what = 'another'",
    "DELETE FROM mes.change_revision",
    "TRUNCATE mes.change_revision CASCADE",
    "UPDATE mes.signature SET printed_name = 'another'",
    "DELETE FROM mes.signature",
    "TRUNCATE mes.signature CASCADE",
)


def test_nothing_is_rewritten(owner: Owner, postgres: servers.Postgres, database: str) -> None:
    owner.sign(owner.devops, "devops_lead")
    for role in ("kojo_app", "kojo_owner", "postgres"):
        with postgres.connect(database, role) as connection:
            for statement in REWRITING:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())


def test_what_comes_past_the_service_is_on_record(owner: Owner, admin: psycopg.Connection) -> None:
    owner.sign(owner.devops, "devops_lead")
    rows = admin.execute(
        "SELECT DISTINCT record_type, source, actor_id FROM mes.audit_event"
        " WHERE record_type IN ('change_request', 'change_revision', 'signature') ORDER BY record_type"
    ).fetchall()
    assert rows == [(table, "database", "kojo_owner") for table in ("change_request", "change_revision", "signature")]
