"""What stands in no file: each of these has made a plant unsafe, or a red run green, somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repository.ansible_yaml import ROOT
from tests.tree import versioned

# a name, the pattern, and a line that it must find: a pattern that finds nothing guards nothing
FORBIDDEN = [
    ("failures ignored", r"ignore_errors:\s*(true|yes)", "  ignore_errors: true"),
    ("certificates not checked", r"validate_certs:\s*(false|no)\b", "    validate_certs: false"),
    ("certificates not checked", r"insecure_skip_verify:\s*true", "  insecure_skip_verify: true"),
    (
        "certificates not checked",
        r"verify\s*=\s*False|verify_mode\s*=\s*ssl\.CERT_NONE|check_hostname\s*=\s*False|_create_unverified",
        "httpx.get(url, verify=False)",
    ),
    ("certificates not checked", r"\bcurl\b.*\s(-k|--insecure)\b", "curl -s -k https://a"),
    ("a host's key not checked", r"StrictHostKeyChecking[= ]no", "-o StrictHostKeyChecking=no"),
    ("encryption as a favour", r"sslmode=(disable|allow|prefer)\b", "postgresql://a?sslmode=prefer"),
    ("every rule of the host dropped", r"^\s*flush ruleset", "flush ruleset"),
    ("left for later", r"\b(TODO|FIXME|XXX)\b", "# TODO: tidy"),
]
TEXT = {".py", ".yml", ".yaml", ".j2", ".sh", ".cfg", ".conf", ".service", ".toml", ".md", ""}
FILES = [path for path in versioned() if path.is_file() and path.suffix in TEXT and path.name != Path(__file__).name]


@pytest.mark.parametrize(("what", "pattern", "example"), FORBIDDEN)
def test_it_stands_nowhere(what: str, pattern: str, example: str) -> None:
    expression = re.compile(pattern, re.MULTILINE)
    assert expression.search(example), "the pattern finds nothing"
    found = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in expression.finditer(text)]
    assert found == [], what


def test_files_are_looked_at() -> None:
    names = {str(path.relative_to(ROOT)) for path in FILES}
    assert {"playbooks/site.yml", "tools/setup", "roles/haproxy/templates/haproxy.cfg.j2"} <= names
