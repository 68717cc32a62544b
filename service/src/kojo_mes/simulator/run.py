"""`kojo-mes simulate`: measures every interval, and sends what it measured until it is acknowledged."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
import signal
import ssl
from datetime import UTC, datetime
from http import HTTPStatus

import httpx

from kojo_mes.kit.logging import get
from kojo_mes.kit.settings import SettingsError
from kojo_mes.lines.plant import read_plant
from kojo_mes.simulator.machines import SimulatedPlant
from kojo_mes.simulator.spool import Spool

log = get(__name__)
TIMEOUT = 15.0  # longer than the service's own deadline
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
LAST_WORDS = 5.0  # seconds to send what waits, after SIGTERM
AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class Refused(Exception):
    """The API will never take this batch: its key or its plant is another."""


def run(options: argparse.Namespace) -> int:
    seed = secrets.randbits(32) if options.seed is None else options.seed
    plant = SimulatedPlant(read_plant(options.plant_file), seed)
    log.info("simulation_started", seed=seed, url=options.url)
    try:
        tls, api_key = _tls(options), options.key_file.read_text().strip()
    except OSError as error:  # ssl.SSLError too
        raise SettingsError([f"--key-file, --ca, --certificate, --key: {error}"]) from error
    try:
        asyncio.run(_play(plant, options, tls, api_key))
    except Refused as error:
        log.error("refused", reason=str(error))
        return 1
    log.info("simulation_ended")
    return 0


def _tls(options: argparse.Namespace) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=options.ca)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    if options.certificate:
        tls.load_cert_chain(options.certificate, options.key)
    return tls


async def _play(plant: SimulatedPlant, options: argparse.Namespace, tls: ssl.SSLContext, api_key: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    spool = Spool(options.spool)
    headers = {
        "Authorization": f"Bearer {api_key}",
        "Content-Type": "application/json",
    }
    async with httpx.AsyncClient(base_url=options.url, verify=tls, headers=headers, timeout=TIMEOUT) as client:
        tasks = {
            asyncio.create_task(_send(spool, client)),
            asyncio.create_task(_measure(plant, spool, options.interval)),
            asyncio.create_task(stop.wait()),
        }
        ended, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for task in ended:
            task.result()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_send_waiting(spool, client), LAST_WORDS)


async def _measure(plant: SimulatedPlant, spool: Spool, interval: float) -> None:
    loop = asyncio.get_running_loop()
    before = due = loop.time()
    while True:
        now = loop.time()
        plant.advance(now - before)
        before = now
        readings = plant.readings(datetime.now(UTC).isoformat())
        spool.put(json.dumps({"readings": readings}).encode())
        due = max(due + interval, loop.time())
        await asyncio.sleep(due - loop.time())


async def _send(spool: Spool, client: httpx.AsyncClient) -> None:
    while True:
        await spool.filled.wait()
        spool.filled.clear()
        await _send_waiting(spool, client)


async def _send_waiting(spool: Spool, client: httpx.AsyncClient) -> None:
    """In order, each until it is acknowledged, always under its own key."""
    for key in spool.waiting():
        pause = FIRST_PAUSE
        while not await _acknowledged(client, key, spool.read(key)):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        spool.drop(key)


async def _acknowledged(client: httpx.AsyncClient, key: str, batch: bytes) -> bool:
    try:
        answer = await client.post("/api/v1/readings", content=batch, headers={"Idempotency-Key": key})
    except httpx.TransportError as error:
        log.warning("not_sent", reason=f"{type(error).__name__}: {error}")
        return False
    if answer.is_success:
        return True
    if answer.is_client_error and answer.status_code not in AGAIN:
        raise Refused(f"{answer.status_code} {answer.text}")
    log.warning("not_taken", status=answer.status_code)
    return False
