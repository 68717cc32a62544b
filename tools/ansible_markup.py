"""Ansible's documentation markup as Markdown."""

from __future__ import annotations

import re
from typing import Final

CODE: Final = re.compile(r"\b(?:O|V|RV|E|C|M|P)\(((?:[^()\\]|\\.)*)\)")
ITALIC: Final = re.compile(r"\bI\(([^()]*)\)")
BOLD: Final = re.compile(r"\bB\(([^()]*)\)")
LINK: Final = re.compile(r"\bL\(([^(),]*), *([^()]*)\)")
URL: Final = re.compile(r"\bU\(([^()]*)\)")


def markdown(text: str) -> str:
    """TEXT with its markup as Markdown, on one line."""
    text = CODE.sub(lambda found: code(re.sub(r"\\(.)", r"\1", found[1]).split("#")[0]), " ".join(text.split()))
    text = ITALIC.sub(r"*\1*", text)
    text = BOLD.sub(r"**\1**", text)
    text = LINK.sub(r"[\1](\2)", text)
    return URL.sub(r"<\1>", text)


def code(text: str) -> str:
    """TEXT as a code span, whatever back quotes it has."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def cell(text: str) -> str:
    """TEXT for a cell of a table."""
    return text.replace("|", "\\|")


def sentences(description: str | list[str]) -> list[str]:
    """A description's paragraphs; Ansible lets one alone stand without a list."""
    return [markdown(text) for text in ([description] if isinstance(description, str) else description)]
