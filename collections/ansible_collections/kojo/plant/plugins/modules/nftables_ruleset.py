#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Own one nftables table: check, apply, confirm or roll back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables_ruleset
short_description: Own one nftables table, with a rollback unless a fresh connection confirms
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Replaces one table in one transaction. No other table of the host is read, flushed or changed.
  - The rules are first loaded into an empty network namespace. So what C(nft) or the kernel refuses, and what
    touches another table, is refused here; and the live table is compared in the kernel's own words, so that
    a rule that was changed by hand is seen.
  - O(state=present) makes the new table live and arms a timer that brings the former one back.
    O(state=confirmed), run over a new connection (M(ansible.builtin.meta) with C(reset_connection) before it),
    disarms the timer and keeps the rules in O(path). If the new rules lock Ansible out, nobody confirms, and the
    host opens again.
  - A host that restarts before the confirmation comes up with the former rules.
options:
  content:
    description: The table, as C(nft) reads it.
    type: str
    required: true
  path:
    description:
      - The file that keeps the confirmed rules, for a unit that loads them at boot.
      - Folders that are missing are made.
    type: path
    required: true
  state:
    description:
      - V(present) applies the rules, to be confirmed.
      - V(confirmed) keeps them. It fails if they aren't the live ones, because the rollback has come first.
    type: str
    choices: [present, confirmed]
    default: present
  family:
    description: The table's family.
    type: str
    choices: [inet, ip, ip6]
    default: inet
  table:
    description: The table's name. The rollback's timer and its script in C(/run/kojo) are named after it.
    type: str
    default: kojo
  rollback_after:
    description: Seconds until the former table comes back unless O(state=confirmed) was run.
    type: int
    default: 60
attributes:
  check_mode:
    description: Says what would change. Where C(nft) isn't installed yet, every rule would be new.
    support: full
  diff_mode:
    description: Shows the table before and after, or the file in O(path) where only that differs.
    support: full
  idempotent:
    description: A table and a file that are as wanted are left alone.
    support: full
  platform:
    description: Needs systemd, C(nft) and C(unshare).
    platforms: Debian
    support: full
"""

EXAMPLES = r"""
- name: Apply the packet filter
  kojo.plant.nftables_ruleset:
    content: "{{ lookup('ansible.builtin.template', 'kojo.nft.j2') }}"
    path: /etc/kojo/nftables.nft
  register: ruleset

- name: Come back over a new connection
  ansible.builtin.meta: reset_connection

- name: Keep the packet filter
  kojo.plant.nftables_ruleset:
    content: "{{ lookup('ansible.builtin.template', 'kojo.nft.j2') }}"
    path: /etc/kojo/nftables.nft
    state: confirmed
  when: ruleset.pending
"""

RETURN = r"""
pending:
  description: Whether a timer now waits for the confirmation.
  type: bool
  returned: always
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kojo.plant.plugins.module_utils.nftables import (
    NftablesError,
    Rollback,
    Table,
    read,
    write,
)


def present(table: Table, rollback: Rollback, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    script, path = table.replaced_by(params["content"]), Path(params["path"])
    wanted, live, kept, waiting = table.listing_of(script), table.listing(), read(path), rollback.armed()
    if live != wanted or kept == script:
        diff = {"before_header": str(table), "after_header": str(table), "before": live or "", "after": wanted}
    else:
        diff = {"before_header": str(path), "after_header": str(path), "before": kept or "", "after": script}
    changed = live != wanted or kept != script or waiting
    result = {"changed": changed, "diff": diff, "pending": False}
    if check_mode or not changed:
        return result
    if live == wanted and not waiting:
        write(path, script)
        return result
    apply(table, rollback, script, live, waiting, params["rollback_after"])
    return {**result, "pending": True}


def apply(table: Table, rollback: Rollback, script: str, live: str | None, waiting: bool, seconds: int) -> None:
    """Make SCRIPT live under an armed rollback. One that waits already goes further back: its table stays the aim."""
    if waiting:
        rollback.disarm()
    else:
        former = table.replaced_by(live or "")
        if live is not None and table.listing_of(former) != live:
            raise NftablesError(f"The live {table} can't be restored from its own listing, so nothing was changed")
        write(rollback.script, former)
    rollback.arm(seconds)
    table.load(script)


def confirmed(table: Table, rollback: Rollback, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    script, path = table.replaced_by(params["content"]), Path(params["path"])
    wanted, kept, waiting = table.listing_of(script), read(path), rollback.armed()
    require_live(table, wanted)
    changed = waiting or kept != script
    header = {"before_header": str(path), "after_header": str(path)}
    if changed and not check_mode:
        rollback.disarm()
        require_live(table, wanted)  # the timer may have come first
        write(path, script)
    return {"changed": changed, "diff": {**header, "before": kept or "", "after": script}, "pending": False}


def require_live(table: Table, wanted: str) -> None:
    if table.listing() != wanted:
        raise NftablesError(
            f"Nothing to confirm: the live {table} isn't this content. No confirmation came in time and the former"
            " rules are back, or another program changed them. Apply with state=present again."
        )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "content": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "confirmed"], "default": "present"},
            "family": {"type": "str", "choices": ["inet", "ip", "ip6"], "default": "inet"},
            "table": {"type": "str", "default": "kojo"},
            "rollback_after": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C.UTF-8"}
    params = module.params
    nft = module.get_bin_path("nft")
    if nft is None and module.check_mode:
        module.exit_json(changed=True, pending=False, diff={"before": "", "after": params["content"]})
    if nft is None:
        module.fail_json(msg="nft isn't installed. Install the package nftables first.")
    table = Table(module.run_command, nft, params["family"], params["table"])
    unit = f"nftables-rollback-{params['family']}-{params['table']}"
    rollback = Rollback(module.run_command, nft, unit, Path("/run/kojo", f"{unit}.nft"))
    act = present if params["state"] == "present" else confirmed
    try:
        module.exit_json(**act(table, rollback, params, module.check_mode))
    except NftablesError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
