"""Newer token prices: checked, compared with those in use, loaded, named, and taken back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from app.database import Database
from app.errors import ConfigurationError
from app.observability.metrics import Counters
from app.pricing import price_book
from app.pricing.price_data import bundled, newest_price
from app.pricing.price_tables import PriceTables
from app.settings import Settings
from app.tracking import Tracker
from app.tracking.write_path import write_path
from scripts.diagnosis import prices
from scripts.diagnosis.finding import Deployment, Verdict, ok
from scripts.reprice import Reprice
from scripts.reprice import arguments as reprice_arguments
from scripts.toolkit.job import Summary
from scripts.update_prices import UpdatePrices, arguments
from tests.patience import until
from tests.pricing.data_files import Raw, data_file, model_of
from tests.pricing.test_price_data import a_part, undated
from tests.scripts.conftest import Command
from tests.scripts.jobs import dump, run
from tests.twins import entries

PACKAGED = "genai-prices 0.2.3"
CALLS: list[dict[str, Any]] = [
    {"model": "gpt-4o", "input_tokens": 1_000_000, "output_tokens": 0},
    {"model": "gpt-4o", "input_tokens": 2_000_000, "output_tokens": 0},
    {"model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 0, "cost": Decimal(7)},
    {"model": "gpt-4o-mini", "input_tokens": 1_000_000, "output_tokens": 0},
    {"model": "gpt-of-tomorrow", "provider": "openai", "input_tokens": 1_000_000, "output_tokens": 0},
    {"model": "claude-sonnet-4-6", "provider": "anthropic", "region": "us", "input_tokens": 1_000_000},
]


def changed(raw: Raw) -> None:
    """gpt-4o a dollar dearer, gpt-4o-mini gone, one more model, and Claude Sonnet 4.6 at 5 dollars."""
    model_of(raw, "openai", "gpt-4o")["prices"]["input_mtok"] = 3.5
    models = next(each for each in raw if each["id"] == "openai")["models"]
    models.remove(model_of(raw, "openai", "gpt-4o-mini"))
    new = {"id": "gpt-of-tomorrow", "match": {"equals": "gpt-of-tomorrow"}, "prices": {"input_mtok": 1}}
    models.append(new)
    sonnet = model_of(raw, "anthropic", "claude-sonnet-4-6")["prices"]
    for prices_of_a_time in sonnet:
        prices_of_a_time["prices"] = {"input_mtok": 5, "output_mtok": 15}


@dataclass
class Place:
    database: Database
    settings: Settings
    tracker: Tracker
    file: Path

    async def update(self, *given: str) -> Summary:
        return await run(UpdatePrices, self.database, self.settings, arguments(list(given)))

    async def track(self, **call: Any) -> tuple[Decimal | None, str | None]:
        receipt = await self.tracker.track(user_id="u", content_type="chat", **call)
        stored = await self.database.ledger.find_one({"_id": ObjectId(receipt.id)})
        assert stored is not None
        return receipt.cost, stored.get("priceVersion")


@pytest.fixture
async def place(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    monkeypatch.setattr(price_book, "REFRESH_SECONDS", 0.01)
    file = tmp_path / "data.json"
    file.write_bytes(data_file(changed))
    async with write_path(settings, database, Counters(), compacting=False) as tracker:
        for call in CALLS:
            await tracker.track(user_id="u", content_type="chat", **call)
        yield Place(database, settings, tracker, file)


async def until_priced_by(place: Place, version: str) -> None:
    def in_use() -> bool:
        tokens = place.tracker.price_book.table.tokens
        return (PACKAGED if tokens is None else tokens.version) == version

    await until(in_use)


async def test_a_dry_run_says_what_would_change_and_writes_nothing(place: Place) -> None:
    before = await dump(place.database)

    summary = await place.update(str(place.file), "--check")

    assert await dump(place.database) == before
    assert dict(summary.counts) == {"calls": 5, "changed": 5, "without a price": 1}
    rows = {row["model"]: row for row in summary.tables["changes"]}
    assert rows["gpt-4o"] == {
        "model": "gpt-4o",
        "provider": "openai",
        "calls": 2,
        "before": Decimal("7.5"),
        "after": Decimal("10.5"),
        "difference": Decimal(3),
        "without a price": 0,
        "priced at last": 0,
    }
    assert (rows["gpt-4o-mini"]["after"], rows["gpt-4o-mini"]["without a price"]) == (0, 1)
    assert (rows["gpt-of-tomorrow"]["after"], rows["gpt-of-tomorrow"]["priced at last"]) == (1, 1)
    assert (rows["claude-sonnet-4-6"]["before"], rows["claude-sonnet-4-6"]["after"]) == (Decimal("3.3"), Decimal("5.5"))
    today = datetime.now(UTC).date()
    assert summary.notes[0].startswith(f"the new table: genai-prices data {today} (")
    newest = newest_price(bundled(), today)  # one begins on 2026-12-01
    assert newest is not None
    assert newest >= date(2026, 11, 9)
    assert summary.notes[1] == f"the table in use: {PACKAGED}, 2,330 models, newest dated price of {newest}"


async def test_without_check_no_call_is_priced(place: Place) -> None:
    summary = await place.update(str(place.file))

    assert (dict(summary.counts), summary.tables) == ({"calls": 0, "changed": 0, "without a price": 0}, {})


async def test_only_the_last_days_are_compared(place: Place) -> None:
    old = datetime.now(UTC) - timedelta(days=8)
    await place.track(model="gpt-4o", input_tokens=1_000_000, output_tokens=0, created_at=old)

    assert (await place.update(str(place.file), "--check", "--days", "7")).counts["calls"] == 5
    assert (await place.update(str(place.file), "--check")).counts["calls"] == 6


async def test_after_it_calls_are_priced_by_the_new_table_and_past_ones_stay_until_reprice(place: Place) -> None:
    before = await entries(place.database)
    tokens: dict[str, Any] = {"model": "gpt-4o", "input_tokens": 1_000_000, "output_tokens": 0}

    summary = await place.update(str(place.file), "--execute")

    stored = await PriceTables(place.database).in_use()
    assert stored is not None
    assert summary.notes[-1].startswith(f"every process prices by {stored.version} within five seconds")
    await until_priced_by(place, stored.version)
    assert await place.track(**tokens) == (Decimal("3.5"), stored.version)
    by_factor = await place.track(model="claude-sonnet-4-6", provider="anthropic", region="us", input_tokens=1_000_000)
    assert by_factor == (Decimal("5.5"), f"{stored.version} + factors 2026-11")
    assert (await entries(place.database))[: len(before)] == before
    repriced = await run(Reprice, place.database, place.settings, reprice_arguments(["--execute"]))
    assert repriced.counts["repriced"] == 4
    after = {entry["_id"]: entry for entry in await entries(place.database)}
    assert str(after[before[0]["_id"]]["cost"]) == "3.500000000000000"
    assert after[before[0]["_id"]]["priceVersion"] == stored.version
    assert str(after[before[3]["_id"]]["cost"]) == "0.150000000000000"  # a cost is never replaced by none

    await place.update("--revert", "--execute")
    await until_priced_by(place, PACKAGED)
    assert await place.track(**tokens) == (Decimal("2.5"), PACKAGED)


async def test_going_back_is_looked_at_first_too(place: Place) -> None:
    await place.update(str(place.file), "--execute")

    summary = await place.update("--revert", "--check")

    assert (await PriceTables(place.database).in_use()) is not None
    assert {row["model"]: row["difference"] for row in summary.tables["changes"]} == {
        "claude-sonnet-4-6": Decimal("-2.2"),
        "gpt-4o": -3,
        "gpt-4o-mini": Decimal("0.15"),
        "gpt-of-tomorrow": -1,
    }


async def test_the_same_file_again_changes_nothing(place: Place) -> None:
    await place.update(str(place.file), "--execute")

    summary = await place.update(str(place.file), "--check")

    assert (summary.counts["changed"], summary.tables["changes"]) == (0, [])
    assert summary.notes[0].split(": ", 1)[1] == summary.notes[1].split(": ", 1)[1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not JSON"),
        (data_file()[:-10], "is not JSON"),
        (b"[]", "is not genai-prices' data"),
        (data_file(a_part), "is not a whole table: it has no prices of openai"),
        (data_file(undated), "is older than the table in use: its newest price is of 2026-06-01"),
        (None, "cannot be read: No such file"),
    ],
)
async def test_a_file_that_is_not_to_be_used_is_refused(place: Place, content: bytes | None, reason: str) -> None:
    place.file.unlink() if content is None else place.file.write_bytes(content)
    before = await dump(place.database)

    with pytest.raises(ConfigurationError) as refused:
        await place.update(str(place.file), "--execute")

    assert str(refused.value).startswith(f"{place.file} {reason}")
    assert await dump(place.database) == before


async def test_the_doctor_says_how_old_the_table_in_use_is(place: Place) -> None:
    deployment = Deployment(place.settings, place.database, ok(""), clock=lambda: datetime(2026, 11, 30, tzinfo=UTC))
    assert (await prices.price_tables(deployment)).said == f"{PACKAGED} of 2026-11, media 2026-11 of 2026-11"

    await place.update(str(place.file), "--execute")
    stored = await PriceTables(place.database).in_use()
    assert stored is not None
    assert stored.newest_price is not None
    said = await prices.price_tables(deployment)
    assert said == ok(f"{stored.version} of {stored.newest_price:%Y-%m}, media 2026-11 of 2026-11")

    old = {"$set": {"newestPrice": "2026-06-01"}}
    await place.database.writes["price_tables"].update_one({"_id": stored.id}, old)
    outdated = await prices.price_tables(deployment)
    assert outdated.verdict is Verdict.NOTICE
    assert outdated.said == (
        f"{stored.version} is in use, whose newest price is of 2026-06-01; {PACKAGED} has one of 2026-11-09"
    )
    assert outdated.advice.startswith("python -m scripts.update_prices --revert --execute")


@pytest.mark.parametrize("given", ["", "data.json --revert", "data.json --days 0", "data.json --days x"])
def test_wrong_arguments_end_with_the_usage(usage: Command, given: str) -> None:
    refused = usage("scripts.update_prices", *given.split())

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("usage: python -m scripts.update_prices")
