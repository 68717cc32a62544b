# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Renders templates and reads files on the control node for the module of this name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

SOURCES = ("content", "template", "source")
# as for M(ansible.builtin.template), unless the inventory says otherwise
DEFAULTS = {"ansible_managed": "Ansible managed"}


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if isinstance(files := arguments.get("files"), list):
            arguments["files"] = [
                self._filled(file, task_vars or {}) if isinstance(file, dict) else file for file in files
            ]
        return {**result, **self._execute_module(module_args=arguments, task_vars=task_vars)}

    def _filled(self, file: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """FILE with its content in place of the template or source that it comes from."""
        given = [source for source in SOURCES if source in file]
        if len(given) != 1:
            raise AnsibleActionFail(f"{file.get('path')}: give one of {', '.join(SOURCES)}, not {given or 'none'}")
        rest = {key: value for key, value in file.items() if key not in {*SOURCES, "vars"}}
        try:
            if "template" in file:
                return rest | {"content": self._rendered(file["template"], DEFAULTS | variables | file.get("vars", {}))}
            if "source" in file:
                return rest | {"content": self._read("files", file["source"])[1]}
        except AnsibleError as error:
            raise AnsibleActionFail(f"{file.get('path')}: {error}") from error
        return rest | {"content": file["content"]}

    def _rendered(self, template: str, variables: dict[str, Any]) -> str:
        """TEMPLATE as M(ansible.builtin.template) renders it with its defaults."""
        path, text = self._read("templates", template)
        folders = [str(path.parent), *variables.get("ansible_search_path", [])]
        templar = self._templar.copy_with_new_env(searchpath=folders, available_variables=variables)
        rendered = templar.template(
            trust_as_template(text), escape_backslashes=False, overrides={"trim_blocks": True, "lstrip_blocks": False}
        )
        return rendered or ""

    def _read(self, folder: str, name: str) -> tuple[Path, str]:
        path = Path(self._find_needle(folder, name))  # type: ignore[no-untyped-call]
        return path, self._loader.get_text_file_contents(str(path))
