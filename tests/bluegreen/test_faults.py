"""Something happens to an edge in the middle of a deploy. The campaign is `make figure-deploy-faults`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bluegreen.conftest import SHORT
from tests.bluegreen.disturbance import ON_EDGES, Disturbance
from tests.bluegreen.trials import Trials, trials
from tests.faults.lab import Lab


@pytest.fixture(scope="module")
def deploys(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    with trials(lab, tmp_path_factory.mktemp("trials")) as told:
        yield told


@pytest.mark.skipif(SHORT, reason="takes minutes: make bluegreen-test, make figure-deploy-faults")
@pytest.mark.parametrize(("name", "instant"), [("partitioned", 25), ("HAProxy killed", 35)])
def test_a_deploy_survives_what_happens_to_an_edge(lab: Lab, deploys: Trials, name: str, instant: float) -> None:
    edge = lab.plant.groups["edge"][-1]
    deploys.disturbed(Disturbance(f"{edge} {name}", edge, ON_EDGES[name]), instant)
