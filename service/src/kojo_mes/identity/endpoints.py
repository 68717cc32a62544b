"""/api/v1/identity: logins and one's own account, people, devices."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from kojo_mes.identity import accounts, devices, oidc, people, policy, sessions
from kojo_mes.identity.authority import request_id
from kojo_mes.identity.roles import JobRole
from kojo_mes.identity.schemas import (
    AcknowledgementIn,
    DeviceIn,
    DeviceKey,
    DeviceOut,
    Done,
    Login,
    Me,
    PasswordChange,
    PasswordSetting,
    PersonAdded,
    PersonIn,
    PersonOut,
    Policy,
    ProofIn,
    QualificationIn,
    QualificationOut,
    Reason,
    Refresh,
    ResetOut,
    RoleIn,
    SkewIn,
    Tokens,
)
from kojo_mes.identity.strangers import Caller
from kojo_mes.kit.database import Database
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page
from kojo_mes.kit.problems import Problem, responses
from kojo_mes.kit.security import Actor, Permission, authenticated, permitted
from kojo_mes.kit.settings import Environment
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.throttle import by_address
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing, writing_own

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/identity",
    tags=["identity"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
CHANGE = responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
)
OF_ONE = responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
Id = Annotated[
    str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"])
]
Own = Annotated[Write, Depends(writing_own)]
Keeper = Annotated[Write, Depends(writing(Permission.PEOPLE_KEEP))]
Granter = Annotated[Write, Depends(writing(Permission.ROLES_GRANT))]
Prover = Annotated[Write, Depends(writing(Permission.IDENTITY_PROVE))]
Qualifier = Annotated[Write, Depends(writing(Permission.QUALIFICATIONS_KEEP))]
DeviceKeeper = Annotated[Write, Depends(writing(Permission.DEVICES_KEEP))]
DeviceTuner = Annotated[Write, Depends(writing(Permission.DEVICES_TUNE))]
PEOPLE_READER = Depends(permitted(Permission.PEOPLE_READ))
DEVICES_READER = Depends(permitted(Permission.DEVICES_READ))
BY_ADDRESS = [Depends(by_address)]
OFF = responses(HTTPStatus.NOT_FOUND)
OIDC_PATH, OIDC_COOKIE = "/api/v1/identity/oidc", "kojo-mes-oidc"
NO_STORE = {"Cache-Control": "no-store"}


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _caller(request: Request) -> Caller:
    return Caller.of(request, request_id())


def _provider(request: Request) -> oidc.Provider:
    provider: oidc.Provider | None = request.app.state.provider
    if provider is None:
        raise Problem(HTTPStatus.NOT_FOUND, "no-provider", "This plant has no OpenID provider", "Log in by password.")
    return provider


@router.post("/sessions", dependencies=BY_ADDRESS)
async def login(request: Request, response: Response, body: Login) -> Tokens:
    """By user name and password. Failures are counted; too many lock the account for some minutes."""
    response.headers.update(NO_STORE)
    state = request.app.state
    return await sessions.login(
        _caller(request), state.settings, state.tokens, body.user_name, body.password.get_secret_value()
    )


@router.post("/sessions/refresh", dependencies=BY_ADDRESS)
async def refresh(request: Request, response: Response, body: Refresh) -> Tokens:
    """The next pair of tokens. Each refresh token is good once; used again, it ends its session."""
    response.headers.update(NO_STORE)
    state = request.app.state
    return await sessions.refresh(
        _database(request), state.settings, state.tokens, body.refresh_token.get_secret_value()
    )


@router.post("/passwords", dependencies=BY_ADDRESS)
async def set_password(request: Request, body: PasswordSetting) -> Done:
    """The person's own choice, by the one-time token of a reset."""
    return await accounts.set_by_token(
        _database(request), body.token.get_secret_value(), body.new_password.get_secret_value()
    )


@router.post("/passwords/change", dependencies=BY_ADDRESS)
async def change_password(request: Request, body: PasswordChange) -> Done:
    """By the present password, also when that is too old to log in with. Ends the person's sessions."""
    return await accounts.change(
        _caller(request),
        body.user_name,
        body.password.get_secret_value(),
        body.new_password.get_secret_value(),
    )


@router.get("/oidc/login", status_code=303, response_class=RedirectResponse, responses=OFF, dependencies=BY_ADDRESS)
async def oidc_login(request: Request) -> RedirectResponse:
    """To the OpenID provider."""
    departure = await _provider(request).departure()
    response = RedirectResponse(departure.url, HTTPStatus.SEE_OTHER)
    is_https = request.app.state.settings.environment is not Environment.DEVELOPMENT
    response.set_cookie(
        OIDC_COOKIE,
        departure.cookie,
        int(oidc.PATIENCE.total_seconds()),
        path=OIDC_PATH,
        httponly=True,
        secure=is_https,
    )
    return response


