"""The base of all tables: one schema, named constraints."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

SCHEMA = "mes"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)
