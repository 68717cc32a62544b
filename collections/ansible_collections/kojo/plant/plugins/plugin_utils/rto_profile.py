# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""One table of timings, and the recovery time that follows from it.

All durations of the model are ranges (shortest, longest); the average is the middle of the range, and ranges add up.

* host lost    = (ttl - loop_wait, ttl) + LEASE_TICK + DEAD_PEER_POLL + PROMOTION + CLIENT_DETECTION
* process lost = (0, loop_wait) + DEMOTION + PROMOTION + CLIENT_DETECTION, because primary_start_timeout is 0
* the lost host also led etcd: the new leader grants every lease its whole ttl again, so the worst case of
  host lost begins after an election
* address      = advert_int * (down_timer_adverts + 1): the adverts that stay away, and VRRP's skew of one at most
* Redis        = down_after + SENTINEL_ELECTION + SENTINEL_PROMOTION
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Range = tuple[float, float]
Table = dict[str, dict[str, int | float]]

# seconds
LEASE_TICK: Final[Range] = (0.0, 0.5)  # etcd looks for expired leases twice a second
DEAD_PEER_POLL: Final[Range] = (0.0, 2.0)  # the candidate asks the dead primary's REST interface first
DEMOTION: Final[Range] = (0.0, 0.5)
PROMOTION: Final[Range] = (0.3, 1.0)
CLIENT_DETECTION: Final[Range] = (0.7, 1.5)
SENTINEL_ELECTION: Final = 1.0  # a random delay of up to a second before a Sentinel asks for votes
SENTINEL_PROMOTION: Final = 0.5

CLIENT: Final[dict[str, int | float]] = {"connect_timeout_s": 2, "tcp_user_timeout_ms": 5000}

FAST: Final[Table] = {
    "patroni": {
        "ttl": 20,
        "loop_wait": 3,
        "retry_timeout": 8,
        "primary_start_timeout": 0,
        "primary_stop_timeout": 10,
    },
    "haproxy": {"check_interval_ms": 500, "fall": 3, "rise": 2, "connect_timeout_ms": 1000},
    "keepalived": {"advert_int": 0.2, "down_timer_adverts": 5},
    "sentinel": {"down_after_ms": 2000, "failover_timeout_ms": 10000},
    "client": CLIENT,
    "etcd": {"heartbeat_ms": 100, "election_ms": 1000},
}

PROFILES: Final[dict[str, Table]] = {
    "fast": FAST,
    # `fast` for hosts that share few cores: a stall of a second or two isn't a death
    "lab": {
        **FAST,
        "keepalived": {"advert_int": 0.4, "down_timer_adverts": 5},
        "sentinel": {"down_after_ms": 3000, "failover_timeout_ms": 10000},
        "etcd": {"heartbeat_ms": 250, "election_ms": 2500},
    },
    "normal": {
        "patroni": {
            "ttl": 30,
            "loop_wait": 5,
            "retry_timeout": 10,
            "primary_start_timeout": 0,
            "primary_stop_timeout": 10,
        },
        "haproxy": {"check_interval_ms": 2000, "fall": 3, "rise": 2, "connect_timeout_ms": 2000},
        "keepalived": {"advert_int": 1.0, "down_timer_adverts": 3},
        "sentinel": {"down_after_ms": 5000, "failover_timeout_ms": 30000},
        "client": CLIENT,
        "etcd": {"heartbeat_ms": 100, "election_ms": 1000},
    },
}


def _total(*ranges: Range) -> Range:
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)


def predict(table: Mapping[str, Mapping[str, int | float]]) -> dict[str, float]:
    """The recovery times, in seconds, that TABLE leads to."""
    patroni, keepalived = table["patroni"], table["keepalived"]
    ttl, loop_wait = float(patroni["ttl"]), float(patroni["loop_wait"])
    host = _total((ttl - loop_wait, ttl), LEASE_TICK, DEAD_PEER_POLL, PROMOTION, CLIENT_DETECTION)
    process = _total((0.0, loop_wait), DEMOTION, PROMOTION, CLIENT_DETECTION)
    seconds = {
        "process_lost_s": process[1],
        "host_lost_average_s": sum(host) / 2,
        "host_lost_worst_s": host[1],
        "host_and_etcd_leader_lost_worst_s": host[1] + table["etcd"]["election_ms"] / 1000,
        "address_takeover_s": keepalived["advert_int"] * (keepalived["down_timer_adverts"] + 1),
        "redis_failover_s": table["sentinel"]["down_after_ms"] / 1000 + SENTINEL_ELECTION + SENTINEL_PROMOTION,
    }
    return {name: round(value, 1) for name, value in seconds.items()}


def rto_profile(name: str) -> Table:
    """The timings of the profile NAME, and under `predicted` what they lead to."""
    if name not in PROFILES:
        raise ValueError(f"plant_rto_profile: {name!r} is not a profile; choose one of {', '.join(sorted(PROFILES))}")
    timings = {part: dict(values) for part, values in PROFILES[name].items()}
    return {**timings, "predicted": dict(predict(timings))}
