"""What is kept of users' cells is bounded, whatever is asked."""

from typing import Any, cast

import pytest

from app.reports.parts import known_cells
from app.reports.parts.known_cells import KnownCells
from app.reports.reader import Reader

STATE = {"merges": 3, "figures": 1, "epoch": 0}


class Nothing:
    """A reader that finds nothing, and counts how often it is asked."""

    is_of_one_moment = True

    def __init__(self) -> None:
        self.asked = 0

    async def cells(self, _: Any) -> list[dict[str, Any]]:
        self.asked += 1
        return []


async def test_queries_that_find_nothing_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_cells, "MOST_ROWS", 5)
    known, nothing = KnownCells(), Nothing()
    read = cast("Reader", nothing)
    for name in range(10):
        await known.rows(read, ("users", [{"$match": {"model": name}}]), STATE)
    assert nothing.asked == 10
    await known.rows(read, ("users", [{"$match": {"model": 0}}]), STATE)
    assert nothing.asked == 10
    await known.rows(read, ("users", [{"$match": {"model": 9}}]), STATE)
    assert nothing.asked == 11
