"""Where a record of a line comes from: somebody or a device said so by the API, or readings did, by rule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

RECORD: Literal["record"] = "record"
SIGNALS: Literal["signals"] = "signals"
Source = Annotated[
    Literal["record", "signals"],
    Field(
        description="record: said by somebody or a device by the API, and changed by nobody else; signals: derived from"
        " the equipment's readings, and derived again when readings come late",
        examples=["signals"],
    ),
]
