"""Rows of a CSV file."""

import csv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from scripts.transfer.lines import Lines, Place, count_bytes, fault_of, identity_of, paged
from scripts.transfer.mapping import Mapping, advice
from scripts.transfer.neutral import original
from scripts.transfer.sources import Row, broken

DELIMITERS = ",;\t|"


class CsvFile:
    """A file with a header. Cells may contain line breaks; every row has as many cells as the header."""

    measure = "bytes"

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self.name = str(path)
        self.identity = identity_of(path)
        self._path = path
        self._mapping = mapping
        self._columns: list[str] = []
        self._start: Place = (0, 0)

    @property
    def columns(self) -> list[str]:
        """Those of the header, once it was checked."""
        return self._columns

    async def check(self) -> None:
        lines, place = Lines(self._path, self._mapping.encoding), f"{self.name}, line 1"
        try:
            header = next(self._reader(lines), [])
        except csv.Error as error:
            raise broken(place, f"the header cannot be parsed: {error}") from error
        if fault := fault_of("".join(header), self._mapping.encoding):
            raise broken(place, fault)
        if missing := self._mapping.missing(header):
            raise broken(place, f"missing column {', '.join(missing)}{self._hint(header)}")
        if twice := {name for name in header if header.count(name) > 1}:
            raise broken(place, f"two columns are named {', '.join(sorted(twice))}")
        self._columns, self._start = header, lines.place

    async def total(self) -> int:
        return count_bytes(self._path)

    async def pages(self, after: Any, size: int) -> AsyncIterator[list[Row]]:
        start = self._start if after is None else tuple(after)
        for page in paged(self._rows(start), start, size):
            yield page

    def _rows(self, start: Place) -> Iterator[Row]:
        lines = Lines(self._path, self._mapping.encoding, start)
        cells = self._reader(lines)
        while True:
            before, first = lines.place[0], lines.place[1] + 1
            try:
                row = next(cells)
            except StopIteration:
                return
            except csv.Error as error:
                # a quote that is never closed swallows the lines after it
                found = Row(_lines(first, lines), lines.place, None, f"cannot be parsed: {error}")
            else:
                if not row:  # an empty line is not a row
                    continue
                found = self._row(first, lines, row)
            yield found._replace(size=lines.place[0] - before)

    def _row(self, first: int, lines: Lines, cells: list[str]) -> Row:
        fault = fault_of("".join(cells), self._mapping.encoding)
        if not (lines.ended or lines.quoted):
            fault = "the last line has no line break, so it may be truncated: add one if it is complete"
        elif len(cells) != len(self._columns):
            fault = f"has {len(cells)} cells where the header has {len(self._columns)}"
        if fault:
            return Row(_lines(first, lines), lines.place, None, fault)
        line = f"line {first}"
        named = zip(self._columns, cells, strict=True)
        if self._mapping.entries:
            return Row(line, lines.place, {name: original(cell) for name, cell in named if cell})
        return Row(line, lines.place, dict(named))

    def _reader(self, lines: Lines) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self._mapping.delimiter, strict=True)

    def _hint(self, header: list[str]) -> str:
        if len(header) == 1 and (other := [sign for sign in DELIMITERS if sign in header[0]]):
            return f": the header is one cell, so is the delimiter {other[0]!r} instead of {self._mapping.delimiter!r}?"
        return f" (it has {', '.join(header)}){advice(header)}"


def _lines(first: int, lines: Lines) -> str:
    last = lines.place[1]
    return f"line {first}" if last <= first else f"lines {first} to {last}"
