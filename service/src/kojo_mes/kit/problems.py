"""Every error of the API is a problem document (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from kojo_mes.kit.database import DatabaseUnavailable
from kojo_mes.kit.logging import get

log = get(__name__)
MEDIA_TYPE = "application/problem+json"


class Fault(BaseModel):
    """One wrong field of a request."""

    place: str = Field(description="body, query, path or header", examples=["body"])
    index: int | None = Field(default=None, description="position in the batch, from 0", examples=[3])
    field: str = Field(examples=["value"])
    detail: str = Field(examples=["Input should be a finite number"])


class ProblemDocument(BaseModel):
    type: str = Field(examples=["urn:kojo:problem:invalid-request"])
    title: str = Field(examples=["The request is not valid"])
    status: int = Field(examples=[422])
    detail: str | None = Field(default=None, examples=["Nothing was stored."])
    errors: list[Fault] | None = None


class Problem(HTTPException):
    """Raised anywhere; answered as a problem document. FastAPI lets HTTPExceptions through wherever they are raised."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        title: str,
        detail: str | None = None,
        errors: Sequence[Fault] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, title, headers)
        self.document = ProblemDocument(
            type=f"urn:kojo:problem:{kind}",
            title=title,
            status=status,
            detail=detail,
            errors=list(errors) if errors else None,
        )

    def response(self) -> JSONResponse:
        return JSONResponse(
            self.document.model_dump(exclude_none=True),
            status_code=self.document.status,
            headers=dict(self.headers or {}),
            media_type=MEDIA_TYPE,
        )


def invalid(errors: Sequence[Fault]) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "The request is not valid", "Nothing was stored.", errors
    )


def unavailable(what: str, retry_after: int = 1) -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        f"{what} is not available",
        "Send the same request again, with the same Idempotency-Key.",
        headers={"Retry-After": str(retry_after)},
    )


def responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: which problems an endpoint answers with."""
    return {
        int(status): {
            "description": status.phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
            "model": ProblemDocument,
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(DatabaseUnavailable, _database_unavailable)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response()


async def _database_unavailable(_request: Request, error: Exception) -> JSONResponse:
    log.warning("database_unavailable", reason=str(error.__cause__ or error))
    return unavailable("The database").response()


async def _validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return invalid([_fault(item["loc"], item["msg"]) for item in error.errors()]).response()


def _fault(location: Sequence[int | str], message: str) -> Fault:
    place, *path = location
    index = next((part for part in path if isinstance(part, int)), None)
    names = [part for part in path if isinstance(part, str)]
    return Fault(place=str(place), index=index, field=names[-1] if names else str(place), detail=message)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.BAD_REQUEST:  # FastAPI's, for a body that is no text, or JSON past all reason
        return invalid([Fault(place="body", field="body", detail="is not JSON in UTF-8")]).response()
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return Problem(status, f"http-{status}", status.phrase, headers=headers).response()


def _methods(request: Request) -> set[str]:
    """Of all routes that have this path: Starlette names those of the first one alone."""
    path = request.url.path
    return {
        method
        for route in iter_route_contexts(request.app.routes)
        if route.path_regex is not None and route.path_regex.match(path)
        for method in route.methods or ()
    }


async def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected_error", exc_info=error)
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed", "The request was not stored."
    ).response()
