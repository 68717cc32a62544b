"""Pack the service and all it needs for hosts without a way out: python -m tools.wheelhouse.

The archive holds wheels for the targets' Python, a requirements file with a hash of each, and a manifest. A release is
named after the digest of what it is made from, so nothing is built twice and two releases never share a name.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "README.md", "requirements.lock", "src")
LOCK = "requirements.lock"
REQUIREMENTS = "requirements.txt"
MANIFEST = "manifest.json"
# the newest that Debian 13's glibc loads
NEWEST_GLIBC = 41
# the first instant that a zip file, and so a wheel, can hold
EPOCH = "315532800"


class Refusal(Exception):
    """The wheelhouse can't be built, and why."""


@dataclass(frozen=True)
class Target:
    """What the wheels must run on."""

    python: str
    machine: str

    def environment(self) -> dict[str, str]:
        """What the lock's markers are asked of: the target, not the interpreter that builds."""
        return {key: str(value) for key, value in default_environment().items()} | {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "platform_machine": self.machine,
            "platform_system": "Linux",
            "sys_platform": "linux",
            "os_name": "posix",
        }

    def pip_options(self) -> list[str]:
        options = ["--python-version", self.python, "--implementation", "cp", "--only-binary", ":all:"]
        for glibc in range(NEWEST_GLIBC, 16, -1):
            options += ["--platform", f"manylinux_2_{glibc}_{self.machine}"]
        return [*options, "--platform", f"manylinux2014_{self.machine}"]


@dataclass(frozen=True)
class Manifest:
    """What an archive holds. The copy beside the archive has the archive's own digest, the one inside can't."""

    release: str
    version: str
    source_sha256: str
    python: str
    machine: str
    files: dict[str, str]
    archive: str
    archive_sha256: str = ""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, TypeError, ValueError):
            return None

    def encode(self) -> bytes:
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def source_files(service: Path) -> Iterator[Path]:
    for name in SOURCES:
        path = service / name
        if not path.exists():
            raise Refusal(f"{path} is missing; the service's folder has {', '.join(SOURCES)}")
        yield from sorted(
            file
            for file in ([path] if path.is_file() else path.rglob("*"))
            if file.is_file() and "__pycache__" not in file.parts
        )


def source_digest(service: Path, target: Target) -> str:
    digest = hashlib.sha256(json.dumps(asdict(target)).encode())
    for file in source_files(service):
        digest.update(json.dumps([str(file.relative_to(service)), sha256(file.read_bytes())]).encode())
    return digest.hexdigest()


def locked(lock: Path, target: Target) -> Iterator[str]:
    """The lock's requirements that hold on TARGET, a line each, with hashes and without markers."""
    environment = target.environment()
    logical = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    for line in logical:
        text, *hashes = line.split(" #")[0].split("--hash=")
        if not text.strip() or text.startswith("#"):
            continue
        try:
            requirement = Requirement(text.strip())
        except InvalidRequirement as error:
            raise Refusal(f"{lock}: {text.strip()!r} is not a requirement; compile the lock again") from error
        if not hashes:
            raise Refusal(f"{lock}: {requirement.name} has no hash; compile the lock with --generate-hashes")
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield " ".join(
                [f"{requirement.name}{requirement.specifier}", *(f"--hash={item.strip()}" for item in hashes)]
            )


def pip(*arguments: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments],
        env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH},
        text=True,
        stderr=subprocess.PIPE,
        check=False,
    )
    if result.returncode:
        raise Refusal(f"pip {arguments[0]} failed:\n{result.stderr.strip()}")


def collect(service: Path, target: Target, folder: Path) -> None:
    """Put the wheels and their requirements file into FOLDER."""
    requirements = folder / REQUIREMENTS
    requirements.write_text("\n".join(locked(service / LOCK, target)) + "\n", encoding="utf-8")
    # the lock is complete, and pip would resolve for the interpreter that runs it
    options = ["--no-deps", "--require-hashes", *target.pip_options(), "--dest", str(folder)]
    pip("download", *options, "-r", str(requirements))
    with tempfile.TemporaryDirectory() as own:
        pip("wheel", "--no-deps", "--wheel-dir", own, str(service))
        (wheel,) = Path(own).iterdir()
        content = wheel.read_bytes()
        (folder / wheel.name).write_bytes(content)
    name, version, *_ = wheel.name.split("-")
    with requirements.open("a", encoding="utf-8") as file:
        file.write(f"{name}=={version} --hash=sha256:{sha256(content)}\n")


def pack(entries: Iterable[tuple[str, bytes]], archive: Path) -> None:
    """The same entries make the same bytes, whoever packs them and when."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(entries):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(content))


def build(service: Path, output: Path, target: Target) -> tuple[Manifest, bool]:
    """The manifest of the wheelhouse in OUTPUT, and whether it had to be built."""
    with tempfile.TemporaryDirectory() as temporary:
        # the digest is of what is built, even if somebody edits the service meanwhile
        snapshot = Path(temporary) / "service"
        for file in source_files(service):
            copy = snapshot / file.relative_to(service)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
        digest = source_digest(snapshot, target)
        present = Manifest.read(output / MANIFEST)
        if present and present.source_sha256 == digest and intact(output, present):
            return present, False
        wheels = Path(temporary) / "wheels"
        wheels.mkdir()
        collect(snapshot, target, wheels)
        contents = {file.name: file.read_bytes() for file in wheels.iterdir()}
        version = tomllib.loads((snapshot / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    release = f"{version}+{digest[:12]}"
    manifest = Manifest(
        release=release,
        version=version,
        source_sha256=digest,
        python=target.python,
        machine=target.machine,
        files={name: sha256(content) for name, content in contents.items()},
        archive=f"kojo-mes-{release}.tar",
    )
    return publish(contents, manifest, output), True


def intact(output: Path, manifest: Manifest) -> bool:
    archive = output / manifest.archive
    return archive.is_file() and sha256(archive.read_bytes()) == manifest.archive_sha256


def publish(contents: dict[str, bytes], manifest: Manifest, output: Path) -> Manifest:
    """Replace what is in OUTPUT; whoever reads the manifest meanwhile finds the archive that it names."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as temporary:
        archive = Path(temporary) / manifest.archive
        pack([*contents.items(), (MANIFEST, manifest.encode())], archive)
        manifest = replace(manifest, archive_sha256=sha256(archive.read_bytes()))
        beside = Path(temporary) / MANIFEST
        beside.write_bytes(manifest.encode())
        archive.replace(output / manifest.archive)
        beside.replace(output / MANIFEST)
    for old in output.glob("kojo-mes-*.tar"):
        if old.name != manifest.archive:
            old.unlink()
    return manifest


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.wheelhouse", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--service", type=Path, default=REPOSITORY / "service", help="the service's folder")
    parser.add_argument(
        "--output", type=Path, default=REPOSITORY / ".state" / "wheelhouse", help="folder of the archive"
    )
    parser.add_argument("--python", default="3.13", help="the targets' Python (default: %(default)s)")
    parser.add_argument("--machine", default="x86_64", help="the targets' processor (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        manifest, built = build(options.service, options.output, Target(options.python, options.machine))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"{options.output / manifest.archive}: {'built' if built else 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
