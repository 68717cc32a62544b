"""The OpenAPI document: what the routes declare, and what each of them answers besides."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from kojo_mes.kit.examples import add_examples
from kojo_mes.kit.problems import MEDIA_TYPE, responses
from kojo_mes.kit.versions import ETAG

METHODS = {"get", "post", "put", "patch", "delete"}
PATIENT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}  # answers that say when to come again
RETRY_AFTER = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}


def install(app: FastAPI) -> None:
    declared = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = completed(declared())
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, with the answers and headers that no route declares for itself."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in METHODS and path.startswith("/api/"):
                _complete(operation)
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which nothing answers with
        document["components"]["schemas"].pop(unused, None)
    add_examples(document)
    return document


def _complete(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "If-Match":  # FastAPI would answer 422 for one that it needs, RFC 6585 says 428
            parameter |= {"required": True, "schema": {"type": "string", "pattern": ETAG}}
    answers = operation["responses"]
    for status in _common(operation):
        declared = responses(status)[int(status)]
        declared.pop("model")  # its schema is in the document by then
        if MEDIA_TYPE not in answers.get(str(int(status)), {}).get("content", {}):
            answers[str(int(status))] = declared
        if status in PATIENT:
            answers[str(int(status))]["headers"] = RETRY_AFTER
    for answer in answers.values():  # FastAPI adds JSON for each model; a problem is never sent as that
        if MEDIA_TYPE in answer.get("content", {}):
            answer["content"].pop("application/json", None)


def _common(operation: dict[str, Any]) -> Iterator[HTTPStatus]:
    """What middleware, the check of the request, and kit/writes.py answer."""
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    yield from PATIENT
    if operation.get("security"):
        yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if names or "requestBody" in operation:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    if "requestBody" in operation:
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if "Idempotency-Key" in names:
        yield HTTPStatus.CONFLICT
