"""Administrators' prices: kept once, dated without overlaps, known to every process."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from pymongo.errors import AutoReconnect

from app.database import Database
from app.errors import ConflictError, NotFoundError
from app.pricing import price_book
from app.pricing.price_book import PriceBook
from models import PriceOverride, UnitPrices
from tests.patience import until

MAY, JUNE, JULY = (datetime(2025, month, 1, tzinfo=UTC) for month in (5, 6, 7))


async def add(book: PriceBook, **facts: Any) -> PriceOverride:
    known: dict[str, Any] = {
        "model": "gpt-4o",
        "prices": UnitPrices(input_mtok=Decimal("0.1000000000001")),
        "effective_from": MAY,
        "effective_to": None,
        "client_id": None,
        "provider": None,
        "created_by": "me",
    }
    return await book.add(**{**known, **facts})


def holds(book: PriceBook, at: datetime = JULY) -> bool:
    return book.table.find(client_id="c", provider="openai", model="gpt-4o", at=at) is not None


async def test_a_price_is_kept_to_the_digit(database: Database) -> None:
    book = PriceBook(database)
    added = await add(book, model="GPT-4o", client_id="acme", provider="azure")

    (kept,) = await PriceBook(database).all()

    assert kept.model_dump(exclude={"created_at"}) == added.model_dump(exclude={"created_at"})
    assert (kept.model, kept.prices.input_mtok) == ("gpt-4o", Decimal("0.1000000000001"))


async def test_another_process_follows_a_change(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_book, "REFRESH_SECONDS", 0.01)
    mine, theirs = PriceBook(database), PriceBook(database)
    await theirs.refresh()
    following = asyncio.create_task(theirs.keep_fresh())

    override = await add(mine)
    assert holds(mine)
    await until(lambda: holds(theirs))
    await mine.end(str(override.id), JUNE)
    await until(lambda: not holds(theirs))

    following.cancel()


async def test_a_slow_mongodb_delays_the_first_look_and_does_not_fail_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(PriceBook(database))
    monkeypatch.setattr(price_book, "QUERY_SECONDS", 0.0)
    book = PriceBook(database)

    await book.refresh()

    assert holds(book)


async def test_while_mongodb_is_away_the_last_known_prices_hold(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_book, "REFRESH_SECONDS", 0.01)
    book = PriceBook(database)
    await add(book)
    failures = 0

    async def away(self: PriceBook) -> None:  # noqa: ARG001
        nonlocal failures
        failures += 1
        raise AutoReconnect("away")

    monkeypatch.setattr(PriceBook, "refresh", away)
    following = asyncio.create_task(book.keep_fresh())
    await until(lambda: failures > 2)

    assert holds(book)
    assert not following.done()
    following.cancel()


@pytest.mark.parametrize(
    ("first", "last", "free"),
    [(MAY, None, False), (JULY, None, False), (JUNE, JULY, False), (datetime(2025, 4, 1, tzinfo=UTC), MAY, True)],
)
async def test_two_prices_never_hold_at_once(
    database: Database, first: datetime, last: datetime | None, *, free: bool
) -> None:
    book = PriceBook(database)
    await add(book)

    if free:
        await add(book, effective_from=first, effective_to=last)
    else:
        with pytest.raises(ConflictError, match="applies to the same calls"):
            await add(book, effective_from=first, effective_to=last)
    assert len(await book.all()) == (2 if free else 1)


async def test_prices_for_other_calls_do_not_overlap(database: Database) -> None:
    book = PriceBook(database)

    for facts in [{}, {"client_id": "acme"}, {"provider": "azure"}, {"model": "gpt-4o-mini"}]:
        await add(book, **facts)

    assert len(await book.all()) == 4


async def test_of_two_administrators_at_once_one_wins(database: Database) -> None:
    books = [PriceBook(database) for _ in range(5)]

    results = await asyncio.gather(*(add(book) for book in books), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["ConflictError"] * 4 + ["PriceOverride"]
    assert len(await books[0].all()) == 1


async def test_a_price_can_be_ended_once_and_not_before_its_start(database: Database) -> None:
    book = PriceBook(database)
    override = await add(book, effective_from=JUNE)

    with pytest.raises(ConflictError, match="must not be before"):
        await book.end(str(override.id), MAY)
    assert (await book.end(str(override.id), JULY)).effective_to == JULY
    with pytest.raises(ConflictError, match="has ended already"):
        await book.end(str(override.id), JULY)
    assert (await book.end(str(override.id), JUNE)).effective_to == JUNE
    assert not holds(book, JUNE)


@pytest.mark.parametrize("unknown", ["nothing", "6b00eb0db7f262010facd864", "$ne"])
async def test_what_is_not_there_cannot_be_ended(database: Database, unknown: str) -> None:
    with pytest.raises(NotFoundError, match="there is no override"):
        await PriceBook(database).end(unknown, JULY)


@pytest.mark.parametrize(
    "prices", [{}, {"input_mtok": -1}, {"input_mtok": "NaN"}, {"per_call": 1}, {"image": "0.0000000000000001"}]
)
def test_a_price_that_cannot_be_is_refused(prices: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UnitPrices(**prices)
