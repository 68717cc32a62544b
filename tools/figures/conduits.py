"""The conduit matrix: how many paths through the plant's network differ from the conduit table."""

from __future__ import annotations

from tests.plant.conduit_matrix import Network, differences, measure
from tests.plant.inventory import load_plant
from tools.figures.common import emit, inventory, running_plant

BAR = 0
UNIT = "differences"


def main() -> None:
    with running_plant():
        network = Network.of(load_plant(inventory()))
        measured = measure(network)
    found = differences(network, measured)
    print(f"{len(measured)} paths tried, {sum(measured.values())} passed")
    for line in found:
        print(line)
    emit("conduits", len(found), UNIT, bar=BAR, better="lower")


if __name__ == "__main__":
    main()
