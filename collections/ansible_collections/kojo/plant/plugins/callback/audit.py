# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Records every run in the plant's journal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: audit
type: aggregate
short_description: Every run in a hash-chained, signed journal of the plant
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Records who ran what from where at which git commit, with inventory, limit, tags and extra variables, each task that
    changed something with its diff, each that failed, hosts that could not be reached, and a summary of each host.
  - A record is one line of canonical JSON (RFC 8785), chained to the one before and signed (Ed25519). The first is on
    disk before the first task runs, and those of a task before the next one.
  - Secrets are removed, by name, by value and by form. What C(no_log) hides is not recorded.
  - When the journal can't be written, the run doesn't begin, or ends before its next task.
  - At the end the records are sent to the plant's service, when it can be reached; a run never fails by that.
  - A run that this plugin is not loaded for is refused by M(kojo.plant.plant_check), with which C(site.yml) begins.
  - A run belongs to the plant whose RV(ignore:plant_id) its inventory has. One without it is not recorded.
options:
  kojo_audit:
    description:
      - What happens when the journal can't be written. V(required) ends the run, V(best_effort) lets it go on and has
        the exception and its events recorded by the first run that can.
      - May also be a variable of a play.
    type: str
    choices: [required, best_effort]
    default: required
    vars: [{name: kojo_audit}]
    env: [{name: KOJO_AUDIT}]
  directory:
    description:
      - The folder of the journal, for its owner only. By default C(.state/journal) beside the inventory.
      - A job of AWX has to be given one, because its own folders end with it.
    type: path
    vars: [{name: kojo_audit_directory}]
    env: [{name: KOJO_AUDIT_DIRECTORY}]
  writer:
    description:
      - Name of this control node in the journal. The service knows the public key of each writer by it, and each
        writer has a chain of its own, so a second control node, or a new key, needs another.
    type: str
    default: ansible
    vars: [{name: kojo_audit_writer}]
    env: [{name: KOJO_AUDIT_WRITER}]
  key:
    description: The private key (Ed25519, PEM). By default C(plant_secrets.mes_journal_signing_key).
    type: str
    vars: [{name: kojo_audit_key}]
  service_url:
    description: Where the records are sent to. By default the virtual address of the plant; empty for nowhere.
    type: str
    vars: [{name: kojo_audit_service_url}]
    env: [{name: KOJO_AUDIT_SERVICE_URL}]
  service_key:
    description: API key with the role C(journal). By default C(plant_secrets.mes_journal_key).
    type: str
    vars: [{name: kojo_audit_service_key}]
  exempt:
    description: Folders whose playbooks are not recorded, because what they do is not done to a plant.
    type: pathlist
    default: []
    ini: [{section: kojo_audit, key: exempt}]
notes:
  - The variables are read from the first host of the inventory.
requirements:
  - cryptography and rfc8785 on the control node
