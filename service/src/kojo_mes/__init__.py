"""Kojo's manufacturing service."""

from importlib.metadata import version

VERSION = version("kojo-mes")
