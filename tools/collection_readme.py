"""The collection's README: its roles, modules and filters, each with the line that its documentation begins with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tools.ansible_markup import cell, code, markdown

COLLECTION: Final = Path(__file__).resolve().parent.parent / "collections/ansible_collections/kojo/plant"
# plugin type as ansible-doc names it, and its heading
KINDS: Final = {"module": "Modules", "filter": "Filters", "callback": "Callbacks"}
FOLDERS: Final = {"module": "modules"}


def collection_readme(roles: Mapping[str, str]) -> str:
    """The README, with ROLES as name and short description."""
    galaxy = yaml.safe_load((COLLECTION / "galaxy.yml").read_text(encoding="utf-8"))
    lines = [
        f"# {galaxy['namespace']}.{galaxy['name']}",
        "",
        f"{galaxy['description']}.",
        "",
        "The repository's own README says how to run a plant. "
        "`ansible-doc -t module kojo.plant.<name>` shows a module in full.",
        "",
        *_table(
            "Roles", {name: f"[README](roles/{name}/README.md) | {markdown(text)}" for name, text in roles.items()}
        ),
    ]
    for kind, heading in KINDS.items():
        found = {name: cell(markdown(plugin["short_description"])) for name, plugin in documentation(kind).items()}
        if found:
            lines += ["", *_table(heading, found)]
    return "\n".join(lines) + "\n"


def documentation(kind: str) -> dict[str, dict[str, Any]]:
    """The DOCUMENTATION of every plugin of a kind, without importing any."""
    folder = COLLECTION / "plugins" / FOLDERS.get(kind, kind)
    return {file.stem: _documentation(file) for file in sorted(folder.glob("*.py")) if file.stem != "__init__"}


def _documentation(file: Path) -> dict[str, Any]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "DOCUMENTATION" for target in node.targets
        ):
            try:
                found: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            except yaml.YAMLError as error:
                raise ValueError(f"{file}: DOCUMENTATION is not YAML: {error}") from error
            return found
    raise ValueError(f"{file}: has no DOCUMENTATION; add it, as docs/building.md says of modules and plugins")


def _table(heading: str, rows: Mapping[str, str]) -> Iterator[str]:
    columns = "| name | options | what it is |" if heading == "Roles" else "| name | what it is |"
    yield from (f"## {heading}", "", columns, "|" + "---|" * (columns.count("|") - 1))
    for name, text in rows.items():
        yield f"| {code(f'kojo.plant.{name}')} | {text} |"
