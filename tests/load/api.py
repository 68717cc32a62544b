"""The API process of a host, past the balancers: its memory, and what it says of itself."""

from __future__ import annotations

import re
import shlex
from collections import Counter

from tests.faults.lab import Lab

PORTS = {"blue": 8101, "green": 8102}
# a colour speaks only to hosts of the plant: asked from its own, with the host's certificate
ASK = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
context.load_cert_chain("/etc/kojo/pki/host.crt", "/etc/kojo/pki/host.key")
print(urllib.request.urlopen(sys.argv[1], timeout=30, context=context).read().decode())
"""


class Api:
    """The process that serves on a host now."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.host = lab.ssh(name)
        self.address = lab.plant.address(name)
        colour = self.host.check_output("readlink /opt/kojo-mes/current").strip()
        self.port = PORTS[colour]
        self.pid = self.host.check_output(f"systemctl show -P MainPID kojo-mes-api@{colour}").strip()

    def memory(self) -> float:
        """Return its resident memory in MiB. A process that was replaced has none."""
        return int(self.host.check_output(f"grep VmRSS /proc/{self.pid}/status").split()[1]) / 1024

    def histogram(self, metric: str) -> Counter[float]:
        """Return a histogram over all its labels: observations up to each edge, infinity too."""
        command = ["python3", "-c", ASK, f"https://{self.address}:{self.port}/metrics"]
        return histogram(self.host.check_output(shlex.join(command)), metric)


def histogram(text: str, metric: str) -> Counter[float]:
    """Sum a histogram's cumulative buckets over its labels, from Prometheus' text format."""
    found: Counter[float] = Counter()
    for edge, value in re.findall(rf'^{metric}_bucket{{.*?le="([^"]+)".*?}} (\S+)$', text, re.MULTILINE):
        found[float(edge)] += int(float(value))
    return found


def quantile(share: float, buckets: Counter[float]) -> float:
    """Return where this share of observations ends, between two edges by their share, as Prometheus' histogram_quantile
    does. Beyond the last edge it isn't known: infinity."""
    rank, lower, below = share * max(buckets.values()), 0.0, 0
    for edge, count in sorted(buckets.items()):
        if count >= rank:
            return edge if edge == float("inf") else lower + (edge - lower) * (rank - below) / (count - below)
        lower, below = edge, count
    raise ValueError("a histogram has observations")
