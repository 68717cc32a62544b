#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""All files that a role lays down on a host, in one call."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: files
short_description: Lay down all files of a role in one call
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Does for many files at once what M(ansible.builtin.template) and M(ansible.builtin.copy) do for one. A call to a
    host costs the same whether it looks at one file or at twenty, so a run that changes nothing is as fast as its
    calls are few.
  - Folders come first, then files in the order given. A file's validator sees the files before it in place.
  - A file is replaced as a whole, by one that has its owner and mode already. A reader sees the old or the new one,
    and nobody else reads a secret in between.
  - Where a validator refuses one file, all files of the call are as they were. So no handler misses a change.
  - RV(changed_paths) tells handlers what was changed.
options:
  directories:
    description: Folders that must be there.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The folder.
        type: path
        required: true
      owner:
        description: Its owner.
        type: str
        default: root
      group:
        description: Its group.
        type: str
        default: root
      mode:
        description: Its mode, in octal digits.
        type: str
        default: '0755'
  files:
    description: Files that must be there, with their content.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file. Its folder must be there.
        type: path
        required: true
      content:
        description: What is in it. Each file has this, O(files[].template) or O(files[].source).
        type: str
      template:
        description: The role's template that makes its content.
        type: str
      vars:
        description: Variables that O(files[].template) sees besides its own.
        type: dict
      source:
        description: The role's file that has its content.
        type: str
      secret:
        description: Whether its content must not be shown.
        type: bool
        default: false
      owner:
        description: Its owner.
        type: str
        default: root
      group:
        description: Its group.
        type: str
        default: root
      mode:
        description: Its mode, in octal digits.
        type: str
        default: '0644'
      validate:
        description:
          - A command that refuses a bad file by its exit code. C(%s) in it stands for a file with the new content.
          - As with M(ansible.builtin.copy) it isn't run in check mode, where the program may not be installed yet.
        type: str
attributes:
  check_mode:
    description: Says which files and folders would change. Validators aren't run.
    support: full
  diff_mode:
    description: Shows each file before and after, but not the content of a O(files[].secret).
    support: full
  idempotent:
    description: A file that has its content, owner and mode is left alone.
    support: full
  action:
    description: An action plugin renders O(files[].template) and reads O(files[].source) on the control node.
    support: full
"""

EXAMPLES = r"""
- name: Configure time and logs
  kojo.plant.files:
    directories:
      - {path: /etc/systemd/journald.conf.d}
    files:
      - path: /etc/chrony/chrony.conf
        template: chrony.conf.j2
      - path: /etc/logrotate.conf
        template: logrotate.conf.j2
        validate: logrotate --debug %s
  register: base_files
  notify: Restart chrony # when: "'/etc/chrony/chrony.conf' in base_files.changed_paths"
"""

RETURN = r"""
changed_paths:
  description: The files and folders that were changed, or would be in check mode.
  type: list
  elements: str
  returned: always
  sample: [/etc/chrony/chrony.conf]
"""


class Refused(Exception):
    """A file that can't be laid down, with what to do about it."""


def attributes_of(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"owner": str(status.st_uid), "group": str(status.st_gid), "mode": f"{stat.S_IMODE(status.st_mode):04o}"}


def shown(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", errors="replace")


class Host:
    """Folders and files of this host, changed unless in check mode."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.changed_paths: list[str] = []
        self.diff: list[dict[str, Any]] = []
        self.former: list[tuple[Path, bytes | None, dict[str, Any]]] = []

    def directory(self, wanted: dict[str, Any]) -> None:
        path = Path(wanted["path"])
        if path.exists() and not path.is_dir():
            raise Refused(f"{path} is there and is no folder: move it away")
        if path.is_dir():
            self.set_attributes(wanted)
            return
        if not self.module.check_mode:
            path.mkdir(parents=True)
            self.module.set_fs_attributes_if_different(self.module.load_file_common_arguments(wanted), False)
        self.note(path, {"before": "absent\n", "after": "directory\n"})

    def file(self, wanted: dict[str, Any]) -> None:
        path = Path(wanted["path"])
        if path.is_dir():
            raise Refused(f"{path} is there and is a folder: move it away")
        after = wanted["content"].encode()
        before = path.read_bytes() if path.exists() else None
        if before == after:
            self.set_attributes(wanted)
            return
        if not self.module.check_mode:
            self.replace(path, before, after, wanted)
        texts = {"before": "a secret\n" if before else "", "after": "another secret\n"}
        self.note(path, texts if wanted["secret"] else {"before": shown(before), "after": shown(after)})

    def set_attributes(self, wanted: dict[str, Any]) -> None:
        diff: dict[str, Any] = {"before": {}, "after": {}}
        arguments = self.module.load_file_common_arguments(wanted)
        if self.module.set_fs_attributes_if_different(arguments, False, diff):
            self.note(Path(wanted["path"]), diff)

    def replace(self, path: Path, before: bytes | None, after: bytes, wanted: dict[str, Any]) -> None:
        if not path.parent.is_dir():
            raise Refused(f"{path}: there is no folder {path.parent}; name it in directories")
        former = attributes_of(path) if before is not None else {}
        with self.prepared(path, after, wanted) as new:
            self.validate(path, new, wanted["validate"])
            new.replace(path)
        self.former.append((path, before, former))

    @contextmanager
    def prepared(self, path: Path, content: bytes, attributes: dict[str, Any]) -> Iterator[Path]:
        """A file beside PATH with all that PATH shall have; gone in the end unless it was moved there."""
        # hidden, so that a program that reads the whole folder passes it over
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".kojo-", suffix=path.suffix)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            arguments = self.module.load_file_common_arguments({**attributes, "path": name})
            self.module.set_fs_attributes_if_different(arguments, False)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def put_back(self) -> None:
        """Undo every replacement, the last one first."""
        for path, before, attributes in reversed(self.former):
            if before is None:
                path.unlink()
                continue
            with self.prepared(path, before, attributes) as old:
                old.replace(path)

    def validate(self, path: Path, new: Path, command: str | None) -> None:
        if command is None:
            return
        if "%s" not in command:
            raise Refused(f"{path}: its validate has no %s that stands for the file: {command}")
        code, out, err = self.module.run_command(command.replace("%s", str(new)))
        if code:
            raise Refused(f"{path} is left as it was, because `{command}` refuses the new one: {(err or out).strip()}")

    def note(self, path: Path, diff: dict[str, Any]) -> None:
        self.changed_paths.append(str(path))
        self.diff.append({"before_header": str(path), "after_header": str(path), **diff})


def main() -> None:
    common = {
        "path": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    module = AnsibleModule(
        argument_spec={
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {**common, "mode": {"type": "str", "default": "0755"}},
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **common,
                    "mode": {"type": "str", "default": "0644"},
                    "content": {"type": "str", "required": True, "no_log": True},
                    "secret": {"type": "bool", "default": False, "no_log": False},
                    "validate": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    # no content fills the host's journal; what is no secret may be shown in the diff
    module.no_log_values -= {file["content"] for file in module.params["files"] if not file["secret"]}
    host = Host(module)
    try:
        for directory in module.params["directories"]:
            host.directory(directory)
        for file in module.params["files"]:
            host.file(file)
    except Refused as refused:
        host.put_back()
        module.fail_json(msg=str(refused))
    module.exit_json(changed=bool(host.changed_paths), changed_paths=host.changed_paths, diff=host.diff)


if __name__ == "__main__":
    main()
