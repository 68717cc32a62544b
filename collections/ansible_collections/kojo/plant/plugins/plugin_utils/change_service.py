# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Asks the service for a change, and uses the change up there."""

from __future__ import annotations

import hashlib
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

from ansible_collections.kojo.plant.plugins.module_utils.https_json import Transport, Unreachable
from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import (
    Authority,
    Basis,
    Grant,
    Question,
    Refused,
    read_time,
    same_use,
)

ATTEMPTS, PAUSE = 3, 1.0  # of a use, which its key makes safe to repeat; seconds
PROBLEM = "urn:kojo:problem:"


class Unanswered(Exception):
    """The service can't say: it isn't reachable, is ill, or doesn't know the question."""


class ChangeService:
    def __init__(self, transport: Transport, key: str, pause: Callable[[float], object] = time.sleep) -> None:
        self._transport, self._key, self._pause = transport, key, pause

    def ask(self, question: Question, moment: datetime) -> Grant:
        """Refused when the service says no, Unanswered when it says nothing."""
        asked = urllib.parse.urlencode({"digest": question.digest, "plant": question.plant})
        said = self._answer("GET", f"{_path(question)}/authorisation?{asked}")
        try:
            use, reasons = said["use"], [str(reason) for reason in said["reasons"]]
            grant = Grant(
                Authority.SERVICE,
                Basis(said["basis"]) if said["authorised"] is True else None,
                during_production=said["during_production"] is True,
                until=read_time(said["until"]) if said["until"] else None,
                used=use is not None,
            )
            used = (str(use["reference"]), read_time(use["at"])) if use else None
        except (KeyError, TypeError, ValueError) as error:
            raise Unanswered(f"what it answered is no authorisation ({error!r})") from error
        if grant.basis is not None:
            return grant
        # nothing but its own use stands against it
        if used is not None and len(reasons) == 1:
            same_use(question, *used, moment)
            return grant
        raise Refused(*reasons)

    def use(self, question: Question, grant: Grant) -> Grant:
        """GRANT as it is with the use; the same reference again is the same use. Refused, Unanswered."""
        named = hashlib.sha256(f"{question.change}\n{question.reference}".encode()).hexdigest()
        body = {"digest": question.digest, "plant": question.plant, "reference": question.reference}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                said = self._answer("POST", f"{_path(question)}/use", body, {"Idempotency-Key": f"kojo-gate-{named}"})
                break
            except Unanswered:
                if attempt == ATTEMPTS:
                    raise
                self._pause(PAUSE)
        try:
            glass = said["break_glass"]
            if grant.basis is None:
                grant = replace(grant, basis=Basis.BREAK_GLASS if glass else Basis.APPROVALS)
            if grant.basis is Basis.BREAK_GLASS:
                grant = replace(grant, reason=str(glass["reason"]), review_due=read_time(glass["review_due_at"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Unanswered(f"what it answered is no change ({error!r})") from error
        return grant

    def _answer(
        self, method: str, path: str, body: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        sent = {"Authorization": f"Bearer {self._key}", **(headers or {})}
        try:
            response = self._transport.request(method, path, body, sent)
        except Unreachable as error:
            raise Unanswered(str(error)) from error
        status, said = response.status, response.data if isinstance(response.data, dict) else None
        if status == HTTPStatus.OK and said is not None:
            return said
        said = said or {}
        words = _words(said)
        if _says_nothing(status, str(said.get("type", "")).removeprefix(PROBLEM)):
            raise Unanswered(f"it answered {status}, {words}")
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise Refused(
                f"the service doesn't let the gate ask ({status}, {words}): plant_secrets.mes_gate_key is not the key"
                " that it knows; run site.yml, which hands it out"
            )
        raise Refused(f"the service says {status}, {words}")


def _words(problem: dict[str, Any]) -> str:
    """What a problem document says (RFC 9457, and the service's list of wrong fields)."""
    said = [str(problem[name]) for name in ("title", "detail") if problem.get(name)]
    errors = problem.get("errors")
    if isinstance(errors, list):
        said += [f"{error.get('field')} {error.get('detail')}" for error in errors if isinstance(error, dict)]
    return ": ".join(said) or "without a word"


def _says_nothing(status: int, problem: str) -> bool:
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return problem != "not-found"  # there is no such route: a first installation
    return (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status in (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS)
        or problem == "idempotency-key-in-flight"
    )


def _path(question: Question) -> str:
    return f"/api/v1/changes/{urllib.parse.quote(question.change, safe='')}"
