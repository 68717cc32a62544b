"""Login by an OpenID provider: authorization code with PKCE (OpenID Connect Core 1.0, clause 3.1; RFC 7636)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
from pydantic import BaseModel, HttpUrl, ValidationError

from kojo_mes.identity import repository
from kojo_mes.identity.schemas import Tokens
from kojo_mes.identity.sessions import Opened, open_session, tokens_of
from kojo_mes.identity.tokens import AccessTokens
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.logging import get
from kojo_mes.kit.problems import Problem, unavailable
from kojo_mes.kit.settings import IdentitySettings, OidcSettings, Settings

log = get(__name__)
# asymmetric ones: with a symmetric one the client could sign for the provider
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
PATIENCE = timedelta(minutes=10)  # to log in at the provider
TIMEOUT = 5.0
CLOCK_TOLERANCE = 30.0


class Metadata(BaseModel):
    """What is used of the provider's configuration (OpenID Connect Discovery 1.0, clause 3)."""

    issuer: str
    authorization_endpoint: HttpUrl
    token_endpoint: HttpUrl
    jwks_uri: HttpUrl


@dataclass(frozen=True)
class Departure:
    """Where to send the browser, and what it is to bring back."""

    url: str
    cookie: str


class Provider:
    """One OpenID provider. What is under way is in the browser's cookie, signed: any of our processes may go on."""

    def __init__(self, settings: OidcSettings, key: bytes, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._key = key
        self._tls = tls
        self._metadata: Metadata | None = None
        self._keys: jwt.PyJWKClient | None = None

    async def discover(self) -> None:
        """Problem when the provider doesn't tell what is needed of it; its cause says why."""
        await self._discovered()

    async def departure(self) -> Departure:
        metadata = await self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self._settings.oidc_redirect_uri,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        claims = {"state": state, "nonce": nonce, "verifier": verifier, "exp": datetime.now(UTC) + PATIENCE}
        return Departure(
            f"{metadata.authorization_endpoint}?{urlencode(query)}", jwt.encode(claims, self._key, "HS256")
        )

    async def subject(self, cookie: str, state: str, code: str) -> str:
        """Who came back: the subject of a verified id_token that answers our own question."""
        try:
            asked = jwt.decode(cookie, self._key, algorithms=["HS256"], options={"require": ["exp"]})
        except jwt.InvalidTokenError as error:
            raise _refused("the login took too long, or began elsewhere") from error
        if not hmac.compare_digest(str(asked["state"]), state):
            raise _refused("the answer is not to this browser's login")
        token = await self._id_token(code, asked["verifier"])
        claims = await self._claims(token)
        if not hmac.compare_digest(str(claims.get("nonce")), str(asked["nonce"])):
            raise _refused("the id_token is not of this login")
        subject: str = claims["sub"]
        return subject

    async def _id_token(self, code: str, verifier: str) -> str:
        metadata = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.oidc_redirect_uri or "",
            "client_id": self._settings.oidc_client_id or "",
            "code_verifier": verifier,
        }
        secret = self._settings.oidc_client_secret
        login = (form["client_id"], secret.get_secret_value()) if secret else None
        answer = await self._ask("POST", str(metadata.token_endpoint), data=form, auth=login)
        if answer.status_code != HTTPStatus.OK:
            log.warning("oidc_code_refused", status=answer.status_code)
            raise _refused("the provider refused the code")
        token = answer.json().get("id_token")
        if not isinstance(token, str):
            raise _refused("the provider gave no id_token")
        return token

    async def _claims(self, token: str) -> dict[str, Any]:
        metadata = await self._discovered()
        if self._keys is None:
            self._keys = jwt.PyJWKClient(str(metadata.jwks_uri), timeout=TIMEOUT, ssl_context=self._tls)
        try:
            # it asks the provider for its keys, and blocks
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._settings.oidc_client_id,
                issuer=metadata.issuer,
                leeway=CLOCK_TOLERANCE,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
            if claims["aud"] not in (self._settings.oidc_client_id, [self._settings.oidc_client_id]):
                raise jwt.InvalidAudienceError("the id_token is for others too")
        except jwt.PyJWKClientConnectionError as error:
            raise unavailable("The OpenID provider") from error
        except jwt.PyJWTError as error:
            log.warning("oidc_token_refused", reason=str(error))
            raise _refused("the id_token is not valid") from error
        return claims

    async def _discovered(self) -> Metadata:
        if self._metadata is None:
            issuer = str(self._settings.oidc_issuer)
            answer = await self._ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            try:
                metadata = Metadata.model_validate_json(answer.content)
            except ValidationError as error:
                raise unavailable("The OpenID provider") from error
            if metadata.issuer != issuer:  # Discovery, clause 4.3
                log.error("oidc_issuer_differs", expected=issuer, found=metadata.issuer)
                raise unavailable("The OpenID provider") from ValueError(f"it calls itself {metadata.issuer}")
            self._metadata = metadata
        return self._metadata

    async def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        try:
            async with httpx.AsyncClient(verify=self._tls, timeout=TIMEOUT) as client:
                return await client.request(method, url, **more)
        except httpx.HTTPError as error:
            log.warning("oidc_provider_unavailable", reason=str(error))
            raise unavailable("The OpenID provider") from error


async def login(database: Database, rules: IdentitySettings, tokens: AccessTokens, subject: str) -> Tokens:
    """Of the person that an administrator bound to the subject. Signing still asks for the person's own password."""

    async def work(session: WriteSession) -> Opened | None:
        person = await repository.person_of_subject(session, subject)
        if person is None or person.deactivated_at is not None:
            return None
        if await repository.has_open_reset(session, person.id):
            raise _refused("the password was reset; set one of your own with the token that you were given")
        return await open_session(session, rules, person, "oidc")

    opened = await database.write(work, repeatable=True)
    if opened is None:
        raise _refused("nobody here is bound to this subject; an administrator can do that")
    return tokens_of(opened, rules, tokens)


def trust(settings: Settings) -> ssl.SSLContext:
    """Public CAs, and the plant's own."""
    context = ssl.create_default_context()
    if settings.tls_ca:
        context.load_verify_locations(settings.tls_ca)
    return context


def _refused(why: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, "login-refused", "The login was refused", f"{why[0].upper()}{why[1:]}.")
