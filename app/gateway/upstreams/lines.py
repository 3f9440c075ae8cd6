"""In which line of a TOML file something is: what `tomllib` knows while it reads, and tells nobody."""

import tomllib
from collections.abc import Sequence
from typing import Any

Place = Sequence[str | int]
"""Names of tables and fields, and numbers in lists, from the top of the file."""


def line_of(text: str, place: Place) -> int | None:
    """The line, from 1 on, with which the statement begins that first says something of `place`; of its table where it
    is not there itself, and None where not even that is. `text` has to be TOML.
    """
    whole = tomllib.loads(text)
    while place and not _is_in(whole, place):
        place = place[:-1]
    if not place:
        return None
    lines = text.split("\n")
    without, within = 0, len(lines)
    while (middle := _whole_statements(lines, without, within)) is not None:
        number, document = middle
        if _is_in(document, place):
            within = number
        else:
            without = number
    return without + 1


def _whole_statements(lines: list[str], low: int, high: int) -> tuple[int, dict[str, Any]] | None:
    """How many of the first lines are TOML by themselves, near the middle of two numbers, and what they say."""
    middle = (low + high) // 2
    for number in (*range(middle, high), *range(middle - 1, low, -1)):
        if number <= low:
            continue
        try:
            return number, tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            pass  # a statement goes on in the next line
    return None


def _is_in(document: Any, place: Place) -> bool:
    for part in place:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
