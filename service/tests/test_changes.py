"""Change requests: two people in two roles, for one artefact, one plant, one window, one use."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
import pypdf
import pytest
from desk import DIGEST, OTHER_DIGEST, ROLES, Desk, content, desk, desk_of, signature
from people import somebody

from kojo_mes.changes import service
from kojo_mes.changes.paper import LABELS
from kojo_mes.changes.schemas import BreakGlass, ChangeContent, DocumentControl, UseOut
from kojo_mes.kit.ids import new_id

__all__ = ["desk"]
LATER = {"window_start": "2099-01-01T00:00:00Z", "window_end": "2099-01-02T00:00:00Z"}


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:kojo:problem:")


async def expire_window(desk: Desk, change: dict[str, Any]) -> None:
    """Time travel past every rule that forbids it."""
    with desk.admin.transaction():
        desk.admin.execute("SET LOCAL session_replication_role = replica")
        desk.admin.execute("ALTER TABLE mes.change_revision DISABLE TRIGGER ALL")
        desk.admin.execute(
            "UPDATE mes.change_revision SET window_end = now() - interval '1 s' WHERE change_id = %s", (change["id"],)
        )
        desk.admin.execute("ALTER TABLE mes.change_revision ENABLE TRIGGER ALL")


async def test_two_people_in_two_roles_authorise_one_use(desk: Desk) -> None:
    change = await desk.submitted()
    first = await desk.approve(change, "devops_lead")
    assert first.json()["state"] == "submitted"
    assert not (await desk.may(change))["authorised"]
    second = await desk.approve(change, "quality_manager")
    assert second.json()["state"] == "approved"
    assert [(given["person"], given["role"]) for given in second.json()["approvals"]] == [
        (desk.devops.id, "devops_lead"),
        (desk.quality.id, "quality_manager"),
    ]
    answer = await desk.may(change)
    assert (answer["authorised"], answer["basis"], answer["reasons"]) == (True, "two-approvals", [])
    used = await desk.use(change)
    assert (used.status_code, used.json()["state"], used.json()["use"]["reference"]) == (200, "used", "deploy 7")
    again = await desk.use(change)
    assert problem(again) == (409, "illegal-transition")
    assert (await desk.may(change))["authorised"] is False
    assert "used" in (await desk.may(change))["reasons"][0]
    closed = await desk.send(desk.requester, f"/{change['id']}/close", {"note": "as expected"}, used.json()["version"])
    assert closed.json()["state"] == "closed"
    for action, actor in (
        ("changes:create", desk.requester.id),
        ("changes:submit", desk.requester.id),
        ("changes:use", "gate"),
        ("changes:close", desk.requester.id),
        ("denied", "gate"),
    ):
        assert [entry[0] for entry in desk.audited(action, change["id"])] == [actor], action
    assert [entry[0] for entry in desk.audited("changes:approve", change["id"])] == [desk.devops.id, desk.quality.id]


@pytest.mark.parametrize(
    ("digest", "site", "reason"), [(OTHER_DIGEST, "plant_a", "artefact"), (DIGEST, "plant_b", "plant")]
)
async def test_another_artefact_or_plant_is_not_authorised(desk: Desk, digest: str, site: str, reason: str) -> None:
    change = await desk.approved()
    answer = await desk.may(change, digest, site)
    assert (answer["authorised"], answer["basis"]) == (False, None)
    assert len(answer["reasons"]) == 1
    assert reason in answer["reasons"][0]
    assert problem(await desk.use(change, digest, site)) == (409, "denied")
    assert (await desk.may(change))["authorised"]
    assert len(desk.audited("denied", change["id"])) == 1


async def test_a_window_that_has_not_begun_authorises_nothing_yet(desk: Desk) -> None:
    change = await desk.approved(**LATER)
    answer = await desk.may(change)
    assert not answer["authorised"]
    assert "window begins at 2099-01-01T00:00:00Z" in answer["reasons"][0]
    assert problem(await desk.use(change)) == (409, "denied")


async def test_one_person_does_not_approve_twice(desk: Desk) -> None:
    change = await desk.submitted()
    both = somebody(desk.admin, "devops_lead", "quality_manager")
    assert (await desk.approve(change, "devops_lead", both)).status_code == 200
    assert problem(await desk.approve(change, "quality_manager", both)) == (409, "denied")
    assert (await desk.get(f"/changes/{change['id']}")).json()["state"] == "submitted"


async def test_one_role_does_not_approve_twice(desk: Desk) -> None:
    change = await desk.submitted()
    other = somebody(desk.admin, "devops_lead")
    assert (await desk.approve(change, "devops_lead")).status_code == 200
    assert problem(await desk.approve(change, "devops_lead", other)) == (409, "denied")


async def test_the_requester_does_not_decide(desk: Desk) -> None:
    draft = (await desk.send(desk.devops, "", content())).json()
    await desk.send(desk.devops, f"/{draft['id']}/submit", version=1)
    assert problem(await desk.approve(draft, "devops_lead")) == (403, "not-permitted")
    body = {"signature": signature(desk.devops, "devops_lead"), "reason": "no"}
    assert problem(await desk.send(desk.devops, f"/{draft['id']}/reject", body, 2)) == (403, "not-permitted")
    assert len(desk.audited("denied", draft["id"])) == 2


async def test_other_roles_do_not_decide(desk: Desk) -> None:
    change = await desk.submitted()
    leader = somebody(desk.admin, "line_leader", "devops_lead")
    assert (await desk.approve(change, "line_leader", leader)).status_code == 403
    operator = somebody(desk.admin, "operator")
    assert problem(await desk.approve(change, "operator", operator)) == (403, "not-permitted")
    assert problem(await desk.approve(change, "quality_manager", leader)) == (403, "may-not-sign")


async def test_two_at_once_approve_once_each(desk: Desk) -> None:
    """The second comes with a version that is no longer the record's: it has to look again."""
    change = await desk.submitted()
    answers = await asyncio.gather(
        *(
            desk.send(who, f"/{change['id']}/approve", {"signature": signature(who, role)}, change["version"])
            for role, who in desk.deciders.items()
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]


async def test_uses_at_once_are_one(desk: Desk) -> None:
    change = await desk.approved()
    answers = await asyncio.gather(*(desk.use(change) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


async def test_a_use_that_was_cut_off_is_repeated_under_its_key(desk: Desk) -> None:
    change = await desk.approved()
    key = new_id()
    first = await desk.use(change, key=key)
    again = await desk.use(change, key=key)
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (200, 200, "true")
    assert first.json() == again.json()


async def test_new_content_voids_approvals(desk: Desk) -> None:
    change = await desk.approved()
    revised = await desk.send(
        desk.requester,
        f"/{change['id']}",
        content(artefact_digest=OTHER_DIGEST),
        change["version"],
        method="PUT",
    )
    assert (revised.json()["state"], revised.json()["revision"], revised.json()["approvals"]) == ("draft", 2, [])
    for digest in (DIGEST, OTHER_DIGEST):
        assert not (await desk.may(change, digest))["authorised"]
    assert problem(await desk.use(change, OTHER_DIGEST)) == (409, "denied")
    signed = (await desk.get("/signatures", record_id=change["id"])).json()["items"]
    assert {(item["record_version"], item["validity"]) for item in signed} == {(1, "superseded")}
    await desk.send(desk.requester, f"/{change['id']}/submit", version=revised.json()["version"])
    assert (await desk.approve(change, "devops_lead")).json()["state"] == "submitted"
    assert (await desk.approve(change, "manufacturing_lead")).json()["state"] == "approved"
    assert (await desk.may(change, OTHER_DIGEST))["authorised"]


async def test_content_that_was_changed_behind_its_signatures_authorises_nothing(desk: Desk) -> None:
    change = await desk.approved()
    with desk.admin.transaction():
        desk.admin.execute("ALTER TABLE mes.change_revision DISABLE TRIGGER ALL")
        desk.admin.execute("UPDATE mes.change_revision SET artefact_digest = %s", (OTHER_DIGEST,))
        desk.admin.execute("ALTER TABLE mes.change_revision ENABLE TRIGGER ALL")
    answer = await desk.may(change, OTHER_DIGEST)
    assert not answer["authorised"]
    assert len([reason for reason in answer["reasons"] if "is invalid" in reason]) == 2
    assert problem(await desk.use(change, OTHER_DIGEST)) == (409, "denied")


async def test_time_expires_a_change_at_once_and_the_sweep_stores_it(desk: Desk) -> None:
    change = await desk.submitted()
    await expire_window(desk, change)
    assert (await desk.get(f"/changes/{change['id']}")).json()["state"] == "expired"
    refused = await desk.approve(change, "devops_lead")
    if refused.status_code == HTTPStatus.PRECONDITION_FAILED:  # the API's own sweep came first
        refused = await desk.approve((await desk.get(f"/changes/{change['id']}")).json(), "devops_lead")
    assert problem(refused) == (409, "illegal-transition")
    await service.sweep(desk.app.state.database)
    stored = desk.admin.execute("SELECT state FROM mes.change_request WHERE id = %s", (change["id"],)).fetchone()
    assert stored == ("expired",)
    assert [entry[0] for entry in desk.audited("changes:expire", change["id"])] == ["kojo-mes"]


async def test_a_window_of_the_past_is_not_submitted(desk: Desk) -> None:
    now = datetime.now(UTC)
    past = {
        "window_start": (now - timedelta(hours=2)).isoformat(),
        "window_end": (now - timedelta(hours=1)).isoformat(),
    }
    draft = await desk.create(**past)
    assert problem(await desk.send(desk.requester, f"/{draft['id']}/submit", version=1)) == (409, "denied")


async def test_a_rejection_is_signed_and_final(desk: Desk) -> None:
    change = await desk.submitted()
    body = {"signature": signature(desk.quality, "quality_manager"), "reason": "no test report"}
    answer = await desk.send(desk.quality, f"/{change['id']}/reject", body, change["version"])
    assert answer.json()["state"] == "rejected"
    assert desk.audited("changes:reject", change["id"])[0][1] == "no test report"
    signed = (await desk.get("/signatures", record_id=change["id"])).json()["items"]
    assert [(item["meaning"], item["validity"]) for item in signed] == [("rejection", "valid")]
    again = await desk.send(desk.requester, f"/{change['id']}", content(), answer.json()["version"], method="PUT")
    assert problem(again) == (409, "illegal-transition")


async def test_only_the_requester_submits_revises_and_withdraws(desk: Desk) -> None:
    draft = await desk.create()
    path = f"/{draft['id']}"
    answers = [
        await desk.send(desk.devops, f"{path}/submit", version=1),
        await desk.send(desk.devops, path, content(), 1, method="PUT"),
        await desk.send(desk.devops, f"{path}/withdraw", {"reason": "no"}, 1),
    ]
    assert {problem(answer) for answer in answers} == {(403, "not-permitted")}
    assert len(desk.audited("denied", draft["id"])) == 3
    done = await desk.send(desk.requester, f"{path}/withdraw", {"reason": "not needed"}, 1)
    assert done.json()["state"] == "withdrawn"


async def test_versions_guard_every_step(desk: Desk) -> None:
    draft = await desk.create()
    read = await desk.get(f"/changes/{draft['id']}")
    assert read.headers["ETag"] == '"1"'
    assert problem(await desk.send(desk.requester, f"/{draft['id']}/submit")) == (428, "version-needed")
    assert problem(await desk.send(desk.requester, f"/{draft['id']}/submit", version=7)) == (412, "version-changed")
    done = await desk.send(desk.requester, f"/{draft['id']}/submit", version=1)
    assert (done.headers["ETag"], done.json()["version"]) == ('"2"', 2)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"artefact_digest": "AB" * 32}, "artefact_digest"),
        ({"artefact_digest": "ab"}, "artefact_digest"),
        ({"plant": "Plant A"}, "plant"),
        ({"what": "   "}, "what"),
        ({"why": None}, "why"),
        ({"window_start": "2026-01-01T00:00:00"}, "window_start"),
        ({"window_end": "2020-01-01T00:00:00Z"}, "window_end"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_wrong_content_is_named(desk: Desk, wrong: dict[str, Any], field: str) -> None:
    answer = await desk.send(desk.requester, "", content(**wrong))
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


async def test_what_is_not_there_is_404(desk: Desk) -> None:
    nowhere = new_id()
    assert (await desk.get(f"/changes/{nowhere}")).status_code == 404
    assert (await desk.get(f"/changes/{nowhere}/copy")).status_code == 404
    assert (await desk.get(f"/signatures/{nowhere}")).status_code == 404
    assert (await desk.use({"id": nowhere})).status_code == 404
    assert (await desk.get("/changes/x")).status_code == 422


async def test_only_the_gate_uses_a_change(desk: Desk) -> None:
    change = await desk.approved()
    body = {"digest": DIGEST, "plant": "plant_a", "reference": "by hand"}
    for who in (desk.requester, desk.devops, somebody(desk.admin, "administrator")):
        assert (await desk.send(who, f"/{change['id']}/use", body)).status_code == 403
    assert (await desk.may(change))["authorised"]


async def test_pages_and_tables_show_all_changes_with_their_signatures(desk: Desk) -> None:
    made = [(await desk.create(plant="plant_b"))["id"] for _ in range(3)] + [(await desk.approved())["id"]]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = (await desk.get("/changes", **query)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == made
    assert len((await desk.get("/changes", plant="plant_b")).json()["items"]) == 3
    assert [item["id"] for item in (await desk.get("/changes", state="approved")).json()["items"]] == made[3:]
    table = await desk.get("/changes", format="csv")
    assert table.headers["content-type"].startswith("text/csv")
    row = next(line for line in table.text.splitlines() if line.startswith(made[3]))
    assert f"{desk.devops.name} (devops_lead) · approval · " in row


async def test_a_controlled_copy_is_complete_for_people_and_machines(desk: Desk) -> None:
    change = await desk.approved()
    await desk.send(desk.requester, f"/{change['id']}", content(what="anew"), change["version"], method="PUT")
    copy = (await desk.get(f"/changes/{change['id']}/copy", desk.quality)).json()
    control = copy["control"]
    assert (control["revision"], control["status"], control["retention_years"]) == (2, "draft", 7)
    assert (control["author"], control["copied_by"]) == (desk.requester.name, desk.quality.name)
    assert [revision["content"]["what"] for revision in copy["revisions"]] == ["kojo-mes 1.4.0", "anew"]
    assert [item["validity"] for item in copy["signatures"]] == ["superseded", "superseded"]
    text = await desk.get(f"/changes/{change['id']}/copy", format="text")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    for said in ("Document control", "artefact_digest: " + DIGEST, "anew"):
        assert said in text.text
    for item in copy["signatures"]:
        assert f"revision 1: {item['manifestation']}" in text.text
        for part in (item["printed_name"], item["meaning"], item["signed_at"][:10]):
            assert part in item["manifestation"]


def on_paper(content: bytes) -> str:
    """Its words in order; a cell breaks long ones, so spaces say nothing."""
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return "".join("".join(page.extract_text() for page in pages).replace("\0", "").split())


async def test_on_paper_a_change_shows_what_was_signed_by_whom_and_when(desk: Desk) -> None:
    change = await desk.approved(what="包装機 3 号の更新 (packer 3)")
    used = await desk.use(change)
    await desk.send(desk.requester, f"/{change['id']}/close", {"note": "予定どおり"}, used.json()["version"])
    copy = (await desk.get(f"/changes/{change['id']}/copy", desk.quality)).json()
    answer = await desk.get(f"/changes/{change['id']}/copy", desk.quality, format="pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == f'attachment; filename="change-request-{change["id"]}.pdf"'
    text = on_paper(answer.content)
    assert len(copy["signatures"]) == 2
    for item in copy["signatures"]:
        utc = f"({datetime.fromisoformat(item['signed_at']):%Y-%m-%dT%H:%M:%SZ})"
        for part in (item["printed_name"], f"({item['role']})·approval·", utc, item["record_digest"], "valid:"):
            assert part.replace(" ", "") in text
    for said in (
        "変更要求",
        "文書管理",
        "電子署名",
        "包装機3号の更新(packer3)",
        "予定どおり",
        DIGEST,
        "closed",
        "deploy7",
    ):
        assert said in text
    assert f"{desk.quality.name}".replace(" ", "") in text, "who took the copy"


async def test_every_field_has_its_japanese_name_on_paper() -> None:
    shown = (DocumentControl, ChangeContent, UseOut, BreakGlass)
    assert {name for model in shown for name in model.model_fields} | {"record_digest"} == LABELS.keys()


async def test_paper_without_its_font_is_refused(
    variables: dict[str, str], admin: psycopg.Connection, tmp_path: Path
) -> None:
    async with desk_of(variables, admin, KOJO_MES_PDF_FONT=str(tmp_path / "nowhere.ttf")) as desk:
        change = await desk.create()
        assert problem(await desk.get(f"/changes/{change['id']}/copy", format="pdf")) == (503, "no-font")


async def test_break_glass_authorises_one_use_and_demands_a_review(desk: Desk) -> None:
    change = await desk.submitted(**LATER)
    body = {"signature": signature(desk.devops, "devops_lead"), "reason": "line 3 stands"}
    broken = await desk.send(desk.devops, f"/{change['id']}/break-glass", body, change["version"])
    assert broken.json()["state"] == "submitted", "one person never makes it approved"
    assert broken.json()["break_glass"]["review"] == "due"
    assert (await desk.may(change, OTHER_DIGEST))["authorised"] is False
    answer = await desk.may(change)
    assert (answer["authorised"], answer["basis"]) == (True, "break-glass")
    assert desk.audited("changes:break-glass", change["id"])[0][1] == "line 3 stands"
    await service.sweep(desk.app.state.database)
    metrics = (await desk.client.get("/metrics")).text
    assert "kojo_mes_break_glass_unreviewed 1.0" in metrics
    assert "kojo_mes_break_glass_review_overdue 0.0" in metrics
    assert problem(
        await desk.send(desk.requester, f"/{change['id']}", content(), broken.json()["version"], method="PUT")
    ) == (409, "denied")

    used = (await desk.use(change)).json()
    assert (used["state"], problem(await desk.use(change))) == ("used", (409, "illegal-transition"))
    close = await desk.send(desk.requester, f"/{change['id']}/close", {"note": "runs"}, used["version"])
    assert problem(close) == (409, "denied")

    def verdict(who: Any, role: str) -> dict[str, Any]:
        return {"signature": signature(who, role), "conclusion": "justified"}

    own = await desk.send(desk.devops, f"/{change['id']}/review", verdict(desk.devops, "devops_lead"), used["version"])
    assert problem(own) == (403, "not-permitted")
    done = await desk.send(
        desk.quality, f"/{change['id']}/review", verdict(desk.quality, "quality_manager"), used["version"]
    )
    assert done.json()["break_glass"]["review"] == "done"
    closed = await desk.send(desk.requester, f"/{change['id']}/close", {"note": "runs"}, done.json()["version"])
    assert closed.json()["state"] == "closed"
    await service.sweep(desk.app.state.database)
    assert "kojo_mes_break_glass_unreviewed 0.0" in (await desk.client.get("/metrics")).text


async def test_a_review_that_is_late_shows_and_alerts(variables: dict[str, str], admin: Any) -> None:
    hurried = {"KOJO_MES_BREAK_GLASS_VALIDITY": "0.2", "KOJO_MES_BREAK_GLASS_REVIEW": "0.2"}
    async with desk_of(variables, admin, **hurried) as here:
        draft = await here.create()
        body = {"signature": signature(here.devops, "devops_lead"), "reason": "line 3 stands"}
        assert (await here.send(here.devops, f"/{draft['id']}/break-glass", body, 1)).status_code == 200
        await asyncio.sleep(0.3)
        shown = (await here.get(f"/changes/{draft['id']}")).json()
        assert (shown["state"], shown["break_glass"]["review"]) == ("expired", "overdue")
        assert not (await here.may(draft))["authorised"]
        assert problem(await here.use(draft)) == (409, "illegal-transition")
        await service.sweep(here.app.state.database)
        assert "kojo_mes_break_glass_review_overdue 1.0" in (await here.client.get("/metrics")).text
        late = {"signature": signature(here.quality, "quality_manager"), "conclusion": "never used"}
        done = await here.send(here.quality, f"/{draft['id']}/review", late, 3)
        assert done.json()["break_glass"]["review"] == "done"


async def test_break_glass_is_for_the_three_roles(desk: Desk) -> None:
    draft = await desk.create()
    body = {"signature": signature(desk.requester, "maintenance"), "reason": "hurry"}
    assert problem(await desk.send(desk.requester, f"/{draft['id']}/break-glass", body, 1)) == (403, "not-permitted")


async def test_all_pairs_of_roles_approve(desk: Desk) -> None:
    for one in ROLES:
        for other in ROLES:
            if one != other:
                change = await desk.submitted()
                await desk.approve(change, one)
                assert (await desk.approve(change, other)).json()["state"] == "approved"
