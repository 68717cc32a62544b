"""Wrong settings: all faults at once, each by its variable, before anything starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg.conninfo
import pytest
import servers
from authority import seal_key
from conftest import KEYS, environment
from oidc_provider import CLIENT, openid_provider
from test_audit_api import FONTS

from kojo_mes.cli import main
from kojo_mes.kit.settings import ApiSettings, SettingsError, load, variables

STRONG = "t5Gf0pQm2XzR8kLw"
FONT = str(next(font for font in FONTS if font.is_file()))


def keys(name: str = "device", **scope: list[str]) -> str:
    return json.dumps(KEYS | {name: KEYS[name] | scope})


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that is right; tests break it."""
    for name in ("certificate", "key", "ca"):
        path = tmp_path / name
        path.touch()
        monkeypatch.setenv(f"KOJO_MES_TLS_{name.upper()}", str(path))
    for name in ("DATABASE_PASSWORD", "REDIS_PASSWORD", "SENTINEL_PASSWORD"):
        monkeypatch.setenv(f"KOJO_MES_{name}", STRONG)
    monkeypatch.setenv("KOJO_MES_DATABASE_HOSTS", "10.0.0.1:5432,db2:5433")
    monkeypatch.setenv("KOJO_MES_REDIS_SENTINELS", "10.0.0.1:26379")
    monkeypatch.setenv("KOJO_MES_API_KEYS", keys(lines=["line-1"]))
    monkeypatch.setenv("KOJO_MES_TOKEN_SECRET", STRONG)
    monkeypatch.setenv("KOJO_MES_SEAL_KEY_FILE", str(seal_key(tmp_path)))
    monkeypatch.setenv("KOJO_MES_SEAL_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("KOJO_MES_ARCHIVE_DIRECTORY", str(tmp_path))
    return monkeypatch


def faults() -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(ApiSettings)
    return dict(fault.split(": ", 1) for fault in caught.value.faults)


def test_the_connection_goes_to_whoever_accepts_writes(production: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(load(ApiSettings).conninfo())
    expected = {
        "host": "10.0.0.1,db2",
        "port": "5432,5433",
        "dbname": "kojo",
        "user": "kojo_app",
        "password": STRONG,
        "target_session_attrs": "read-write",
        "connect_timeout": "2",
        "tcp_user_timeout": "5000",
        "sslmode": "verify-full",
        "sslrootcert": str(tmp_path / "ca"),
        "ssl_min_protocol_version": "TLSv1.3",
    }
    assert {name: str(parts[name]) for name in expected} == expected


def test_every_fault_is_named_in_one_run(production: pytest.MonkeyPatch) -> None:
    production.setenv("KOJO_MES_DATABASE_HOSTS", "db1")
    production.delenv("KOJO_MES_REDIS_SENTINELS")
    production.setenv("KOJO_MES_DATABASE_PASSWORD", "changeme")
    production.setenv("KOJO_MES_REDIS_PASSWORD", "a" * 32)
    production.setenv("KOJO_MES_API_KEYS", '{"x": {"sha256": "12", "role": "king"}}')
    production.setenv("KOJO_MES_TLS_KEY", "/nowhere")
    production.setenv("KOJO_MES_LISTEN_PORT", "99999")
    production.setenv("KOJO_MES_REDIS_SENTINEL", "10.0.0.1:26379")
    found = faults()
    assert set(found) == {
        "KOJO_MES_DATABASE_HOSTS",
        "KOJO_MES_REDIS_SENTINELS",
        "KOJO_MES_DATABASE_PASSWORD",
        "KOJO_MES_REDIS_PASSWORD",
        "KOJO_MES_API_KEYS → x → sha256",
        "KOJO_MES_API_KEYS → x → role",
        "KOJO_MES_TLS_KEY",
        "KOJO_MES_LISTEN_PORT",
        "KOJO_MES_REDIS_SENTINEL",
    }
    assert found["KOJO_MES_REDIS_SENTINELS"] == "is missing"
    assert "'db1' is not host:port" in found["KOJO_MES_DATABASE_HOSTS"]
    assert "do you mean KOJO_MES_REDIS_SENTINELS?" in found["KOJO_MES_REDIS_SENTINEL"]


def test_no_secret_shows_in_a_fault(production: pytest.MonkeyPatch) -> None:
    production.setenv("KOJO_MES_DATABASE_PASSWORD", "hunter2")
    assert "hunter2" not in str(faults())


def test_outside_development_tls_is_not_optional(production: pytest.MonkeyPatch) -> None:
    for name in ("CERTIFICATE", "KEY", "CA"):
        production.delenv(f"KOJO_MES_TLS_{name}")
    assert set(faults()) == {"KOJO_MES_TLS_CERTIFICATE", "KOJO_MES_TLS_KEY", "KOJO_MES_TLS_CA"}
    production.setenv("KOJO_MES_ENVIRONMENT", "development")
    load(ApiSettings)


def test_outside_development_the_audit_trail_is_sealed_and_kept(production: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = {f"KOJO_MES_{name}" for name in ("SEAL_KEY_FILE", "SEAL_DIRECTORY", "ARCHIVE_DIRECTORY")}
    for name in names:
        production.delenv(name)
    assert set(faults()) == names
    (tmp_path / "no-key").write_text("-----BEGIN NOTHING-----")
    for name in names:
        production.setenv(name, str(tmp_path / "no-key"))
    found = faults()
    assert "is not a private key in PEM" in found["KOJO_MES_SEAL_KEY_FILE"]
    assert "is not a directory" in found["KOJO_MES_SEAL_DIRECTORY"]
    assert "is not a directory" in found["KOJO_MES_ARCHIVE_DIRECTORY"]
    production.setenv("KOJO_MES_JOURNAL_KEYS", '{"control1": "12"}')
    assert "KOJO_MES_JOURNAL_KEYS → control1" in faults()


UNBOUND = "give lines, equipment or sensors that the key speaks for"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (keys(), f"device: {UNBOUND}"),
        (keys(lines=[], equipment=[], sensors=[]), f"device: {UNBOUND}"),
        (keys(equipment=["press-1"]), None),
        (keys(sensors=["press-1.temperature"]), None),
        (keys("operator", lines=["line-1"]), "operator: only keys of the role device"),
    ],
)
def test_a_devices_key_is_bound_where_there_is_a_plant(
    production: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str, fault: str | None
) -> None:
    production.setenv("KOJO_MES_API_KEYS", given)
    if fault is None:
        load(ApiSettings)
        return
    assert fault in faults()["KOJO_MES_API_KEYS"]
    assert main(["check"]) == 2
    assert f"KOJO_MES_API_KEYS: {fault}" in capsys.readouterr().err


def test_a_developer_need_not_bind_a_key(production: pytest.MonkeyPatch) -> None:
    production.setenv("KOJO_MES_ENVIRONMENT", "development")
    production.setenv("KOJO_MES_API_KEYS", keys())
    assert not load(ApiSettings).api_keys["device"].is_bound


def test_the_readme_lists_every_variable() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert [name for name in variables() if f"`{name}`" not in readme] == []


def test_check_names_settings_and_connections_in_one_run(
    postgres: servers.Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment(postgres, "nowhere").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KOJO_MES_API_KEYS")
    monkeypatch.setenv("KOJO_MES_PDF_FONT", FONT)
    assert main(["check"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in told] == ["KOJO_MES_API_KEYS", "database", "redis"]
    assert '"nowhere" does not exist' in told[1]


def test_check_passes_when_all_is_right(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with openid_provider() as provider:
        more = {
            "OIDC_ISSUER": provider.issuer,
            "OIDC_CLIENT_ID": CLIENT,
            "OIDC_REDIRECT_URI": "http://plant.test/callback",
            "PDF_FONT": FONT,
        }
        for name, value in (variables | {f"KOJO_MES_{name}": value for name, value in more.items()}).items():
            monkeypatch.setenv(name, value)
        for process in ("api", "archive", "gateway", "migrate"):
            assert main(["check", process]) == 0, capsys.readouterr().err


def test_check_asks_for_the_font_and_the_openid_provider_too(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with openid_provider() as provider:
        broken = {
            "PDF_FONT": "/nowhere/no-font.ttf",
            "OIDC_ISSUER": f"{provider.issuer}/",  # the provider calls itself otherwise
            "OIDC_CLIENT_ID": CLIENT,
            "OIDC_REDIRECT_URI": "http://plant.test/callback",
            "SEAL_KEY_FILE": "/nowhere",
            "ARCHIVE_DIRECTORY": "/nowhere",
            "JOURNAL_KEYS": '{"ansible": "short"}',
            "DATABASE_PASSWORD": "wrong",
        }
        for name, value in (variables | {f"KOJO_MES_{name}": value for name, value in broken.items()}).items():
            monkeypatch.setenv(name, value)
        assert main(["check"]) == 2
    told = dict(line.split(": ", 1) for line in capsys.readouterr().err.splitlines())
    assert set(told) == {
        "KOJO_MES_ARCHIVE_DIRECTORY",
        "KOJO_MES_JOURNAL_KEYS → ansible",
        "KOJO_MES_OIDC_ISSUER",
        "KOJO_MES_PDF_FONT",
        "KOJO_MES_SEAL_KEY_FILE",
        "database",
    }
    assert f"it calls itself {provider.issuer}" in told["KOJO_MES_OIDC_ISSUER"]
    assert "no-font.ttf is missing" in told["KOJO_MES_PDF_FONT"]


def test_wrong_arguments_are_a_fault_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dance"])
    assert caught.value.code == 2


@pytest.mark.parametrize("secret", ["", "secret", "x" * 40])
def test_a_default_token_secret_is_refused(production: pytest.MonkeyPatch, secret: str) -> None:
    production.setenv("KOJO_MES_TOKEN_SECRET", secret)
    assert "missing or weak" in faults()["KOJO_MES_TOKEN_SECRET"]


def test_an_openid_provider_is_given_whole_and_by_https(production: pytest.MonkeyPatch) -> None:
    production.setenv("KOJO_MES_OIDC_ISSUER", "https://login.plant.test")
    assert "given together" in faults()["KOJO_MES_OIDC_REDIRECT_URI"]
    production.setenv("KOJO_MES_OIDC_CLIENT_ID", "kojo-mes")
    production.setenv("KOJO_MES_OIDC_REDIRECT_URI", "https://plant.test/api/v1/identity/oidc/callback")
    assert load(ApiSettings).oidc_client_id == "kojo-mes"
    production.setenv("KOJO_MES_OIDC_ISSUER", "http://login.plant.test")
    assert "https://" in faults()["KOJO_MES_OIDC_ISSUER"]


def test_a_process_with_wrong_settings_ends_at_once_and_names_all_faults(production: pytest.MonkeyPatch) -> None:
    """As systemd starts it. Default secrets are faults, whatever else is."""
    defaults = {
        "DATABASE_PASSWORD": "changeme",
        "REDIS_PASSWORD": "",
        "SENTINEL_PASSWORD": "redis",
        "TOKEN_SECRET": "x",
    }
    for name, value in defaults.items():
        production.setenv(f"KOJO_MES_{name}", value)
    production.setenv("KOJO_MES_LISTEN_PORT", "http")
    ended = subprocess.run(
        [sys.executable, "-m", "kojo_mes.cli", "api"], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 2
    named = {line.split(": ")[0] for line in ended.stderr.splitlines()}
    assert named == {f"KOJO_MES_{name}" for name in (*defaults, "LISTEN_PORT")}
