"""Quantities of material: exact decimals with a unit, never binary fractions."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

DIGITS, DECIMALS = 18, 6
NUMERAL = rf"^[0-9]{{1,{DIGITS - DECIMALS}}}(\.[0-9]{{1,{DECIMALS}}})?$"
EXACT = f"more than 0, {DECIMALS} decimals at most; send it as a string to keep it exact"


class Unit(StrEnum):
    """Of measure: pieces, and the SI's kg, g, t, l, ml, m, m²."""

    PIECES = "pcs"
    KILOGRAM = "kg"
    GRAM = "g"
    TONNE = "t"
    LITRE = "l"
    MILLILITRE = "ml"
    METRE = "m"
    SQUARE_METRE = "m2"


def _written(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, str) and not re.fullmatch(NUMERAL, value)):
        raise ValueError(f"is not a number, like 12.5, of {DECIMALS} decimals at most")
    return value


WRITTEN = BeforeValidator(_written)


def documented(most: int) -> WithJsonSchema:
    """For OpenAPI: a number of JSON, more than 0 and at most `most`, or its text."""
    number = {"type": "number", "exclusiveMinimum": 0, "maximum": most}
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": NUMERAL}]}, mode="validation")


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros: equal quantities are equal texts."""
    return f"{value.normalize():f}"


# sums and remainders: 0 is possible
Amount = Annotated[Decimal, PlainSerializer(plain, return_type=str)]
Quantity = Annotated[
    Decimal,
    Field(
        gt=0,
        max_digits=DIGITS,
        decimal_places=DECIMALS,
        allow_inf_nan=False,
        description=EXACT,
        examples=["12.5"],
    ),
    WRITTEN,
    documented(10 ** (DIGITS - DECIMALS) - 1),
    PlainSerializer(plain, return_type=str),
]


def whole_if_pieces(quantity: Decimal, unit: Unit) -> str | None:
    """What is wrong, if half a piece is asked for."""
    if unit is Unit.PIECES and quantity != quantity.to_integral_value():
        return "pieces are whole"
    return None
