"""What each user of each client cost, day by day: from the sheets of days that are over, else from cells and deltas."""

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from app.reports.parts.known_cells import KnownCells
from app.reports.parts.user_sheets import KnownNumbers
from app.reports.queries import sheets
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from models.user_sheets import build_of, figures, numbers


class Known(NamedTuple):
    """What one process keeps of users."""

    numbers: KnownNumbers
    cells: KnownCells


class UserCosts:
    """As one session sees them."""

    def __init__(self, read: Reader, state: Document, known: Known) -> None:
        self._read, self._state, self._known = read, state, known
        self.build = build_of(state)

    async def days_with_sheets(self, query: ReportQuery) -> dict[str, Hashable]:
        """The days of a window that have their sheets, in order, and what tells these from earlier ones of the day."""
        made = await self._read.cells(sheets.made(query, self.build))
        return {row["_id"]: row.get("late") for row in sorted(made, key=lambda row: str(row["_id"]))}

    async def of_sheets(self, query: ReportQuery) -> Documents:
        """Theirs, of each client."""
        return await self._read.cells(sheets.costs_of_users(query, self.build))

    async def of_cells(self, query: ReportQuery, made: Iterable[str]) -> Documents:
        """All of the days that are not among `made`, and what waits of any: rows with `requests` and `cost`, by day,
        client and user.
        """
        others = [day for each in query.window.days if (day := each.isoformat()) not in set(made)]
        cells = await self._known.cells.rows(self._read, sheets.costs_of_users_on(query, others), self._state)
        return [*cells, *await self._read.cells(sheets.waiting_costs_of_users(query))]

    async def numbers(self, users: Iterable[str]) -> dict[str, int]:
        """By which sheets name users, as far as they do."""
        return await self._known.numbers.of(self._read, users, self.build)

    async def names(self, of_users: Iterable[int]) -> dict[int, str]:
        """The reverse."""
        return await self._known.numbers.names(self._read, of_users, self.build)


def rows_of(sheet: Document) -> Iterable[tuple[int, int, int]]:
    """Of each user of a sheet: the number, requests, and the cost in 1e-15 USD."""
    return zip(numbers(sheet), figures(sheet, "requests"), figures(sheet, "cost"), strict=True)
