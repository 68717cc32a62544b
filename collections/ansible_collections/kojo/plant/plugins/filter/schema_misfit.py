# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Whether a release runs on a schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.plugin_utils.release_manifest import LiveSchema, SchemaRange, misfit

DOCUMENTATION = r"""
name: schema_misfit
short_description: Why a release doesn't run on a schema of the database
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - A release runs on a schema that has all that its code uses, and that nothing was taken away from which its code
    uses. Migrations of later releases that only added do no harm.
options:
  _input:
    description:
      - The release. C(release) is its name for messages, C(schema) holds C(min) and C(max), as the module
        P(kojo.plant.release#module) returns them, or as C(kojo-mes schema) of an installed release tells them.
    type: dict
    required: true
  live:
    description: The schema, C(revision) and C(needs), as C(kojo-mes schema --live) tells it in C(live) or C(expanded).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a release that the database's schema doesn't fit
  ansible.builtin.assert:
    that: not misfit
    fail_msg: "{{ misfit }}"
  vars:
    misfit: "{{ release | kojo.plant.schema_misfit((schema.stdout | from_json).live) }}"
"""

RETURN = r"""
_value:
  description: The reason and what to do; empty when the release fits.
  type: str
"""


def schema_misfit(release: Mapping[str, Any], live: Mapping[str, Any]) -> str:
    try:
        own, database = SchemaRange(**release["schema"]), LiveSchema(**live)
        return misfit(str(release["release"]), own, database) or ""
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(
            "schema_misfit takes a release {release, schema: {min, max}} and a schema {revision, needs}: "
            f"{type(error).__name__} {error}"
        ) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"schema_misfit": schema_misfit}