@router.get("/oidc/callback", responses=OFF, dependencies=BY_ADDRESS)
async def oidc_callback(
    request: Request,
    response: Response,
    state: Annotated[str, Query(max_length=200)],
    code: Annotated[str, Query(max_length=4000, description="of the provider")] = "",
    cookie: Annotated[str, Cookie(alias=OIDC_COOKIE, max_length=4000)] = "",
) -> Tokens:
    """Back from the provider. Needs the cookie of this browser's own departure."""
    subject = await _provider(request).subject(cookie, state, code)
    response.headers.update(NO_STORE)
    response.delete_cookie(OIDC_COOKIE, OIDC_PATH)
    application = request.app.state
    return await oidc.login(_database(request), application.settings, application.tokens, subject)


@router.get("/me")
async def me(request: Request, actor: Annotated[Actor, Depends(authenticated)]) -> Me:
    """One's own account, and the policy to acknowledge."""
    if actor.kind != "person":
        raise Problem(HTTPStatus.FORBIDDEN, "not-a-person", "Only people have an account of their own")
    own = await _database(request).read(lambda session: people.show(session, actor.id))
    return Me(**own.model_dump(), policy=Policy(version=policy.VERSION, text=policy.TEXT))


@router.post("/me/acknowledgements", response_model=Done)
async def acknowledge(write: Own, body: AcknowledgementIn) -> Response:
    """That one's account and signature are one's own alone. Nothing else is allowed before."""
    if write.actor.kind != "person":
        raise Problem(HTTPStatus.FORBIDDEN, "not-a-person", "Only people acknowledge the policy")
    return await write.run(lambda session: accounts.acknowledge(session, write.actor, body.policy))


@router.post("/me/logout", response_model=Done)
async def logout(write: Own) -> Response:
    """Ends the session of the access token."""
    return await write.run(lambda session: sessions.logout(session, write.actor))


@router.get("/people", dependencies=[PEOPLE_READER])
async def list_people(request: Request, cursor: Cursor, limit: Limit = DEFAULT_LIMIT) -> Page[PersonOut]:
    """All there ever were, in the order of their adding."""
    return await _database(request).read(lambda session: people.page(session, cursor, limit))


@router.post("/people", response_model=PersonAdded, status_code=201, responses=responses(HTTPStatus.CONFLICT))
async def add_person(write: Keeper, body: PersonIn) -> Response:
    """With a one-time token, for the person alone to set a password with."""
    return await write.run(
        lambda session: people.add(session, write.actor, body), status=HTTPStatus.CREATED, once={"reset_token"}
    )


@router.get("/people/{person_id}", dependencies=[PEOPLE_READER], responses=responses(HTTPStatus.NOT_FOUND))
async def show_person(request: Request, response: Response, person_id: Id) -> PersonOut:
    person = await _database(request).read(lambda session: people.show(session, person_id))
    etag(response, person.version)
    return person


@router.post("/people/{person_id}/deactivation", response_model=PersonOut, responses=CHANGE)
async def deactivate_person(write: Keeper, person_id: Id, version: IfMatch, body: Reason) -> Response:
    """For ever. People are never deleted, and their user names never given to others."""
    return await write.run(lambda session: people.deactivate(session, write.actor, person_id, version, body.reason))


@router.post("/people/{person_id}/password-resets", response_model=ResetOut, status_code=201, responses=OF_ONE)
async def reset_password(write: Keeper, person_id: Id) -> Response:
    """A one-time token for the person. Until it is used nobody logs in or signs as this person; then another than who
    asked for the reset has to prove the person's identity before the person signs."""
    return await write.run(
        lambda session: people.reset(session, write.actor, person_id), status=HTTPStatus.CREATED, once={"reset_token"}
    )


@router.post("/people/{person_id}/unlock", response_model=PersonOut, responses=OF_ONE)
async def unlock_person(write: Keeper, person_id: Id) -> Response:
    """Before the lockout ends by itself."""
    return await write.run(lambda session: people.unlock(session, write.actor, person_id))


@router.post("/people/{person_id}/session-ends", response_model=PersonOut, responses=OF_ONE)
async def end_sessions(write: Keeper, person_id: Id, body: Reason) -> Response:
    """All sessions of the person; their access tokens are refused within a second."""
    return await write.run(lambda session: people.end_sessions(session, write.actor, person_id, body.reason))


