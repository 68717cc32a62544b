"""The wheelhouse: what the lock means on the targets, and the same bytes whoever packs them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import wheelhouse

DEBIAN_13 = wheelhouse.Target(python="3.13", machine="x86_64")
LOCK = """\
# compiled
async-timeout==5.0.1 ; python_full_version < '3.11.3' \\
    --hash=sha256:aaaa
    # via redis
redis==7.4.1 \\
    --hash=sha256:bbbb \\
    --hash=sha256:cccc
    # via kojo-mes
tzdata==2026.6 ; sys_platform == 'win32' \\
    --hash=sha256:dddd
"""


def fake_pip(*arguments: str) -> None:
    """Stand in for the download and for the build, which need the network."""
    folder = Path(arguments[arguments.index("--dest" if arguments[0] == "download" else "--wheel-dir") + 1])
    name = "redis-7.4.1-py3-none-any.whl" if arguments[0] == "download" else "kojo_mes-1.2.3-py3-none-any.whl"
    (folder / name).write_bytes(name.encode())


@pytest.fixture
def service(tmp_path: Path) -> Path:
    folder = tmp_path / "service"
    (folder / "src" / "kojo_mes").mkdir(parents=True)
    (folder / "src" / "kojo_mes" / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text('[project]\nname = "kojo-mes"\nversion = "1.2.3"\n')
    (folder / "README.md").write_text("kojo-mes\n")
    (folder / "requirements.lock").write_text(LOCK)
    return folder


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheelhouse, "pip", fake_pip)


def test_markers_are_asked_of_the_target(service: Path) -> None:
    lock = service / "requirements.lock"
    assert list(wheelhouse.locked(lock, DEBIAN_13)) == ["redis==7.4.1 --hash=sha256:bbbb --hash=sha256:cccc"]
    older = wheelhouse.Target(python="3.11", machine="x86_64")
    assert next(wheelhouse.locked(lock, older)) == "async-timeout==5.0.1 --hash=sha256:aaaa"


def test_a_lock_without_hashes_is_refused(service: Path) -> None:
    lock = service / "requirements.lock"
    lock.write_text("redis==7.4.1\n")
    with pytest.raises(
        wheelhouse.Refusal, match=r"requirements\.lock: redis has no hash; compile .* --generate-hashes"
    ):
        list(wheelhouse.locked(lock, DEBIAN_13))


def test_the_archive_holds_what_the_manifest_says(service: Path, tmp_path: Path) -> None:
    output = tmp_path / "wheelhouse"
    manifest, built = wheelhouse.build(service, output, DEBIAN_13)
    assert built
    assert manifest.release.startswith("1.2.3+")
    digest = subprocess.run(["sha256sum", output / manifest.archive], check=True, capture_output=True, text=True).stdout
    assert digest.split()[0] == manifest.archive_sha256
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xf", output / manifest.archive, "-C", tmp_path / "unpacked"], check=True)
    content = {file.name: file.read_bytes() for file in (tmp_path / "unpacked").iterdir()}
    content.pop("manifest.json")
    assert {name: hashlib.sha256(data).hexdigest() for name, data in content.items()} == manifest.files
    own = hashlib.sha256(b"kojo_mes-1.2.3-py3-none-any.whl").hexdigest()
    assert f"kojo_mes==1.2.3 --hash=sha256:{own}" in content["requirements.txt"].decode().splitlines()


def test_two_builds_make_the_same_bytes(service: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(service, copy)
    first, _ = wheelhouse.build(service, tmp_path / "one", DEBIAN_13)
    second, _ = wheelhouse.build(copy, tmp_path / "two", DEBIAN_13)
    assert (tmp_path / "one" / first.archive).read_bytes() == (tmp_path / "two" / second.archive).read_bytes()


def test_only_a_change_is_built(service: Path, tmp_path: Path) -> None:
    output = tmp_path / "wheelhouse"
    first, _ = wheelhouse.build(service, output, DEBIAN_13)
    assert wheelhouse.build(service, output, DEBIAN_13) == (first, False)

    (output / first.archive).write_bytes(b"cut off")
    assert wheelhouse.build(service, output, DEBIAN_13) == (first, True)

    (service / "src" / "kojo_mes" / "__init__.py").write_text("VERSION = 2\n")
    second, built = wheelhouse.build(service, output, DEBIAN_13)
    assert built
    assert second.release != first.release
    assert [path.name for path in output.glob("*.tar")] == [second.archive]


def test_a_missing_lock_is_named(service: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (service / "requirements.lock").unlink()
    assert wheelhouse.main(["--service", str(service), "--output", str(tmp_path / "wheelhouse")]) == 1
    assert f"{service / 'requirements.lock'} is missing" in capsys.readouterr().err
