"""Where the trail tells of the database's records: what `kojo-mes audit verify --records` holds against them.

An entry of a table's own (written past the service, or at a migration) has the row's columns. An entry of the service
has what the API answers; its fields are named like the columns, at times without their `_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RECORD_ID, RECORD_VERSION = "record_id", "record_version"


@dataclass(frozen=True)
class Told:
    """Entries about one type of records that tell of a table's rows.

    `path`: where in `new` a row is (SQL/JSON path). `verbs`: of their actions; none: all. `given`: columns that are the
    entry's record id or version.
    """

    record_type: str
    path: str = "$"
    verbs: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """`moved`: columns whose changes no entry of their own record tells of in full. `names`: fields that are named
    otherwise than their columns. `whole`: every row has an entry. `kept`: none is ever deleted."""

    name: str
    key: tuple[str, ...]
    told: tuple[Told, ...]
    moved: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True
    kept: bool = True


def _of(name: str, record_type: str | None = None, *, moved: tuple[str, ...] = ()) -> Table:
    """A table whose rows are records of their own."""
    told = Told(record_type or name, given={"id": RECORD_ID})
    return Table(name, ("id",), (told,), frozenset(moved))


TABLES = (
    # the plant's page
    _of("site"),
    _of("area"),
    _of("line"),
    _of("work_cell"),
    _of("equipment"),
    _of("sensor"),
    # identity
    _of("person", moved=("version",)),
    _of("qualification", moved=("revoked_by",)),
    _of("device", moved=("version",)),
    Table(
        "role_grant",
        ("id",),
        (Told("person", verbs=("grant",), given={"person_id": RECORD_ID}),),
        moved=frozenset({"revoked_at", "revoked_by"}),
        names={"grant": "id"},
    ),
    Table(
        "acknowledgement",
        ("person_id", "policy"),
        (Told("person", verbs=("acknowledged",), given={"person_id": RECORD_ID}),),
    ),
    # performance
    _of("product"),
    _of("ideal_cycle_time", moved=("valid_to",)),
    # making shifts of a pattern is an entry about it too, which doesn't say what it is
    Table(
        "shift_pattern",
        ("id",),
        (Told("shift_pattern", "$ ? (exists (@.starts))", given={"id": RECORD_ID}),),
        moved=frozenset({"planned_to"}),
    ),
    _of("shift_closure"),
    # a pattern makes shifts without naming them, a closure cancels them
    Table(
        "shift",
        ("id",),
        (Told("shift", given={"id": RECORD_ID}),),
        moved=frozenset({"cancelled", "exception", "version"}),
        whole=False,
    ),
    Table("state_reason", ("state", "code"), (Told("state_reason"),)),
    # the next state ends the one before; a reclassification replaces states by others of their time
    Table(
        "line_state",
        ("line_id", "started_at"),
        (
            Told("line_state"),
            Told("line_state_reclassification", "$.states[*]"),
            Told("line", "$.states[*]", verbs=("derive",), given={"line_id": RECORD_ID}),
        ),
        moved=frozenset({"id", "ended_at", "previous_ended_at", "recorded_by", "recorded_at", "source"}),
        whole=False,
        kept=False,
    ),
    Table(
        "production_count",
        ("line_id", "product_id", "from_time", "to_time"),
        (
            Told("production_count"),
            Told("line", "$.counts[*]", verbs=("count", "derive"), given={"line_id": RECORD_ID}),
        ),
        moved=frozenset({"id", "version", "recorded_by", "recorded_at", "source"}),
        names={"from": "from_time", "to": "to_time"},
        kept=False,
    ),
    # quality
    _of("gauge"),
    _of("calibration"),
    _of("characteristic"),
    Table("specification", ("characteristic_id", "version"), (Told("specification"),)),
    _of("control_chart", "control-chart"),
    Table("control_limits", ("chart_id", "version"), (Told("control-limits"),)),
    _of("quality_check", "quality-check"),
    _of("nonconformance", moved=("disposition_version",)),
    Table(
        "quality_signal",
        ("check_id", "rule"),
        (Told("nonconformance", "$.signals[*]", verbs=("signal",), given={"nonconformance_id": RECORD_ID}),),
    ),
    _of("hold"),
    _of("corrective_action", "corrective-action", moved=("verification_version",)),
    # orders and material
    _of("work_order", "work-order"),
    Table(
        "lot",
        ("id",),
        (Told("lot", verbs=("register", "release", "end"), given={"id": RECORD_ID}),),
        # movements and holds change it; who released it, and when, stands
        moved=frozenset({"state", "version", "on_hand", "shipped", "reviewer_role"}),
        names={"order": "work_order_id"},
    ),
    Table(
        "material_movement",
        ("id",),
        (Told("lot", verbs=("received", "produced", "consumed", "shipped", "scrapped")),),
        names={"order": "work_order_id", "into": "into_lot_id"},
    ),
    # signatures and changes
    _of("signature"),
    Table(
        "signed_list_item",
        ("list_id", "record_type", "record_id", "record_version"),
        (Told("signed-list", "$.items[*]", verbs=("list",), given={"list_id": RECORD_ID}),),
    ),
    Table(
        "change_request",
        ("id",),
        (Told("change-request", given={"id": RECORD_ID}),),
        # a revision takes approvals away; they are signatures, which are verified by themselves
        moved=frozenset(
            {"version", "revision", "changed_at", "first_approver", "first_role", "second_approver", "second_role"}
        ),
    ),
    Table(
        "change_revision",
        ("change_id", "revision"),
        (
            Told(
                "change-request",
                verbs=("create", "revise"),
                given={"change_id": RECORD_ID, "revision": RECORD_VERSION},
            ),
        ),
    ),
    Table("retention_class", ("kind",), (Told("retention_class"),)),
)
