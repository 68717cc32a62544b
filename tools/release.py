"""Make a release of what is committed: python -m tools.release, with RELEASE_KEY=<your SSH key>.

The wheelhouse is built from the commit's own files, and a manifest beside it says what it is and which schemas it works
with, signed by who releases. Then `service/released-schema` says which revisions a release has, for the next commit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import now
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_origin import commits
from ansible_collections.kojo.plant.plugins.plugin_utils.release_manifest import (
    MANIFEST,
    NAMESPACE,
    SIGNATURE,
    Release,
    SchemaRange,
)

from tools.wheelhouse import REPOSITORY, Refusal, Target, build

RELEASED = "service/released-schema"


def make(repository: Path, output: Path, key: Path, target: Target) -> Release:
    """Build, describe and sign the release of REPOSITORY's commit into OUTPUT; Refusal says what is in the way."""
    commit = clean_commit(repository)
    with tempfile.TemporaryDirectory() as temporary:
        source = committed(repository, commit, Path(temporary))
        schema = schema_range(repository, source)
        wheelhouse, _ = build(source, output, target)
    release = Release(
        release=wheelhouse.release,
        version=wheelhouse.version,
        commit=commit,
        clean=True,
        archive=wheelhouse.archive,
        artefact_digest=wheelhouse.archive_sha256,
        schema=schema,
        built_at=now(),
        python=wheelhouse.python,
        machine=wheelhouse.machine,
    )
    sign(release.encode(), output, key)
    return release


def clean_commit(repository: Path) -> str:
    said = commits({"this": repository})["this"]
    if not said["commit"]:
        raise Refusal(f"{repository} is no clone with a commit: {said.get('fault')}")
    if said["dirty"]:
        files = "\n".join(f"  {name}" for name in said["changed"])
        raise Refusal(f"a release is made of a commit, and these files are not as committed:\n{files}")
    return str(said["commit"])


def committed(repository: Path, commit: str, folder: Path) -> Path:
    """The service's folder as COMMIT has it: what git ignores is no part of a release either."""
    archive = folder / "service.tar"
    _run(
        ["git", "-c", "safe.directory=*", "-C", repository, "archive", "--output", archive, commit, "service"],
        "git archive",
    )
    _run(["tar", "-xf", archive, "-C", folder], "tar")
    return folder / "service"


def schema_range(repository: Path, source: Path) -> SchemaRange:
    """What the service in SOURCE says of itself, run with the packages of its own virtual environment."""
    python = repository / ".venv-service/bin/python"
    said = _run([python, "-m", "kojo_mes.cli", "schema"], "kojo-mes schema", PYTHONPATH=str(source / "src"))
    return SchemaRange(**json.loads(said)["release"])


def sign(manifest: bytes, output: Path, key: Path) -> None:
    """Both files, or neither; OUTPUT never has a manifest with another's signature for longer than a moment."""
    with tempfile.TemporaryDirectory(dir=output) as folder:
        file = Path(folder, MANIFEST)
        file.write_bytes(manifest)
        # asks on the terminal for the key's passphrase; a public key signs through the agent
        _run(["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", key, file], f"RELEASE_KEY {key}: signing")
        file.replace(output / MANIFEST)
        Path(folder, SIGNATURE).replace(output / SIGNATURE)


def _run(command: list[str | Path], what: str, **variables: str) -> str:
    try:
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Refusal(f"{what} failed: {error}; run `make setup`") from error
    if done.returncode:
        raise Refusal(f"{what} failed: {done.stderr.strip()}")
    return done.stdout


def note_released(repository: Path, revision: str) -> bool:
    """Whether the file that says which revisions a release has had to be moved."""
    file = repository / RELEASED
    if file.read_text(encoding="utf-8").strip() == revision:
        return False
    file.write_text(f"{revision}\n", encoding="utf-8")
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help="the clone (default: this one)")
    parser.add_argument("--output", type=Path, help="folder of the release (default: the clone's .state/wheelhouse)")
    parser.add_argument("--python", default="3.13", help="the targets' Python (default: %(default)s)")
    parser.add_argument("--machine", default="x86_64", help="the targets' processor (default: %(default)s)")
    options = parser.parse_args(arguments)
    output = options.output or options.repository / ".state" / "wheelhouse"
    key = Path(os.environ.get("RELEASE_KEY") or "").expanduser()
    try:
        if not key.is_file():
            raise Refusal(
                "a release is signed by who makes it: RELEASE_KEY=~/.ssh/id_ed25519 make release, "
                f"with your own SSH key (RELEASE_KEY is {os.environ.get('RELEASE_KEY') or 'not set'})"
            )
        release = make(options.repository, output, key, Target(options.python, options.machine))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"{output / release.archive}: release {release.release} of commit {release.commit}")
    print(f"digest for the change request: {release.artefact_digest}")
    print(f"schema: runs on {release.schema.min} and later, knows those up to {release.schema.max}")
    if note_released(options.repository, release.schema.max):
        print(f"{RELEASED} is {release.schema.max} now: commit it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
