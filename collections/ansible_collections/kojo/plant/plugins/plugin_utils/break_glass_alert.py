# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Tells Alertmanager of changes that were made by break-glass on files: the service tells of its own by its metrics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from http import HTTPStatus

from ansible_collections.kojo.plant.plugins.module_utils.https_json import Transport, Unreachable
from ansible_collections.kojo.plant.plugins.plugin_utils.change_approval import BrokenGlass
from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import show

FIRES = timedelta(days=7)  # unless it is told again, or reviewed


class NotTold(Exception):
    """Alertmanager doesn't know."""


def tell(transport: Transport | None, plant: str, glasses: Iterable[BrokenGlass], moment: datetime) -> bool:
    """Whether there was anything to tell: what waits for its review fires, what has it is resolved; NotTold.

    The labels are those of the rule BreakGlassUnreviewed, so both go the same way. Alertmanager's API v2.
    """
    alerts = [_alert(plant, glass, moment) for glass in glasses if not glass.reviewed or moment - glass.use.at < FIRES]
    if not alerts:
        return False
    if transport is None:
        raise NotTold("the plant has no monitoring host")
    try:
        response = transport.request("POST", "/api/v2/alerts", alerts)
    except Unreachable as error:
        raise NotTold(str(error)) from error
    if response.status != HTTPStatus.OK:
        raise NotTold(f"it answered {response.status} {response.data}")
    return True


def _alert(plant: str, glass: BrokenGlass, moment: datetime) -> dict[str, object]:
    use = glass.use
    labels = {"severity": "high", "department": "compliance", "notify": "page", "plant": plant, "change": use.change}
    due = show(use.review_due) if use.review_due else "at once"
    told = f"By {', '.join(use.approvers)}, for {use.reference}; review due {due}. Reason: {use.reason}"
    return {
        "labels": {"alertname": "BreakGlassUnreviewed", **labels},
        "annotations": {
            "summary": f"The change {use.change} was made by break-glass",
            "description": told,
        },
        "startsAt": show(use.at),
        "endsAt": show(moment if glass.reviewed else moment + FIRES),
    }
