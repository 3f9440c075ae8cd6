"""What the drills find where two collections are not the same."""

from typing import Any

import pytest
from bson import Decimal128

from app.database import Database
from scripts.drill import comparison
from scripts.drill.comparison import Different, differences

DAY = "2026-11-21"


async def compared(database: Database, one: list[Any], other: list[Any], **how: Any) -> tuple[Different, int]:
    """What is found, and how far the progress went."""
    advanced: list[int] = []
    for name, documents in (("one", one), ("other", other)):
        if documents:
            await database.writes[name].insert_many(documents)
    found = await differences(database.writes["one"], database.writes["other"], advanced.append, **how)
    return found, sum(advanced)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "PAGE", 3)


async def test_what_differs_in_any_page_is_found_and_nothing_else(database: Database) -> None:
    one = [{"_id": number, "cost": Decimal128("1.5"), "tokens": number} for number in range(20)]
    other = [dict(document) for document in one]
    other[7] = {"_id": 7, "tokens": 7, "cost": Decimal128("1.5")}  # in another order
    other[11]["tokens"] = 12
    del other[4], one[-1]

    found, advanced = await compared(database, one, other)

    assert found == {
        "4": ({"cost": Decimal128("1.5"), "tokens": 4}, None),
        "11": ({"cost": Decimal128("1.5"), "tokens": 11}, {"cost": Decimal128("1.5"), "tokens": 12}),
        "19": (None, {"cost": Decimal128("1.5"), "tokens": 19}),
    }
    assert advanced == 19


async def test_a_field_can_be_left_out(database: Database) -> None:
    one, other = ([{"_id": 1, "tokens": 3, "recordedAt": year}] for year in (2025, 2026))

    assert (await compared(database, one, other, without="recordedAt"))[0] == {}


async def test_cells_are_equal_whatever_zeros_they_have(database: Database) -> None:
    key = {"day": DAY, "user": "anna"}
    one = [{"_id": key, "cost": Decimal128("1.50"), "parts": {"a": {"requests": 1}, "b": {"requests": 0}}}]
    other = [{"_id": key, "cost": Decimal128("1.5"), "errors": 0, "parts": {"a": {"requests": 1}}}]

    assert (await compared(database, one, other, of_cells=True))[0] == {}


async def test_a_cell_is_named_by_its_key_and_told_by_its_figures(database: Database) -> None:
    one = [{"_id": {"user": "anna", "day": DAY}, "parts": {"a": {"requests": 1}}}]
    other = [{"_id": {"user": "anna", "day": DAY}, "parts": {"a": {"requests": 2, "errors": 0}}}]

    found, _ = await compared(database, one, other, of_cells=True)

    assert found == {f"{DAY}, anna": ({"parts/a/requests": 1}, {"parts/a/requests": 2})}
