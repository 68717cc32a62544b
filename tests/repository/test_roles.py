"""Every role keeps the rules of docs/building.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.repository.ansible_yaml import ROLES, ROOT, listed, load, module_of, tasks_of
from tools.role_readme import role_readme

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def options_of(role: Path) -> dict[str, Any]:
    return dict(load(role / "meta/argument_specs.yml")["argument_specs"]["main"].get("options", {}))


def defaults_of(role: Path) -> dict[str, Any]:
    return dict(load(role / "defaults/main.yml") or {})


def test_the_argument_spec_equals_the_defaults(role: Path) -> None:
    documented = {name: option["default"] for name, option in options_of(role).items() if "default" in option}
    assert documented == defaults_of(role)


def test_an_option_without_a_default_is_required(role: Path) -> None:
    loose = [
        name for name, option in options_of(role).items() if ("default" in option) == option.get("required", False)
    ]
    assert loose == []


def test_every_option_has_a_type_and_a_description(role: Path) -> None:
    bare = [name for name, option in options_of(role).items() if not {"type", "description"} <= option.keys()]
    assert bare == []


def variables_of(role: Path) -> Iterator[str]:
    """Every name that the role makes."""
    yield from defaults_of(role)
    for file in sorted(role.glob("vars/*.yml")):
        yield from load(file) or {}
    for task in tasks_of(role):
        yield from task.get("vars", {})
        yield from listed(task.get("register"))
        control = task.get("loop_control", {})
        yield from (control[key] for key in ("loop_var", "index_var") if key in control)
        yield from (name for name in task.get("ansible.builtin.set_fact", {}) if name != "cacheable")


def test_every_variable_begins_with_the_roles_name(role: Path) -> None:
    own = (f"{role.name}_", f"__{role.name}_")
    # Ansible's own connection variables may be set for a task
    strangers = [name for name in variables_of(role) if not name.startswith((*own, "ansible_"))]
    assert strangers == []


def test_a_loop_names_its_variable(role: Path) -> None:
    unnamed = [
        task["name"] for task in tasks_of(role) if "loop" in task and "loop_var" not in task.get("loop_control", {})
    ]
    assert unnamed == []


def test_the_main_file_is_a_short_list_of_phases(role: Path) -> None:
    phases = load(role / "tasks/main.yml")
    assert len(phases) <= 8
    # a role of few tasks is one phase
    if len(list(role.glob("tasks/*.yml"))) > 1:
        assert {module_of(phase) for phase in phases} <= {
            "ansible.builtin.import_tasks",
            "ansible.builtin.include_tasks",
        }


def test_every_task_has_a_name_and_its_modules_full_name(role: Path) -> None:
    wrong = []
    for task in tasks_of(role):
        module = module_of(task)
        if "name" not in task or (module is not None and module.count(".") != 2):
            wrong.append(task.get("name", task))
    assert wrong == []


def test_handlers_and_notices_fit_each_other(role: Path) -> None:
    handlers = load(role / "handlers/main.yml") or []
    heard = {name for handler in handlers for name in [handler["name"], *listed(handler.get("listen"))]}
    told = {name for task in tasks_of(role) for name in listed(task.get("notify"))}
    assert told <= heard, "told to nobody"
    deaf = [h["name"] for h in handlers if not told & {h["name"], *listed(h.get("listen"))}]
    assert deaf == [], "told by nobody"


def test_no_failure_is_ignored(role: Path) -> None:
    assert [task["name"] for task in tasks_of(role) if "ignore_errors" in task or "ignore_unreachable" in task] == []


def test_no_service_is_handled_by_a_command(role: Path) -> None:
    verbs = {"start", "stop", "restart", "reload", "enable", "disable"}
    wrong = []
    for task in tasks_of(role):
        call = task.get(module_of(task) or "")
        if module_of(task) in ("ansible.builtin.command", "ansible.builtin.shell", "ansible.builtin.raw"):
            words = str(call).replace("'", " ").replace(",", " ").split()
            if {"systemctl", "service"} & set(words) and verbs & set(words):
                wrong.append(task["name"])
    assert wrong == []


def test_packages_are_asked_for_only_where_one_is_missing(role: Path) -> None:
    """`base` installs all of them in one call, so a role's own install task is for a run with its tag alone."""
    packages = f"{role.name}_packages"
    tasks = tasks_of(role)
    asks = [task for task in tasks if packages in str(task.get("ansible.builtin.apt"))]
    conditions = [str(condition) for task in tasks for condition in listed(task.get("when"))]
    assert not asks or [c for c in conditions if c.startswith(f"{packages} | difference(ansible_facts['packages']")]


def test_a_role_depends_on_no_other(role: Path) -> None:
    assert load(role / "meta/main.yml")["dependencies"] == []
    included = [
        task
        for task in tasks_of(role)
        if module_of(task) in ("ansible.builtin.include_role", "ansible.builtin.import_role")
    ]
    assert included == []


def test_groups_are_read_in_the_defaults_only(role: Path) -> None:
    reads = [
        str(file.relative_to(ROOT))
        for folder in ("tasks", "handlers", "templates")
        for file in sorted((role / folder).rglob("*"))
        if file.is_file() and "groups[" in file.read_text(encoding="utf-8")
    ]
    assert reads == []


def test_the_readme_is_current(role: Path) -> None:
    """Mend with: make docs"""
    site = load(ROOT / "playbooks/site.yml")
    assert (role / "README.md").read_text(encoding="utf-8") == role_readme(role, site)
