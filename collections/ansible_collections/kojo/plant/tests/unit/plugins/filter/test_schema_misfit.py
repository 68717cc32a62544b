"""Who fits is tested beside the rule; here, what playbooks hand over."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.filter.schema_misfit import FilterModule

schema_misfit = FilterModule().filters()["schema_misfit"]
RELEASE = {"release": "1.2.3", "signer": "aiko", "schema": {"min": "0026", "max": "0026"}}


def test_a_release_that_fits_has_no_reason() -> None:
    assert schema_misfit(RELEASE, {"revision": "0027", "needs": "0026"}) == ""


def test_a_release_that_does_not_has_one() -> None:
    assert "release 1.2.3 needs schema 0026" in schema_misfit(RELEASE, {"revision": "0025", "needs": None})


@pytest.mark.parametrize(
    ("release", "live"),
    [
        ({"schema": RELEASE["schema"]}, {"revision": None, "needs": None}),
        ({"release": "1", "schema": "0026"}, {"revision": None, "needs": None}),
        (RELEASE, {"revision": "0026"}),
        (RELEASE, {"live": {"revision": "0026", "needs": None}}),
        (RELEASE, None),
    ],
)
def test_anything_else_is_refused_never_taken_for_fitting(release: dict[str, Any], live: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a release"):
        schema_misfit(release, live)
