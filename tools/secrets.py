"""Give a plant the secrets that it lacks: python -m tools.secrets inventories/plant_a."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import yaml
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import generate_missing

HEADER = "---\n# Made by `make secrets`. Never in git; a real plant encrypts it: ansible-vault encrypt <this file>\n"
VAULT_MARK = "$ANSIBLE_VAULT;"


class Refusal(Exception):
    """The file is one that this command must not rewrite."""


def read(path: Path) -> dict[str, object]:
    """The secrets in PATH, none if there is no such file."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    if VAULT_MARK in text:
        raise Refusal(
            f"{path} is encrypted with ansible-vault and was left as it is; "
            f"add what preflight misses with: ansible-vault edit {path}"
        )
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        # the parser's own message would quote the line, and with it a secret
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise Refusal(f"{path} is not valid YAML{where}; mend it or remove it") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or set(content) - {"plant_secrets"}:
        raise Refusal(f"{path} must hold one key, plant_secrets; move the others to a file beside it")
    present = content.get("plant_secrets") or {}
    if not isinstance(present, dict):
        raise Refusal(f"{path}: plant_secrets must be a dictionary of name and value")
    return present


def write(path: Path, plant_secrets: dict[str, object]) -> None:
    """Replace PATH in one step; nobody but its owner may ever read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file 0600 from its first byte
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".secrets-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(HEADER)
            yaml.safe_dump({"plant_secrets": plant_secrets}, file, sort_keys=False, allow_unicode=True)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.secrets", description=__doc__)
    parser.add_argument("plant", type=Path, help="the plant's inventory directory, such as inventories/plant_a")
    plant: Path = parser.parse_args(arguments).plant
    if not plant.is_dir():
        print(f"{plant} is not a directory; name a plant's inventory directory", file=sys.stderr)
        return 2
    path = plant / "group_vars" / "all" / "secrets.yml"
    try:
        present = read(path)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    missing = generate_missing(present)
    if missing:
        write(path, present | missing)
        print(f"{path}: added {', '.join(missing)}")
    else:
        path.chmod(0o600)
        print(f"{path}: complete")
    return 0


if __name__ == "__main__":
    sys.exit(main())
