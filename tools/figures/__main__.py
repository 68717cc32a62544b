"""Lists the figures, a line each: the name for `make figure-<name>`, and the module's first line."""

from __future__ import annotations

import ast
from pathlib import Path

HELPERS = {"__init__", "__main__", "common"}


def main() -> None:
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in HELPERS:
            summary = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
            print(f"{path.stem.replace('_', '-'):<18}{summary}")


if __name__ == "__main__":
    main()
