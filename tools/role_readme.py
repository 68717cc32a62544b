"""Write the READMEs of roles and collection from their own documentation: python -m tools.role_readme [--check]."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tools.ansible_markup import cell, code, markdown, sentences
from tools.collection_readme import COLLECTION, collection_readme

ROOT: Final = Path(__file__).resolve().parent.parent
ROLES: Final = ROOT / "roles"
MARK: Final = "<!-- Written by `make docs` (tools/role_readme.py) from {source}: edit that. -->"
# longer ones are read in defaults/main.yml
LONGEST_DEFAULT: Final = 90


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def role_readme(role: Path, site: list[dict[str, Any]]) -> str:
    """The README of the role in the folder ROLE."""
    spec = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]
    lines = [
        MARK.format(source="meta/argument_specs.yml and playbooks/site.yml"),
        f"# kojo.plant.{role.name}",
        "",
        f"{markdown(spec['short_description'])}.",
        "",
        *(f"* {sentence}" for sentence in sentences(spec.get("description", []))),
        "",
        "## Options",
        "",
        *_option_table(spec.get("options", {})),
        "",
        "## In site.yml",
        "",
        *_uses(role.name, site),
    ]
    return "\n".join(lines) + "\n"


def _option_table(options: Mapping[str, Any]) -> Iterator[str]:
    if not options:
        yield "The role has none."
        return
    yield "| name | type | default | what it is |"
    yield "|---|---|---|---|"
    yield from _option_rows(options, "")


def _option_rows(options: Mapping[str, Any], parent: str) -> Iterator[str]:
    for name, option in options.items():
        kind = option.get("type", "str")
        if "elements" in option:
            kind += f" of {option['elements']}"
        what = sentences(option["description"])
        if "choices" in option:
            what.append(f"One of {', '.join(code(str(choice)) for choice in option['choices'])}.")
        row = (code(f"{parent}{name}"), kind, _default(option), " ".join(what))
        yield f"| {' | '.join(cell(text) for text in row)} |"
        inner = f"{parent}{name}[]." if kind.startswith("list") else f"{parent}{name}."
        yield from _option_rows(option.get("options", {}), inner)


def _default(option: Mapping[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    if "default" not in option:
        return ""
    text = _flow(option["default"])
    return code(text) if len(text) <= LONGEST_DEFAULT else "[see defaults](defaults/main.yml)"


def _flow(value: Any) -> str:
    """VALUE as one writes it in YAML, on one line."""
    if isinstance(value, str):
        return " ".join(value.split()) or '""'
    return json.dumps(value, ensure_ascii=False)


def _uses(role: str, site: list[dict[str, Any]]) -> Iterator[str]:
    found = False
    for play in site:
        for entry in play.get("roles", []):
            if entry["role"] != f"kojo.plant.{role}":
                continue
            found = True
            condition = f", where {code(entry['when'])}" if "when" in entry else ""
            yield f"Stage *{play['name']}*, on {code(play['hosts'])}{condition}."
            tags = [tag for tag in entry.get("tags", []) if tag != "always"]
            yield f"Alone: {' or '.join(code(f'ansible-playbook site.yml -i plant_a --tags {tag}') for tag in tags)}"
            if "vars" in entry:
                yield from ("", "The stage hands over:", "", "| variable | value |", "|---|---|")
                for name, value in entry["vars"].items():
                    yield f"| {code(name)} | {cell(code(_flow(value)))} |"
    if not found:
        yield "Not used there."


def wanted() -> dict[Path, str]:
    """Every generated README and what it must say."""
    site = load(ROOT / "playbooks/site.yml")
    roles = [folder for folder in sorted(ROLES.iterdir()) if (folder / "meta/argument_specs.yml").is_file()]
    summaries = {
        role.name: load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["short_description"]
        for role in roles
    }
    readmes = {role / "README.md": role_readme(role, site) for role in roles}
    mark = MARK.format(source="the roles' and plugins' documentation")
    return {**readmes, COLLECTION / "README.md": f"{mark}\n{collection_readme(summaries)}"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.role_readme", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a README is not current")
    check = parser.parse_args(arguments).check
    drifted = {
        path: text for path, text in wanted().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    }
    for path, text in drifted.items():
        if check:
            print(f"{path.relative_to(ROOT)} is not current; run `make docs`", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written")
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main())
