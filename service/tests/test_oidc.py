"""Login by an OpenID provider, against one that really signs, on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from conftest import client_of, fields
from cryptography.hazmat.primitives.asymmetric import rsa
from oidc_provider import CLIENT, SECRET, OpenIdProvider, openid_provider
from people import Somebody, somebody
from test_logins import API, actions, status_of

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
async def browser(variables: dict[str, str], provider: OpenIdProvider) -> AsyncIterator[httpx.AsyncClient]:
    more = {
        "KOJO_MES_OIDC_ISSUER": provider.issuer,
        "KOJO_MES_OIDC_CLIENT_ID": CLIENT,
        "KOJO_MES_OIDC_CLIENT_SECRET": SECRET,
        "KOJO_MES_OIDC_REDIRECT_URI": f"http://test{API}/oidc/callback",
    }
    async with client_of(create_app(ApiSettings(**fields(variables | more)))) as client:
        del client.headers["Authorization"]
        yield client


@pytest.fixture
def hanako(admin: psycopg.Connection, provider: OpenIdProvider) -> Somebody:
    person = somebody(admin, "operator", password=False)
    admin.execute("UPDATE mes.person SET oidc_subject = %s WHERE id = %s", (provider.subject, person.id))
    return person


async def departure(browser: httpx.AsyncClient) -> str:
    """Where the provider sends the browser back to."""
    answer = await browser.get(f"{API}/oidc/login")
    assert answer.status_code == 303
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    async with httpx.AsyncClient(timeout=60) as outside:
        return (await outside.get(answer.headers["Location"])).headers["Location"]


async def test_a_bound_person_is_let_in(
    browser: httpx.AsyncClient, hanako: Somebody, admin: psycopg.Connection
) -> None:
    answer = await browser.get(await departure(browser))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    tokens = answer.json()
    assert (tokens["person"], tokens["password_expires_at"]) == (hanako.id, None)
    assert await status_of(browser, tokens) == 200
    assert "identity:login" in actions(admin, hanako)


async def test_who_is_not_bound_is_not(browser: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    somebody(admin, "operator")
    answer = await browser.get(await departure(browser))
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:kojo:problem:login-refused")


async def test_a_deactivated_person_is_not(
    browser: httpx.AsyncClient, hanako: Somebody, admin: psycopg.Connection
) -> None:
    admin.execute("UPDATE mes.person SET deactivated_at = now() WHERE id = %s", (hanako.id,))
    assert (await browser.get(await departure(browser))).status_code == 401


async def test_nobody_logs_in_while_a_reset_is_open(
    browser: httpx.AsyncClient, hanako: Somebody, admin: psycopg.Connection
) -> None:
    admin.execute(
        "INSERT INTO mes.password_reset (token_hash, person_id, created_by, created_at, expires_at)"
        " VALUES (sha256('x'), %s, 'test', now() - interval '2 h', now() - interval '1 h')",
        (hanako.id,),
    )
    refused = await browser.get(await departure(browser))
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:kojo:problem:login-refused")
    assert "reset" in refused.json()["detail"]
    admin.execute("UPDATE mes.password_reset SET used_at = now()")
    assert (await browser.get(await departure(browser))).status_code == 200


async def test_an_answer_is_good_once_and_in_its_own_browser(browser: httpx.AsyncClient, hanako: Somebody) -> None:
    back = await departure(browser)
    cookies = dict(browser.cookies)
    browser.cookies.clear()
    assert (await browser.get(back)).status_code == 401, "another browser has no cookie"
    other = await departure(browser)
    assert (await browser.get(back)).status_code == 401, "the cookie is of another login"
    browser.cookies.clear()
    browser.cookies.update(cookies)
    assert (await browser.get(back)).status_code == 200
    browser.cookies.update(cookies)
    assert (await browser.get(back)).status_code == 401, "the code was used"
    state = parse_qs(urlsplit(other).query)["state"][0]
    assert (await browser.get(f"{API}/oidc/callback", params={"state": state, "code": "x"})).status_code == 401
    refused = await browser.get(f"{API}/oidc/callback", params={"state": state, "error": "access_denied"})
    assert refused.status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"iss": "http://another"},
        {"exp": 1_700_000_000},
    ],
    ids=lambda claims: "-".join(claims),
)
async def test_a_token_of_something_else_is_refused(
    browser: httpx.AsyncClient, provider: OpenIdProvider, hanako: Somebody, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert (await browser.get(await departure(browser))).status_code == 401


async def test_a_token_of_another_key_is_refused(
    browser: httpx.AsyncClient, provider: OpenIdProvider, hanako: Somebody
) -> None:
    provider.signing_key = rsa.generate_private_key(65537, 2048)
    assert (await browser.get(await departure(browser))).status_code == 401


async def test_a_provider_that_is_away_or_says_another_name_is_503(
    browser: httpx.AsyncClient, provider: OpenIdProvider
) -> None:
    provider.issuer += "/other"
    answer = await browser.get(f"{API}/oidc/login")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


async def test_without_a_provider_there_is_none(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{API}/oidc/login")).status_code == 404
