"""The installed command as systemd runs it, without TLS."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from servers import mortal, wait_until

COMMAND = Path(sys.executable).parent / "kojo-mes"
LEAVE_SECONDS = 60


@contextlib.contextmanager
def process(variables: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        mortal([str(COMMAND), *arguments], signal.SIGKILL),
        env={"PATH": os.environ["PATH"], **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def listens(url: str, context: ssl.SSLContext) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", verify=context).status_code == 200
    return False


@contextlib.contextmanager
def plain_api(variables: dict[str, str], port: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    url = f"http://127.0.0.1:{port}"
    with process(variables | {"KOJO_MES_LISTEN_PORT": str(port)}, "api") as started:
        wait_until(lambda: listens(url, ssl.create_default_context()), "kojo-mes api")
        yield url, started
