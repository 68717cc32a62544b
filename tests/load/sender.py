"""Sends readings as gateways do, and tells what was acknowledged. Runs on a host of the plant: standard library alone.

Its job is one JSON line on standard input: `address` and `port` of the API host, API `key`, the files `ca`,
`certificate` and `certificate_key`, `seconds` and `interval`, readings a `batch`, and `sources`: name to sensors with
their values. Each source has a connection and sends one batch after the other; a batch that got no 2xx goes again under
its own key. On standard output is a JSON line every `interval` seconds: seconds since the start, each source's tally.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

PAUSE = 0.2
PATIENCE = 30.0
MICROSECONDS = 1_000_000


@dataclass
class Tally:
    """Of one source. A reading's sequence number is its place: 1, 2, 3 …, so `readings` is also the last number."""

    attempted: int = 0
    readings: int = 0
    batches: int = 0
    failures: int = 0
    first: int = 0  # microseconds since the epoch
    last: int = 0
    gave_up: str = ""
    slowest: float = field(default=0.0)


class Source(threading.Thread):
    """A gateway with its sensors: batches of readings, each instant once, each batch under a key of its own."""

    def __init__(self, job: dict[str, Any], name: str, sensors: list[str], values: list[str]) -> None:
        super().__init__(daemon=True)
        self.job, self.name, self.tally = job, name, Tally()
        self.rounds = -(-job["batch"] // len(sensors))
        places = [divmod(index, len(sensors)) for index in range(job["batch"])]
        reading = '{"sensor":"%s","time":"%%s%%06d+00:00","value":%s,"sequence":%%d}'
        readings = ",".join(reading % (sensors[sensor], values[sensor]) for _, sensor in places)
        self.instants = [instant for instant, _ in places]
        self.template = f'{{"source":"{name}","readings":[{readings}]}}'
        self.stop = threading.Event()

    def body(self) -> bytes:
        """The next batch: its readings are from now on, a microsecond a round."""
        now = max(time.time_ns() // 1000, self.tally.last + 1)
        if now % MICROSECONDS + self.rounds > MICROSECONDS:
            now += MICROSECONDS - now % MICROSECONDS
        second, microsecond = divmod(now, MICROSECONDS)
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        number, fields = self.tally.readings + 1, []
        for place, instant in enumerate(self.instants):
            fields += [text, microsecond + instant, number + place]
        self.newest = now + self.rounds - 1
        self.tally.first = self.tally.first or now
        return (self.template % tuple(fields)).encode()

    def run(self) -> None:
        connection: http.client.HTTPSConnection | None = None
        while not self.stop.is_set():
            body, key = self.body(), f"{self.name}-{self.tally.batches:09d}"
            headers = {
                "Authorization": f"Bearer {self.job['key']}",
                "Content-Type": "application/json",
                "Idempotency-Key": key,
            }
            self.tally.attempted += self.job["batch"]
            started = time.monotonic()
            while True:
                try:
                    connection = connection or self.connect()
                    connection.request("POST", "/api/v1/readings", body, headers)
                    answer = connection.getresponse()
                    text = answer.read()
                    if answer.status == http.client.OK:
                        break
                    why = f"{answer.status} {text[:300].decode(errors='replace')}"
                except (OSError, http.client.HTTPException) as error:
                    why, connection = repr(error), None
                self.tally.failures += 1
                if time.monotonic() - started > PATIENCE:
                    self.tally.gave_up = why
                    return
                time.sleep(PAUSE)
            self.tally.slowest = max(self.tally.slowest, time.monotonic() - started)
            self.tally.last = self.newest
            self.tally.readings += self.job["batch"]
            self.tally.batches += 1

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.job["ca"])
        context.load_cert_chain(self.job["certificate"], self.job["certificate_key"])
        return http.client.HTTPSConnection(self.job["address"], self.job["port"], timeout=20, context=context)


def main() -> None:
    job = json.loads(sys.stdin.readline())
    sources = [Source(job, name, list(known), list(known.values())) for name, known in job["sources"].items()]
    started = time.monotonic()

    def tell() -> None:
        tallies = {source.name: asdict(source.tally) for source in sources}
        print(json.dumps({"seconds": time.monotonic() - started, "sources": tallies}), flush=True)

    for source in sources:
        source.start()
    while (left := job["seconds"] - (time.monotonic() - started)) > 0:
        time.sleep(min(left, job["interval"]))
        tell()
    for source in sources:
        source.stop.set()
    for source in sources:
        source.join()
    tell()


if __name__ == "__main__":
    main()
