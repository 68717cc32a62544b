"""Arguments of `kojo-mes simulate`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", required=True, help="of the service, like https://10.77.35.10")
    parser.add_argument("--key-file", required=True, type=Path, help="file that holds the API key")
    parser.add_argument("--ca", type=Path, help="CA of the service's certificate (default: the system's)")
    parser.add_argument("--certificate", type=Path, help="client certificate, where the listener asks for one")
    parser.add_argument("--key", type=Path, help="key of the client certificate")
    parser.add_argument(
        "--plant-file", type=Path, default=Path("/etc/kojo-mes/plant.json"), help="default: %(default)s"
    )
    parser.add_argument(
        "--spool", type=Path, default=Path("/var/lib/kojo-mes/spool"), help="unsent batches (default: %(default)s)"
    )
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between measurements (default: 1)")
    parser.add_argument("--seed", type=int, default=None, help="plays the same again (default: random, printed)")
