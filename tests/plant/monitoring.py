"""Monitoring as its users log in to it: at the monitoring host, with the plant's CA alone."""

from __future__ import annotations

import httpx

from tests.plant.inventory import Plant


def client(plant: Plant, port: int, secret: str) -> httpx.Client:
    """SECRET: the name of the password of `kojo`, who looks at what listens at PORT."""
    return httpx.Client(
        base_url=f"https://{plant.address(plant.groups['monitoring'][0])}:{port}",
        verify=plant.tls(),
        auth=("kojo", plant.secrets[secret]),
        timeout=20,
        trust_env=False,
    )
