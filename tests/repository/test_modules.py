"""Every plugin of the collection is shown by ansible-doc, with what its documentation must have."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.collection_readme import COLLECTION, collection_readme, documentation
from tools.role_readme import main as write_readmes

PLUGINS = [(kind, name) for kind in ("module", "filter") for name in documentation(kind)]
MODULES = [name for kind, name in PLUGINS if kind == "module"]


@functools.cache
def shown(kind: str) -> dict[str, Any]:
    """What ansible-doc says of all plugins of a kind, in one call."""
    names = [f"kojo.plant.{name}" for plugin_kind, name in PLUGINS if plugin_kind == kind]
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--type", kind, "--json", *names]
    said = subprocess.run(command, cwd=COLLECTION.parents[3], check=True, capture_output=True, text=True)
    plugins: dict[str, Any] = json.loads(said.stdout)
    return plugins


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_ansible_shows_it(kind: str, name: str) -> None:
    plugin = shown(kind).get(f"kojo.plant.{name}", {})
    assert plugin.get("doc"), f"ansible-doc --type {kind} kojo.plant.{name} shows nothing"
    assert plugin["doc"]["short_description"]
    assert plugin["doc"]["description"]


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_its_examples_are_tasks_that_use_it(kind: str, name: str) -> None:
    text = shown(kind)[f"kojo.plant.{name}"]["examples"]
    tasks = yaml.safe_load(text)
    assert isinstance(tasks, list)
    assert all("name" in task for task in tasks)
    if kind == "module":
        assert any(f"kojo.plant.{name}" in task for task in tasks)
    else:
        assert f"kojo.plant.{name}" in text


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_what_it_returns_is_described(kind: str, name: str) -> None:
    returned = shown(kind)[f"kojo.plant.{name}"]["return"]
    assert returned, "RETURN is missing or empty"
    assert [key for key, value in returned.items() if not {"type", "description"} <= value.keys()] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_honours(name: str) -> None:
    attributes = shown("module")[f"kojo.plant.{name}"]["doc"].get("attributes", {})
    assert {"check_mode", "diff_mode", "idempotent"} <= attributes.keys()
    assert attributes["check_mode"]["support"] == "full"


@pytest.mark.parametrize("name", documentation("callback"))
def test_ansible_shows_a_callback(name: str) -> None:
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--type", "callback", "--json", f"kojo.plant.{name}"]
    said = subprocess.run(command, cwd=COLLECTION.parents[3], check=True, capture_output=True, text=True)
    document = json.loads(said.stdout)[f"kojo.plant.{name}"]["doc"]
    assert [option for option, values in document["options"].items() if "description" not in values] == []


def test_the_collections_readme_names_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Mend with: make docs"""
    text = collection_readme({})
    assert [name for _, name in PLUGINS if f"`kojo.plant.{name}`" not in text] == []
    write_readmes(["--check"])
    assert "kojo/plant/README.md" not in capsys.readouterr().err
