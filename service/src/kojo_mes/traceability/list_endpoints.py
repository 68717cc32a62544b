"""/api/v1/traceability: several lots or serials under one signature."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from kojo_mes.kit.database import WriteSession
from kojo_mes.kit.problems import responses
from kojo_mes.signatures.schemas import Signature
from kojo_mes.traceability import release
from kojo_mes.traceability.endpoints import Releaser, Reviewer
from kojo_mes.traceability.schemas import Released, ReleasesIn, ReviewsIn

router = APIRouter(
    prefix="/api/v1/traceability",
    tags=["traceability"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)


@router.post("/audit-reviews", status_code=HTTPStatus.CREATED, response_model=Signature)
async def review_lots(write: Reviewer, wanted: ReviewsIn) -> Response:
    """Signs, once for all, that their audit trails were reviewed with their records. For each it is void as soon as
    that one changes. 409 names those that have changed since they were seen."""

    async def work(session: WriteSession) -> Signature:
        return await release.review_all(session, write.actor, wanted)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.post("/releases", response_model=Released)
async def release_lots(write: Releaser, wanted: ReleasesIn) -> Response:
    """Signs the release of all of them at once, or releases none. 409 names, for each, all that is missing: the audit
    review by somebody else, the closure of nonconformances, the end of holds."""

    async def work(session: WriteSession) -> Released:
        return await release.release_all(session, write.actor, wanted)

    return await write.run(work)
