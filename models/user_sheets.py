"""What all users did on one day that is over, as columns of numbers: summed in a thousandth of the time of their cells.

A user is a number, by which the columns are ordered. Numbers are little-endian: 4 bytes of a user, 8 of a figure. A
cost is two of them, whole thousandths of a dollar and what is left in units of 1e-15 USD, so that both stay exact.
"""

import sys
from array import array
from collections.abc import Iterable
from typing import NamedTuple

from models.documents import Document

NUMBERS = "numbers"
USERS = "users"
"""The same as a set of bits: distinct users of several days are their union."""
COLUMNS = {"requests": ("requests",), "tokensUsed": ("tokensUsed",), "cost": ("costHigh", "costLow")}
"""The stored columns of each figure."""
THOUSANDTH = 10**12
"""Of a dollar, in units of 1e-15 USD."""


class UserRow(NamedTuple):
    """What one user did."""

    number: int
    requests: int
    tokens: int
    cost: int
    """In units of 1e-15 USD."""


def columns_of(rows: Iterable[UserRow]) -> Document:
    """The stored columns of a sheet."""
    ordered = sorted(rows)
    costs = [divmod(row.cost, THOUSANDTH) for row in ordered]
    return {
        USERS: bits_of(row.number for row in ordered).to_bytes(ordered[-1].number // 8 + 1 if ordered else 0, "little"),
        NUMBERS: _packed("I", [row.number for row in ordered]),
        "requests": _packed("q", [row.requests for row in ordered]),
        "tokensUsed": _packed("q", [row.tokens for row in ordered]),
        "costHigh": _packed("q", [high for high, _ in costs]),
        "costLow": _packed("q", [low for _, low in costs]),
    }


def bits_of(numbers: Iterable[int]) -> int:
    """A set of users as bits of one integer."""
    found = bytearray()
    for number in numbers:
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(found):
            found.extend(bytes(max(place + 1 - len(found), 4096)))
        found[place] |= bit
    return int.from_bytes(found, "little")


def bits(sheet: Document) -> int:
    """The users of a stored sheet, as bits."""
    return int.from_bytes(sheet[USERS], "little")


def numbers(sheet: Document) -> "array[int]":
    """The users of a stored sheet, in ascending order."""
    return _unpacked("I", sheet[NUMBERS])


def figures(sheet: Document, name: str) -> Iterable[int]:
    """One figure of each user, in the order of `numbers`; costs in units of 1e-15 USD."""
    first, *rest = (_unpacked("q", sheet[column]) for column in COLUMNS[name])
    return (high * THOUSANDTH + low for high, low in zip(first, *rest, strict=True)) if rest else first


def build_of(state: Document) -> int:
    """The build whose sheets are right, as of this state of the rollups: see `app.rollups.user_sheets`."""
    build: int = state.get("late", 0) - state.get("heeded", 0)
    return build


def _packed(kind: str, values: list[int]) -> bytes:
    return _little(array(kind, values)).tobytes()


def _unpacked(kind: str, stored: bytes) -> "array[int]":
    found: array[int] = array(kind)
    found.frombytes(stored)
    return _little(found)


def _little(values: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        values.byteswap()
    return values
