"""Switches of the plant under test."""

from __future__ import annotations

from tests.faults.conftest import host, lab, plant

__all__ = ["host", "lab", "plant"]
