"""What the API takes and gives of checks and control charts."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from kojo_mes.characteristics.schemas import CharacteristicId
from kojo_mes.gauges.schemas import GaugeId
from kojo_mes.kit.fields import MaterialId, Name, Real, Text, Time, Whole, Words
from kojo_mes.kit.late_entries import LateEntryReason
from kojo_mes.kit.pages import Next
from kojo_mes.nonconformance.schemas import LineId, RecordId
from kojo_mes.quality.charts import LARGEST_SUBGROUP, ChartKind
from kojo_mes.quality.rules import RuleSet

LARGEST_SAMPLE = 1_000_000
MOST_EXCLUDED = 100
ChartId = Annotated[Name, Field(examples=["housing-100.bore.line-1"])]
MEASURED: dict[str, JsonValue] = {
    "characteristic": "housing-100.bore",
    "line": "line-1",
    "lot": "L-2026-0117",
    "measured_at": "2026-01-05T08:30:00+09:00",
    "values": [74.03, 74.002, 74.019, 73.992, 74.008],
    "gauge": "bore-gauge-3",
}
COUNTED: dict[str, JsonValue] = {
    "characteristic": "carton-10.seal",
    "line": "line-2",
    "measured_at": "2026-01-05T08:30:00+09:00",
    "sample_size": 50,
    "nonconforming": 2,
}


class CheckIn(BaseModel):
    """A measured subgroup (`values` and `gauge`), or a counted sample (`sample_size` and `nonconforming`)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [MEASURED, COUNTED]})

    characteristic: CharacteristicId
    line: LineId
    lot: MaterialId | None = Field(default=None, examples=["L-2026-0117"])
    serial: MaterialId | None = Field(default=None, examples=["SN-000042"])
    measured_at: Time = Field(
        description="60 s ahead of the server's clock at most; the gauge has to be calibrated then and now"
    )
    late_entry_reason: LateEntryReason = None
    values: Annotated[list[Real], Field(min_length=1, max_length=LARGEST_SUBGROUP)] | None = Field(
        default=None, description="in the specification's unit"
    )
    gauge: GaugeId | None = None
    sample_size: Annotated[Whole, Field(ge=1, le=LARGEST_SAMPLE)] | None = None
    nonconforming: Annotated[Whole, Field(ge=0, le=LARGEST_SAMPLE)] | None = None


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


class CheckOut(_FromRow):
    id: str
    characteristic: str = Field(validation_alias="characteristic_id", examples=["housing-100.bore"])
    product: str = Field(validation_alias="product_id", examples=["housing-100"])
    line: str = Field(validation_alias="line_id", examples=["line-1"])
    lot: str | None = Field(validation_alias="lot_id")
    serial: str | None
    specification_version: int = Field(examples=[3])
    gauge: str | None = Field(validation_alias="gauge_id", examples=["bore-gauge-3"])
    calibration: str | None = Field(validation_alias="calibration_id", description="that the result relies on")
    chart: str | None = Field(validation_alias="chart_id")
    limits_version: int | None = Field(description="of the chart, by which it was judged")
    values: list[float] = Field(description="in the specification's unit", examples=[[74.03, 74.002]])
    sample_size: int = Field(examples=[5])
    nonconforming: int = Field(description="units outside the specification", examples=[0])
    conforming: bool = Field(description="no value outside its limits; no more units than its acceptance number")
    measured_at: Time
    recorded_by: str
    recorded_at: Time
    late_entry_reason: str | None


class CheckReceipt(CheckOut):
    signals: list[str] = Field(description="rules that it gave a signal of, or made an earlier check give")
    nonconformance: str | None = Field(description="that the signals opened, or belong to")


class CheckDetail(CheckOut):
    signals: list[str]


class ChartIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "housing-100.bore.line-1",
                    "characteristic": "housing-100.bore",
                    "line": "line-1",
                    "kind": "xbar-r",
                    "subgroup_size": 5,
                    "rule_set": "western-electric",
                }
            ]
        },
    )

    id: ChartId
    characteristic: CharacteristicId
    line: LineId
    kind: ChartKind
    subgroup_size: Annotated[Whole, Field(ge=1, le=LARGEST_SAMPLE)] = Field(
        description="values of a check: 2 to 25 of X̄-R, 1 of individuals; of p the usual size, each check has its own"
    )
    rule_set: RuleSet


class ChartOut(_FromRow):
    id: str = Field(examples=["housing-100.bore.line-1"])
    characteristic: str = Field(validation_alias="characteristic_id", examples=["housing-100.bore"])
    line: str = Field(validation_alias="line_id", examples=["line-1"])
    kind: ChartKind
    subgroup_size: int
    rule_set: RuleSet
    created_at: Time


