"""What the health checks answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    status: Literal["pass", "fail"]
    version: str = Field(examples=["0.1.0"])
    detail: str | None = None


class LineSilence(BaseModel):
    line: str = Field(examples=["line-1"])
    status: Literal["pass", "fail"]
    seconds_since_last_reading: float | None = Field(default=None, examples=[0.8])


class IotHealth(Health):
    lines: list[LineSilence]