"""

import atexit
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as ansible_version

ADHOC = "__adhoc_playbook__"
RUN = "KOJO_AUDIT_RUN"
LISTENS = "KOJO_AUDIT_LISTENS"
INTERRUPTED = "interrupted"
OWN = {"kojo.plant.audit_event", "kojo.plant.bluegreen_decisions"}  # each event of theirs is a record itself
BEGIN = "To run all the same, and have that recorded: -e kojo_audit=best_effort"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kojo.plant.audit"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # why the plugin is not fit to record: Ansible itself would only warn, and run
        self._unfit: str | None = None
        self._playbook = Path()
        self._run: Any = None
        self._secrets: Any = None
        self._passed_over = False
        self._manager: Any = None
        self._prompted: list[str] = []
        self._passwords: list[str | None] = []
        self._began = 0.0
        self._process = os.getpid()

    def set_options(self, *arguments: Any, **options: Any) -> None:
        try:
            super().set_options(*arguments, **options)  # type: ignore[no-untyped-call]
        except Exception as error:
            self._unfit = f"its options are wrong: {error}"

    def set_play_context(self, play_context: Any) -> None:
        self._passwords = [play_context.password, play_context.become_pass]

    def v2_playbook_on_start(self, playbook: Any) -> None:
        name = str(playbook._file_name)
        self._playbook = Path(ADHOC) if name == ADHOC else Path(name).resolve()
        self._run, self._passed_over = None, False
        # plant_check refuses a run that nobody listens to; the process is named, because what it starts inherits this
        os.environ[LISTENS] = str(self._process)

    def v2_playbook_on_vars_prompt(self, varname: str, private: bool = True, *_others: Any, **_more: Any) -> None:
        if private:
            self._prompted.append(varname)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        if self._passed_over or self._is_exempt():
            return
        self._guarded(lambda: self._play(play))

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._synced()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._synced()

    def v2_runner_on_ok(self, result: Any) -> None:
        if self._run and result.is_changed() and result.task.resolved_action not in OWN:
            self._task("ansible:change", result, failed=False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if self._run:
            self._task("ansible:failure", result, failed=True, ignored=bool(ignore_errors), changed=result.is_changed())

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if self._run:
            self._task("ansible:unreachable", result, failed=True)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if not self._run:
            return
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        failed = any(counts["failures"] or counts["unreachable"] for counts in hosts.values())
        self._guarded(lambda: self._end("failed" if failed else "ok", hosts))

    def _is_exempt(self) -> bool:
        folders = [] if self._unfit else self.get_option("exempt")  # type: ignore[no-untyped-call]
        self._passed_over = any(self._playbook.is_relative_to(Path(folder).resolve()) for folder in folders)
        return self._passed_over

    def _play(self, play: Any) -> None:
        self._manager = play.get_variable_manager()
        variables = self._manager.get_vars(play=play)
        if not self._run:
            self._begin(variables)
        if not self._run:
            return
        self._secrets.learn(variables)
        self._secrets.add([*self._passwords, *(play.vars.get(name) for name in self._prompted)])
        values = {"play": str(play.get_name()), "hosts": variables.get("ansible_play_hosts_all", [])}
        self._run.record_of_run("ansible:play", self._secrets.clean(values))

    def _begin(self, variables: Mapping[str, Any]) -> None:
        """Opens the journal, and has the run's beginning on disk."""
        # what these need may be missing, and then it is this plugin's to say so
        from ansible_collections.kojo.plant.plugins.plugin_utils import journal_origin, journal_settings
        from ansible_collections.kojo.plant.plugins.plugin_utils.journal_run import Run
        from ansible_collections.kojo.plant.plugins.plugin_utils.journal_secrets import Secrets

        page = journal_settings.page_of(variables)
        if page is None:
            return  # no task will run, or no host is a plant's
        settings = journal_settings.settings(page)
        if settings is None:
            self._passed_over = True
            self._display.v("kojo.plant.audit: the inventory has no plant_id, so this run is not recorded")
            return
        mode = journal_settings.mode(variables.get("kojo_audit") or page.get("kojo_audit"))
        self._secrets = Secrets()
        for host in variables["groups"]["all"]:
            self._secrets.learn(variables["hostvars"].raw_get(host))
        self._secrets.learn({name: value for name, value in os.environ.items() if name != "PWD"})
        # what is templated there is not in the raw ones
        self._secrets.add([settings.key, settings.service and settings.service.key])
        extra = self._manager.extra_vars
        best_effort = mode == journal_settings.BEST_EFFORT
        self._run = Run(str(uuid.uuid4()), settings, journal_origin.actor(extra), best_effort=best_effort)
        parent = os.environ.get(RUN)
        os.environ[RUN] = self._run.identifier
        self._began = time.monotonic()
        try:
            self._run.open()
        except Exception:
            self._run = None
            raise
        atexit.register(self._leave)
        if self._run.exception:
            self._display.warning(f"This run goes on without its journal, as an exception: {self._run.exception}")
        values = self._command(page) | {"audit": mode, "parent": parent, "origin": journal_origin.origin(extra)}
        folders = {"inventory": Path(str(page.get("inventory_dir") or "."))}
        if self._playbook.name != ADHOC:
            folders["playbook"] = self._playbook.parent
        values["git"] = journal_origin.commits({name: path.resolve() for name, path in folders.items()})
        self._run.record_of_run(
            "ansible:start", self._secrets.clean(values) | {"extra_vars": self._secrets.clean(extra)}
        )
        self._run.sync()

    def _command(self, page: Mapping[str, Any]) -> dict[str, Any]:
        options = context.CLIARGS
        adhoc = self._playbook.name == ADHOC
        return {
            "ansible": ansible_version,
            "check": bool(options.get("check")),
            "diff": bool(options.get("diff")),
            "inventory": _texts(options.get("inventory")),
            "limit": options.get("subset"),
            "module": f"{options.get('module_name')} {options.get('module_args')}" if adhoc else None,
            "playbook": None if adhoc else str(self._playbook),
            "plant": str(page["plant_id"]),
            "skip_tags": _texts(options.get("skip_tags")),
            "start_at_task": options.get("start_at_task"),
            "tags": _texts(options.get("tags")),
        }

    def _task(self, action: str, result: Any, *, failed: bool, **values: bool) -> None:
        self._guarded(lambda: self._record_task(action, result, failed, values))

    def _record_task(self, action: str, result: Any, failed: bool, values: dict[str, bool]) -> None:
        from ansible_collections.kojo.plant.plugins.plugin_utils.journal_events import told

        host, task, fields = result.host.name, result.task, result.task_fields
        # set_fact, include_vars and register put values where a censored result doesn't show them
        for held in ("_nonpersistent_fact_cache", "_vars_cache"):
            self._secrets.learn(getattr(self._manager, held, {}).get(host))
        self._secrets.learn([result.result, task.get_vars()])
        self._secrets.learn([fields.get(name) for name in ("args", "environment", "vars")])
        delegate = (result.result.get("_ansible_delegated_vars") or {}).get("ansible_host") or fields.get("delegate_to")
        self._run.record(
            action,
            ("host", host),
            {
                "action": task.resolved_action or task.action,
                "check": bool(fields.get("check_mode")),
                "delegated_to": self._secrets.clean(delegate) if delegate else None,
                "task": self._secrets.text(_name(task)),
                "file": task.get_path(),
                **values,
                **told(result.result, self._secrets, failed=failed),
            },
        )

    def _synced(self) -> None:
        if self._run:
            self._guarded(self._run.sync)

    def _end(self, outcome: str, hosts: Mapping[str, Any]) -> None:
        run = self._run
        seconds = round(time.monotonic() - self._began, 3)
        run.record_of_run("ansible:end", {"outcome": outcome, "hosts": hosts, "seconds": seconds})
        run.sync()
        run.close()
        self._run = None
        os.environ.pop(RUN, None)
        if not run.exception and outcome != INTERRUPTED:
            self._ship(run.settings)

    def _ship(self, settings: Any) -> None:
        from ansible_collections.kojo.plant.plugins.plugin_utils.journal_shipping import Refused, ship

        try:
            taken = ship(settings)
            self._display.v(f"kojo.plant.audit: the service took {taken} records")
        except Refused as refused:
            self._display.warning(f"The service took no audit records of this control node: {refused}")
        except OSError as error:
            self._display.v(f"kojo.plant.audit: the service isn't reachable, the next run will send: {error}")
        except Exception as error:  # whatever it is, the run was done and recorded
            self._display.warning(f"The audit records of this control node can't be sent: {error}")

    def _leave(self) -> None:
        """The run ends without Ansible's own end: Ctrl-C, or an error of Ansible's."""
        if self._run and os.getpid() == self._process:
            with suppress(SystemExit):  # it is ending
                self._guarded(lambda: self._end(INTERRUPTED, {}))

    def _guarded(self, work: Callable[[], None]) -> None:
        """A run that can't be recorded doesn't go on. Ansible turns a callback's errors into warnings, but not this."""
        try:
            if self._unfit:
                raise RuntimeError(self._unfit)
            work()
        except Exception as error:
            begun = self._run is not None
            self._run, self._passed_over = None, True
            self._display.error(_said(error, begun), wrap_text=False)
            raise SystemExit(1) from error


def _said(error: Exception, begun: bool) -> str:
    state = "ends here, and its last task may be in no record" if begun else "has not begun"
    cause = str(error) if type(error).__name__ == "JournalFault" else f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError):
        cause = f"the Python that runs Ansible has no {error.name}; install pyproject.toml's `control` dependencies"
    return f"The audit journal can't be written, so the run {state}: {cause}. {BEGIN}"


def _name(task: Any) -> str:
    """As it is written: what a template in it says may be a secret, and is that of one host."""
    written = task.get_ds()
    name = written.get("name") if isinstance(written, Mapping) else None
    return f"{task._role.get_name()} : {name}" if name and task._role else str(name or task.get_name())


def _texts(values: Iterable[object] | None) -> list[str]:
    return [str(value) for value in values or ()]
