"""What Prometheus reads from the API itself. Names are the ones that the plant's dashboards and alerts use."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

# edges at the promises: database 0.05, API 0.2, alert 0.5
REQUEST_DURATION = Histogram(
    "manufacturing_api_request_duration_seconds",
    "Time from a request's first byte to its answer's last, or to the first of a stream of events",
    ["service", "route", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0),
)
# as long as the service waits for it: network, lock and synchronous standby are in it, and the process's own queue
STATEMENT_DURATION = Histogram(
    "manufacturing_db_statement_duration_seconds",
    "Time from a statement's sending to its answer, by kind: execute, copy, commit",
    ["kind"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0),
)
REQUESTS_RUNNING = Gauge("manufacturing_api_requests_in_progress", "Requests that are being answered")
REQUESTS_THROTTLED = Counter(
    "manufacturing_api_requests_throttled_total",
    "Requests refused with 429, of clients that were known, or of an address without a valid credential",
    ["client"],
)
DATABASE_UP = Gauge("manufacturing_db_up", "1 when the last write to the database was committed, else 0")
REDIS_UP = Gauge("manufacturing_redis_up", "1 when the last call of Redis was answered, else 0")
READINGS = Counter("manufacturing_readings_total", "Readings sent to this process, by what became of them", ["outcome"])
BREAK_GLASS_UNREVIEWED = Gauge("kojo_mes_break_glass_unreviewed", "Changes by break-glass that wait for their review")
BREAK_GLASS_OVERDUE = Gauge("kojo_mes_break_glass_review_overdue", "Of them, those whose review is overdue")

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
