"""Lists the figures, a line each: the name for `make figure-<name>`, the module's first line, its bar and aim."""

from __future__ import annotations

import ast
from pathlib import Path

HELPERS = {"__init__", "__main__", "clean_run", "common"}


def constants(tree: ast.Module) -> dict[str, object]:
    """Return the module's constants, without importing it: the list needs no virtual environment."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def describe(path: Path) -> str:
    """Return the line of the figure that PATH measures."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    known = constants(tree)
    limits = [f"{name.lower()} {known[name]} {known['UNIT']}" for name in ("BAR", "AIM") if name in known]
    return f"{path.stem.replace('_', '-'):<18}{summary} ({', '.join(limits)})"


def main() -> None:
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in HELPERS:
            print(describe(path))


if __name__ == "__main__":
    main()