class ExcludedCheck(BaseModel):
    model_config = ConfigDict(extra="forbid")

    check: RecordId
    cause: Text = Field(description="the assignable cause that was found", examples=["new batch of cardboard"])


class BaselineIn(BaseModel):
    """Limits are computed from the chart's checks of this time, by its formulas."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: Words = Field(examples=["January 2026, after the new die"])
    start: Time = Field(alias="from")
    end: Time = Field(alias="to", description="not included")
    excluded: Annotated[list[ExcludedCheck], Field(max_length=MOST_EXCLUDED)] = []


class LimitsIn(BaseModel):
    """Either a baseline, or the centre (and, unless it is a p chart, the mean range) as they were decided."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "baseline": {
                        "name": "January 2026",
                        "from": "2026-01-05T00:00:00+09:00",
                        "to": "2026-02-01T00:00:00+09:00",
                    },
                    "reason": "First 25 subgroups after qualification",
                },
                {"centre": 74.0, "mean_range": 0.0228, "reason": "Transferred from line 2, qualification Q-17"},
            ]
        },
    )

    baseline: BaselineIn | None = None
    centre: Real | None = Field(default=None, description="in the specification's unit; a proportion of a p chart")
    mean_range: Annotated[Real, Field(gt=0)] | None = Field(default=None, description="R̄ or MR̄, in that unit")
    reason: Text

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.baseline is None) == (self.centre is None):
            raise ValueError("give either a baseline or a centre")
        if self.baseline is not None and self.mean_range is not None:
            raise ValueError("a baseline tells the mean range by itself")
        return self


class LimitsOut(_FromRow):
    """Frozen limits. They judge the checks that are recorded until another version is decided."""

    chart: str = Field(validation_alias="chart_id")
    version: int = Field(examples=[1])
    centre: float = Field(examples=[74.00118])
    mean_range: float | None = Field(examples=[0.02276])
    baseline_name: str | None
    baseline_from: Time | None
    baseline_to: Time | None
    baseline_checks: int | None = Field(examples=[25])
    excluded: list[ExcludedCheck]
    reason: str
    decided_by: str
    decided_at: Time


class LimitLines(_FromRow):
    lower: float
    centre: float
    upper: float


class PlottedPoint(BaseModel):
    check: str
    measured_at: Time
    value: float = Field(description="X̄, individual value or proportion nonconforming", examples=[74.0102])
    limits: LimitLines | None = Field(description="null before limits were decided")
    range: float | None = Field(description="R or MR; the first of a series of individuals has none", examples=[0.038])
    range_limits: LimitLines | None
    limits_version: int | None
    signals: list[str] = Field(examples=[["western-electric-4"]])


class ChartData(BaseModel):
    """What is needed to draw a chart: a page of points in the order of measurement. The next page is of older ones."""

    chart: ChartOut
    unit: str | None = Field(examples=["mm"])
    limits: list[LimitsOut]
    points: list[PlottedPoint]
    next: Next = None


class IndicesOut(_FromRow):
    spread: float | None = Field(description="Cp or Pp; null of a one-sided specification", examples=[1.703])
    centred: float = Field(description="Cpk or Ppk", examples=[1.663])


class CapabilityOut(BaseModel):
    """Cp and Cpk from the variation within subgroups, Pp and Ppk from that of all values (NIST e-Handbook 6.1.6; ISO
    22514-2). They hold for a stable process with normally distributed values."""

    chart: str
    specification_version: int
    unit: str
    lower_limit: float | None
    upper_limit: float | None
    checks: int = Field(examples=[25])
    values: int = Field(examples=[125])
    mean: float = Field(examples=[74.00118])
    sigma_within: float = Field(description="R̄/d2, or MR̄/1.128 of individuals", examples=[0.009785])
    sigma_overall: float = Field(description="sample standard deviation of all values", examples=[0.01007])
    capability: IndicesOut = Field(description="Cp, Cpk")
    performance: IndicesOut = Field(description="Pp, Ppk")
    signals: int = Field(description="in this time; a process with signals is not stable", examples=[0])
    judged: bool = Field(description="all checks were judged by limits; else nobody knows whether it is stable")


class RuleOut(_FromRow):
    rule_set: RuleSet
    name: str = Field(examples=["nelson-2"])
    text: str = Field(examples=["nine points in a row on one side"])
    source: str


class Rules(BaseModel):
    items: list[RuleOut]