@router.post("/people/{person_id}/roles", response_model=PersonOut, responses=CHANGE)
async def grant_role(write: Granter, person_id: Id, version: IfMatch, body: RoleIn) -> Response:
    """A job role. Most are of use only with a valid qualification; an administrator has no other."""
    return await write.run(lambda session: people.grant(session, write.actor, person_id, version, body.role))


@router.delete("/people/{person_id}/roles/{role}", response_model=PersonOut, responses=CHANGE)
async def revoke_role(write: Granter, person_id: Id, role: JobRole, version: IfMatch) -> Response:
    return await write.run(lambda session: people.revoke(session, write.actor, person_id, version, role))


@router.post("/people/{person_id}/identity-proofs", response_model=PersonOut, status_code=201, responses=OF_ONE)
async def prove_identity(write: Prover, person_id: Id, body: ProofIn) -> Response:
    """That the account is of whom its name says (21 CFR 11.100(b)); not by who reset its password."""
    return await write.run(
        lambda session: people.prove(session, write.actor, person_id, body), status=HTTPStatus.CREATED
    )


@router.get(
    "/people/{person_id}/qualifications", dependencies=[PEOPLE_READER], responses=responses(HTTPStatus.NOT_FOUND)
)
async def list_qualifications(
    request: Request, person_id: Id, cursor: Cursor, limit: Limit = DEFAULT_LIMIT
) -> Page[QualificationOut]:
    return await _database(request).read(lambda session: people.qualifications(session, person_id, cursor, limit))


@router.post("/people/{person_id}/qualifications", response_model=QualificationOut, status_code=201, responses=OF_ONE)
async def qualify(write: Qualifier, person_id: Id, body: QualificationIn) -> Response:
    """Training for a role, with its end (21 CFR 11.10(i))."""
    return await write.run(
        lambda session: people.qualify(session, write.actor, person_id, body), status=HTTPStatus.CREATED
    )


@router.post(
    "/people/{person_id}/qualifications/{qualification_id}/revocation",
    response_model=QualificationOut,
    responses=OF_ONE,
)
async def disqualify(write: Qualifier, person_id: Id, qualification_id: Id, body: Reason) -> Response:
    return await write.run(
        lambda session: people.disqualify(session, write.actor, person_id, qualification_id, body.reason)
    )


@router.get("/devices", dependencies=[DEVICES_READER])
async def list_devices(request: Request, cursor: Cursor, limit: Limit = DEFAULT_LIMIT) -> Page[DeviceOut]:
    return await _database(request).read(lambda session: devices.page(session, cursor, limit))


@router.post("/devices", response_model=DeviceKey, status_code=201, responses=responses(HTTPStatus.CONFLICT))
async def add_device(write: DeviceKeeper, body: DeviceIn) -> Response:
    """With its key, which is shown this once."""
    return await write.run(
        lambda session: devices.add(session, write.actor, body), status=HTTPStatus.CREATED, once={"key"}
    )


@router.get("/devices/{device_id}", dependencies=[DEVICES_READER], responses=responses(HTTPStatus.NOT_FOUND))
async def show_device(request: Request, response: Response, device_id: Id) -> DeviceOut:
    device = await _database(request).read(lambda session: devices.show(session, device_id))
    etag(response, device.version)
    return device


@router.put("/devices/{device_id}", response_model=DeviceOut, responses=CHANGE)
async def bind_device(write: DeviceKeeper, device_id: Id, version: IfMatch, body: DeviceIn) -> Response:
    """Binds it to other equipment or another client certificate."""
    return await write.run(lambda session: devices.bind(session, write.actor, device_id, version, body))


@router.put("/devices/{device_id}/skew", response_model=DeviceOut, responses=CHANGE)
async def tune_device(write: DeviceTuner, device_id: Id, version: IfMatch, body: SkewIn) -> Response:
    """How far its clock may be off, and whether its readings beyond that are refused or flagged."""
    return await write.run(lambda session: devices.tune(session, write.actor, device_id, version, body))


@router.post("/devices/{device_id}/keys", response_model=DeviceKey, status_code=201, responses=CHANGE)
async def new_device_key(write: DeviceKeeper, device_id: Id, version: IfMatch) -> Response:
    """A new key, shown this once; the old one ends within a second."""
    return await write.run(
        lambda session: devices.new_key(session, write.actor, device_id, version),
        status=HTTPStatus.CREATED,
        once={"key"},
    )


@router.post("/devices/{device_id}/deactivation", response_model=DeviceOut, responses=CHANGE)
async def deactivate_device(write: DeviceKeeper, device_id: Id, version: IfMatch, body: Reason) -> Response:
    return await write.run(lambda session: devices.deactivate(session, write.actor, device_id, version, body.reason))
