"""From the rows of a source to groups: each one row, or several of the same call, and what they tell."""

from collections.abc import AsyncIterator
from typing import Any

from scripts.transfer.calls import Calls, RowError, Told, meets
from scripts.transfer.cells import first_of, has, value_of
from scripts.transfer.mapping import CARRIED, Mapping
from scripts.transfer.sources import Row, Source
from scripts.transfer.together import Group, Place, Together
from scripts.transfer.values import UnreadableError

LARGE = 1_000
"""Bytes of a row, from which on it is cut down to the columns that the mapping names."""
MAX_COLUMNS = 500
"""How many column names are remembered for the notes at the end."""

End = tuple[Any, dict[str, Any]]
"""The place of a source, and what rows said for later ones."""


class Groups:
    """Reads sources as one mapping says."""

    def __init__(self, mapping: Mapping, calls: Calls) -> None:
        self._mapping = mapping
        self._calls = calls
        self.columns: set[str] = set()
        """What rows had so far, beside those of our own export."""

    async def of(self, source: Source, start: Place, most: int) -> AsyncIterator[tuple[list[Group], Place]]:
        """The rows of `source` behind `start`, put together, at most `most` at a time, each time with the place to go
        on from.
        """
        together = Together(self._mapping.rows, start.passed, alone=self._mapping.entries)
        page: list[Group] = []
        async for due, end in self._due(source, start, most, together):
            if due is not None:
                page.append(due)
            if page and (due is None or len(page) == most):
                yield page, together.place(end)
                page = []

    async def _due(
        self, source: Source, start: Place, most: int, together: Together
    ) -> AsyncIterator[tuple[Group | None, End]]:
        """What waits for no other row any more, with what lies behind the last row; None behind the rows of a page."""
        behind, carried = start.at, start.carried
        async for rows in source.pages(start.at, most):
            for row in rows:
                group, after = self._read(source, row, carried)
                group.before = behind, carried
                behind, carried = row.after, after
                for due in together.add(group):
                    yield due, (behind, carried)
            yield None, (behind, carried)
        for due in together.rest():
            yield due, (behind, carried)
        yield None, (behind, carried)

    def _read(self, source: Source, row: Row, carried: dict[str, Any]) -> tuple[Group, dict[str, Any]]:
        """What the row tells, and what it carries on to the next."""
        if row.values is None:
            return Group(row.line, None, None, row.fault, row.size), carried
        if self._mapping.entries:
            return Group(row.line, row.values, Told({}), size=row.size), carried
        # what waits for others of its call keeps no conversation in memory
        kept = row.values if row.size < LARGE else self.named(row.values)
        group = Group(row.line, kept, None, size=row.size)
        try:
            self._remember(row.values)
            carried = self._carried(row.values, carried)
            values = {**row.values, CARRIED: carried} if self._mapping.carry else row.values
            if self._calls.wanted(values):
                group.told = self._calls.read(values, source.name, row.line)
                group.key = self._key(values, group.told)
        except (RowError, UnreadableError) as error:
            group.fault = str(error)
        return group, carried

    def _carried(self, values: dict[str, Any], carried: dict[str, Any]) -> dict[str, Any]:
        found = {
            name: first_of(values, carry.column)
            for name, carry in self._mapping.carry.items()
            if meets(values, carry.where)
        }
        found = {name: value for name, value in found.items() if isinstance(value, str | int)}
        return {**carried, **found} if found else carried

    def _key(self, values: dict[str, Any], told: Told) -> tuple[Any, ...]:
        rows = self._mapping.rows
        same = [str(value_of(values, column)) for column in rows.same] if rows is not None else []
        return told.fields.get("client_id"), *(same or [told.fields["request_id"]])

    def _remember(self, values: dict[str, Any]) -> None:
        if len(self.columns) < MAX_COLUMNS:
            self.columns.update(values)
            self.columns.update(column for column in self._mapping.columns if "." in column and has(values, column))

    def named(self, row: dict[str, Any]) -> dict[str, Any]:
        """The columns that the mapping names: the rest may hold prompts and answers."""
        named = {name: value_of(row, name) for name in sorted(self._mapping.columns)}
        return {name: value for name, value in named.items() if value is not None}
