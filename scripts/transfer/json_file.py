"""Rows of a JSONL file: an object per line, as our export or mongoexport writes them."""

import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from scripts.transfer.lines import MAX_LINE, Lines, Place, count_bytes, fault_of, identity_of, paged
from scripts.transfer.mapping import Mapping
from scripts.transfer.sources import Row, broken
from scripts.transfer.values import since_1970

_NUMBERS = ("$numberInt", "$numberLong", "$numberDouble", "$numberDecimal")
_MS = Decimal("0.001")
_flat = msgspec.json.Decoder(float_hook=Decimal)


class JsonFile:
    """A file of objects. MongoDB's extended JSON is understood."""

    measure = "bytes"

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self.name = str(path)
        self.identity = identity_of(path)
        self._path = path
        self._encoding = mapping.encoding

    async def check(self) -> None:
        first = next(iter(Lines(self._path, self._encoding, are_rows=True)), "")
        if first.lstrip().startswith("["):
            raise broken(f"{self.name}, line 1", "is a JSON array: write one object per line, as `jq -c '.[]'` does")

    async def total(self) -> int:
        return count_bytes(self._path)

    async def pages(self, after: Any, size: int) -> AsyncIterator[list[Row]]:
        start = (0, 0) if after is None else tuple(after)
        for page in paged(self._rows(start), start, size):
            yield page

    def _rows(self, start: Place) -> Iterator[Row]:
        lines = Lines(self._path, self._encoding, start, are_rows=True)
        before = lines.place[0]
        for text in lines:
            if text.strip() or lines.too_long:
                size, before = lines.place[0] - before, lines.place[0]
                yield self._row(f"line {lines.place[1]}", lines, text)._replace(size=size)

    def _row(self, line: str, lines: Lines, text: str) -> Row:
        if (values := _plainly(text)) is not None:
            return Row(line, lines.place, values)
        fault = f"is longer than {MAX_LINE:,} bytes" if lines.too_long else fault_of(text, self._encoding)
        if fault:
            return Row(line, lines.place, None, fault)
        try:
            values = json.loads(text, parse_float=Decimal, object_pairs_hook=_object)
        except (ValueError, TypeError, RecursionError, ArithmeticError) as error:
            cut = "" if lines.ended else "; it has no line break, so it may be truncated"
            return Row(line, lines.place, None, f"is not valid JSON: {error}{cut}")
        if not isinstance(values, dict):
            return Row(line, lines.place, None, "is not a JSON object")
        return Row(line, lines.place, values)


def _plainly(text: str) -> dict[str, Any] | None:
    """An object of plain values, in half of the time; None for all that is unusual, or may be wrong."""
    if not text.isascii() or "\\" in text or "[" in text or text.count("{") != 1:
        return None
    try:
        values = _flat.decode(text)
    except (msgspec.MsgspecError, ValueError, ArithmeticError):
        return None
    if not isinstance(values, dict) or len(values) <= 1:
        return None
    strings = len(values) + [*map(type, values.values())].count(str)
    return values if text.count('"') == 2 * strings else None  # else a name stands there twice


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """Raises ValueError for a name that stands there twice with different values."""
    found = dict(pairs)
    if len(found) != len(pairs) and (twice := sorted({name for name, value in pairs if found[name] != value})):
        raise ValueError(f"{', '.join(twice)} is there twice with different values")
    return _plain(found)


def _plain(found: dict[str, Any]) -> Any:
    """The value of one of MongoDB's wrappers, or `found` itself."""
    if len(found) != 1:
        return found
    ((name, value),) = found.items()
    if name == "$oid":
        return value
    if name in _NUMBERS:
        return Decimal(value)
    if name == "$date":
        return since_1970(Decimal(value) * _MS) if isinstance(value, int | Decimal) else value
    return found
