"""A newer table of token prices is in use everywhere within seconds, and whoever wants goes back."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from bson import Binary
from structlog.testing import CapturingLogger

from app.database import Database
from app.pricing import price_book
from app.pricing.costs import Pricing
from app.pricing.price_book import PriceBook
from app.pricing.price_data import PriceDataError
from app.pricing.price_tables import KEPT, TABLES, PriceTables
from models import ServiceType
from models.call import AICall
from tests.patience import until
from tests.pricing.data_files import Raw, data_file, model_of
from tests.pricing.test_price_book import add

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
CALL = AICall(user_id="u", content_type="chat", model="gpt-4o", input_tokens=1_000_000, output_tokens=0)


def dearer(dollars: float) -> bytes:
    def change(raw: Raw) -> None:
        model_of(raw, "openai", "gpt-4o")["prices"]["input_mtok"] = dollars

    return data_file(change)


def cost(pricing: Pricing) -> tuple[Decimal | None, str | None]:
    priced = pricing.price(CALL, ServiceType.CHAT, NOW).cost
    return priced.cost, priced.price_version


async def test_every_process_prices_by_a_table_that_was_loaded_and_by_the_packaged_one_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_book, "REFRESH_SECONDS", 0.01)
    book = PriceBook(database)
    await book.refresh()
    pricing = Pricing.of(book)
    following = asyncio.create_task(book.keep_fresh())
    packaged = Decimal("2.5"), "genai-prices 0.2.3"
    assert cost(pricing) == packaged

    first = await PriceTables(database).use(dearer(3), NOW)
    await until(lambda: cost(pricing) == (Decimal(3), first.version))
    second = await PriceTables(database).use(dearer(4), NOW)
    await until(lambda: cost(pricing) == (Decimal(4), second.version))
    await PriceTables(database).revert()
    await until(lambda: cost(pricing) == packaged)
    await PriceTables(database).use(dearer(3), NOW + timedelta(days=1))
    await until(lambda: cost(pricing) == (Decimal(3), first.version))

    following.cancel()
    assert first.version.startswith("genai-prices data 2026-11-30 (")


async def test_an_override_goes_before_a_table_that_was_loaded(database: Database) -> None:
    book = PriceBook(database)
    await PriceTables(database).use(dearer(3), NOW)
    override = await add(book)

    assert cost(Pricing.of(book)) == (Decimal("0.1000000000001"), f"override {override.id}")


async def test_the_last_few_tables_are_kept(database: Database) -> None:
    tables = PriceTables(database)
    stored = [await tables.use(dearer(n + 3), NOW + timedelta(days=n)) for n in range(KEPT + 2)]

    assert await tables.all() == stored[::-1][:KEPT]
    assert await tables.in_use() == stored[-1]
    await tables.use(dearer(KEPT + 2), NOW + timedelta(days=99))
    assert len(await tables.all()) == KEPT
    assert (await tables.read(stored[-1].id))[0] == dearer(KEPT + 4)
    assert (stored[0].models, str(stored[0].newest_price)) == (2_330, "2026-11-09")


async def test_a_table_that_cannot_be_read_leaves_the_prices_as_they_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, logger = PriceBook(database), CapturingLogger()
    monkeypatch.setattr(price_book, "log", logger)
    stored = await PriceTables(database).use(dearer(3), NOW)
    await book.refresh()
    damaged = await PriceTables(database).use(dearer(4), NOW)
    await database.writes[TABLES].update_one({"_id": damaged.id}, {"$set": {"data": Binary(b"\x1f\x8bno")}})

    await book.refresh()

    assert cost(Pricing.of(book)) == (Decimal(3), stored.version)
    assert [call.args for call in logger.calls] == [("prices.table_not_usable",)]
    await PriceTables(database).revert()
    await book.refresh()
    assert cost(Pricing.of(book))[0] == Decimal("2.5")


async def test_a_table_without_room_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pricing.price_tables.MAX_STORED", 1_000)

    with pytest.raises(PriceDataError, match="there is room for 1,000"):
        await PriceTables(database).use(dearer(3), NOW)

    assert await PriceTables(database).in_use() is None
    with pytest.raises(PriceDataError, match="is not in the database"):
        await PriceTables(database).read("0" * 64)
