"""Costs computed anew: by hand, by day and model, in ledger, events and every report; and nothing else changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128

from app.database import Database
from app.errors import ConfigurationError
from app.maintenance.repricing.repricing import Repricing
from app.observability.metrics import Counters
from app.pricing.costs import Pricing
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models import AIUsage, UnitPrices
from models.rollups import CAPS, FINDINGS, USAGE
from scripts.reprice import Reprice, arguments
from scripts.toolkit.job import Summary
from tests.maintenance.test_uncounted import in_ledger, told
from tests.reports.test_rollups import NOW, House, check
from tests.scripts.conftest import Command
from tests.scripts.jobs import Interrupted, assert_counted, dump, failing_after, run
from tests.twins import entries, events

MARCH = datetime(2024, 3, 1, tzinfo=UTC)
ALL = ("--from", "2024-02-01")


@pytest.fixture
async def house(settings: Settings, database: Database) -> AsyncIterator[House]:
    """Two months of calls: some merged, some half, and some that wait."""
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as one,
        open_tracker(settings, database, Counters(), compacting=False) as two,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session, clock=lambda: NOW)
        zone = settings.zone
        house = House(database, (one, two), compactor, Reports(database, zone, lambda: NOW), zone)
        await report(one, NOW - timedelta(days=20))
        await compactor.merge_all()
        await report(two, NOW - timedelta(days=2))
        await compactor.merge_figures()
        await report(one, NOW)
        yield house


async def report(tracker: Tracker, moment: datetime) -> None:
    """Ten calls, of which four are dearer or cheaper, two get a price, and four keep what they have."""
    kinds: list[dict[str, Any]] = [
        {"model": "gpt-4o", "input_tokens": 1_000_000, "conversation_id": "c1"},
        {"model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 2_000, "user_id": "bob"},
        {"model": "gpt-4o", "input_tokens": 1_000, "cached": True},
        {"model": "gpt-4o", "tokens_used": 1_000, "success": False},
        {"model": "of-nobody", "input_tokens": 3_000, "conversation_id": "c2"},
        {"model": "of-nobody", "tokens_used": 1_000, "user_id": "bob", "cached": True},
        {"model": "of-nobody", "images": 1},
        {"model": "gpt-4o", "input_tokens": 5, "cost": Decimal("1.5")},
        {"model": "gpt-4o", "input_tokens": 5, "cost": Decimal("0.25"), "cached": True},
        {"model": "claude-sonnet-4-5", "input_tokens": 2_000},
    ]
    same = {"user_id": "anna", "content_type": "chat", "request_duration": 700, "created_at": moment}
    receipts = await asyncio.gather(*(tracker.track(**{**same, **kind}) for kind in kinds))
    assert {receipt.status for receipt in receipts} == {"committed"}


async def price_at(house: House, model: str, dollars: int, since: datetime = datetime(2024, 1, 1, tzinfo=UTC)) -> str:
    """An override of so many dollars per million tokens, in and out."""
    override = await house.writers[0].price_book.add(
        model=model,
        prices=UnitPrices(input_mtok=Decimal(dollars), output_mtok=Decimal(dollars)),
        effective_from=since,
        effective_to=None,
        client_id=None,
        provider=None,
        created_by="me",
    )
    return f"override {override.id}"


async def reprice(house: House, settings: Settings, *given: str) -> Summary:
    return await run(Reprice, house.database, settings, arguments(given))


async def calls(database: Database) -> list[dict[str, Any]]:
    """Entries in the order in which they were reported: by id alone, those of two writers in one second mix."""
    return sorted(await entries(database), key=lambda entry: (entry["createdAt"], entry["_id"]))


async def costs(database: Database) -> list[Any]:
    """By call: model, cost, what it saved, source."""
    found = [(e["createdAt"], e["aiModel"], e["cost"], e["savedCost"], e["costSource"]) for e in await calls(database)]
    return [
        (at.month, model, None if cost is None else cost.to_decimal(), saved.to_decimal(), source)
        for at, model, cost, saved, source in found
    ]


async def test_after_an_override_every_model_costs_what_it_should_by_hand(house: House, settings: Settings) -> None:
    await price_at(house, "gpt-4o", 10)
    await price_at(house, "of-nobody", 4)

    summary = await reprice(house, settings, *ALL, "--execute")

    assert dict(summary.counts) == {
        "repriced": 18,
        "unchanged": 3,
        "reported": 6,
        "unpriced": 3,
        "unknown": 0,
        "damaged": 0,
    }
    day = {
        # a million, 1,000 + 2,000, and a guess of 1,000 tokens; one of a cache saves 0.01
        "gpt-4o": (4, Decimal("10.04")),
        # 3,000 tokens; one of a cache saves 0.004
        "of-nobody": (2, Decimal("0.012")),
    }
    rows = [row for row in summary.tables["changes"] if row["model"] != "all"]
    assert {(row["model"], row["day"]): (row["calls"], row["after"]) for row in rows} == {
        (model, day_): figures for day_ in ("2024-02-21", "2024-03-10", "2024-03-12") for model, figures in day.items()
    }
    assert summary.tables["changes"][-1]["after"] == 3 * Decimal("10.052")
    for month in (2, 3):
        found = [row[1:] for row in await costs(house.database) if row[0] == month][:10]
        assert found == [
            ("gpt-4o", Decimal(10), 0, "priced"),
            ("gpt-4o", Decimal("0.03"), 0, "priced"),
            ("gpt-4o", Decimal(0), Decimal("0.01"), "cached"),
            ("gpt-4o", Decimal("0.01"), 0, "estimated"),
            ("of-nobody", Decimal("0.012"), 0, "priced"),
            ("of-nobody", Decimal(0), Decimal("0.004"), "cached"),
            ("of-nobody", None, 0, "unpriced"),
            ("gpt-4o", Decimal("1.5"), 0, "reported"),
            ("gpt-4o", Decimal(0), Decimal("0.25"), "cached"),
            ("claude-sonnet-4-5", Decimal("0.006"), 0, "priced"),
        ]
    await check(house)
    report_ = await house.reports.models(ReportQuery(TimeWindow(MARCH.date(), NOW.date(), house.zone)))
    assert {row.model: row.cost for row in report_.models} == {
        "gpt-4o": 2 * Decimal("11.54"),
        "of-nobody": 2 * Decimal("0.012"),
        "claude-sonnet-4-5": 2 * Decimal("0.006"),
    }


async def test_events_say_the_new_cost_and_entries_keep_the_old_one(house: House, settings: Settings) -> None:
    before = await calls(house.database)
    version = await price_at(house, "gpt-4o", 10)

    await reprice(house, settings, *ALL, "--execute")

    after = await calls(house.database)
    said = {event["_id"]: event["properties"]["cost"] for event in await events(house.database)}
    assert {entry["_id"]: entry["cost"] for entry in after} == said
    assert await told(house.database) == await in_ledger(house.database)
    assert after[0]["priceVersion"] == version
    assert after[0]["inputCost"] == after[0]["cost"] == Decimal128("10.000000000000000")
    (former,) = after[0]["repriced"]
    kept = {name: before[0][name] for name in ("cost", "savedCost", "costSource", "priceVersion")}
    assert {name: former[name] for name in kept} == kept
    assert AIUsage.model_validate(after[0]).repriced[0].cost == Decimal("2.5")
    assert ["repriced" in entry for entry in after[:10]] == [True] * 4 + [False] * 6
    untouched = {"cost", "savedCost", "costSource", "priceVersion", "repriced", "inputCost", "outputCost"}
    for one, other in zip(before, after, strict=True):
        assert {k: v for k, v in one.items() if k not in untouched} == {
            k: v for k, v in other.items() if k not in untouched
        }


async def test_an_entry_keeps_what_it_was_recorded_with_and_its_latest_costs(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.maintenance.repricing.repricing.KEPT", 3)
    book = house.writers[0].price_book
    for dollars in range(4):
        version = await price_at(house, "gpt-4o", dollars + 100)
        await reprice(house, settings, *ALL, "--to", "2024-02-29", "--execute")
        await book.end(version.removeprefix("override "), datetime(2024, 1, 1, tzinfo=UTC))

    (entry, *_) = await calls(house.database)
    assert entry["cost"].to_decimal() == 103
    assert [each["cost"].to_decimal() for each in entry["repriced"]] == [Decimal("2.5"), 101, 102]


async def test_without_execute_nothing_is_written_and_the_change_is_shown(house: House, settings: Settings) -> None:
    await price_at(house, "gpt-4o", 10)
    before, guessed = await dump(house.database), (await calls(house.database))[3]["cost"].to_decimal()

    summary = await reprice(house, settings, *ALL)

    assert await dump(house.database) == before
    assert summary.tables["changes"][0] == {
        "model": "gpt-4o",
        "day": "2024-02-21",
        "calls": 4,
        "before": guessed + Decimal("2.5225"),
        "after": Decimal("10.04"),
        "difference": Decimal("7.5175") - guessed,
    }


async def test_a_run_that_was_interrupted_ends_like_one_that_was_not(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.reprice.PAGE", 7)
    await price_at(house, "gpt-4o", 10)
    with monkeypatch.context() as killed:
        failing_after(killed, Repricing, "reprice", 2)
        with pytest.raises(Interrupted):
            await reprice(house, settings, *ALL, "--execute")
    assert sum("repriced" in entry for entry in await entries(house.database)) == 8
    await assert_counted(house)

    summary = await reprice(house, settings, *ALL, "--execute")

    assert (summary.resumed, summary.counts["repriced"]) == (True, 12)  # eight before the kill
    assert summary.tables["changes"][-1]["calls"] == 4
    assert summary.notes == ["changes are those since the run resumed; the counts cover all of it"]
    assert all(len(entry.get("repriced", ())) <= 1 for entry in await entries(house.database))
    await assert_counted(house)
    before = await dump(house.database)
    again = await reprice(house, settings, *ALL, "--execute")
    assert (again.resumed, again.counts["repriced"]) == (False, 0)
    assert await dump(house.database) == before


async def test_a_run_that_goes_on_by_other_prices_begins_anew(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.reprice.PAGE", 12)
    wrong = await price_at(house, "gpt-4o", 1_000)
    with monkeypatch.context() as killed:
        failing_after(killed, Repricing, "reprice", 2)
        with pytest.raises(Interrupted):
            await reprice(house, settings, *ALL, "--execute")
    await house.writers[0].price_book.end(wrong.removeprefix("override "), datetime(2024, 1, 1, tzinfo=UTC))
    await price_at(house, "gpt-4o", 10)

    await reprice(house, settings, *ALL, "--execute")

    assert [entry["cost"].to_decimal() for entry in (await calls(house.database))[::10]] == [10, 10, 10]
    await assert_counted(house)


async def test_a_damaged_entry_is_counted_and_does_not_stop_the_others(house: House, settings: Settings) -> None:
    await price_at(house, "gpt-4o", 10)
    damaged = (await calls(house.database))[0]["_id"]
    await house.database.ledger.update_one({"_id": damaged}, {"$unset": {"costSource": 1}})

    summary = await reprice(house, settings, *ALL, "--execute")

    assert (summary.counts["repriced"], summary.counts["damaged"]) == (11, 1)


async def test_a_closed_month_that_was_not_asked_for_keeps_its_figures(house: House, settings: Settings) -> None:
    await price_at(house, "gpt-4o", 10)
    february = ReportQuery(TimeWindow(datetime(2024, 2, 1, tzinfo=UTC).date(), MARCH.date(), house.zone))
    before = await house.reports.models(february)
    stored = [entry for entry in await entries(house.database) if entry["createdAt"] < MARCH]

    summary = await reprice(house, settings, "--to", "2024-03-31", "--execute")

    assert summary.counts["repriced"] == 8
    assert (await house.reports.models(february)).models == before.models
    assert [entry for entry in await entries(house.database) if entry["createdAt"] < MARCH] == stored
    await assert_counted(house)


async def test_of_one_model_or_source_alone_all_others_stay(house: House, settings: Settings) -> None:
    await price_at(house, "gpt-4o", 10)
    await price_at(house, "of-nobody", 4)

    unpriced = await reprice(house, settings, *ALL, "--only", "unpriced,estimated", "--execute")
    named = await reprice(house, settings, *ALL, "--model", "of-nobody", "--client", "default", "--execute")
    nobody = await reprice(house, settings, *ALL, "--client", "acme", "--execute")

    assert unpriced.counts["repriced"] == 6
    assert {row[4] for row in await costs(house.database) if row[1:3] == ("gpt-4o", Decimal("0.01"))} == {"estimated"}
    assert (named.counts["repriced"], nobody.counts["repriced"]) == (3, 0)
    await assert_counted(house)


async def test_by_one_price_version_alone_what_it_has_no_price_for_stays(house: House, settings: Settings) -> None:
    listed = (await calls(house.database))[0]["priceVersion"]
    before = await costs(house.database)
    version = await price_at(house, "gpt-4o", 10)
    await price_at(house, "of-nobody", 4)

    by_override = await reprice(house, settings, *ALL, "--price-version", version, "--execute")
    assert by_override.counts["repriced"] == 12
    assert {row["model"] for row in by_override.tables["changes"]} == {"gpt-4o", "all"}
    await reprice(house, settings, *ALL, "--price-version", listed, "--execute")

    assert await costs(house.database) == before
    await assert_counted(house)


async def test_names_that_were_folded_are_corrected_where_they_were_counted(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CAPS, "model", 2)
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session, clock=lambda: NOW)
        reports = Reports(database, settings.zone, lambda: NOW)
        house = House(database, (tracker, tracker), compactor, reports, settings.zone)
        for model in ("gpt-4o", "gpt-4.1", "of-nobody", "of-no-one"):
            call = {"user_id": "u", "content_type": "chat", "model": model, "input_tokens": 1_000_000}
            await tracker.track(**call, created_at=NOW)
        await compactor.merge_all()
        await price_at(house, "of-nobody", 4)

        await reprice(house, settings, *ALL, "--execute")
        await compactor.merge_all()

        other = {"_id.scope": "*", "_id.model": "other"}
        (cell,) = await database.writes[USAGE].find(other).to_list(None)
        assert (cell["requests"], cell["cost"].to_decimal(), cell["unpriced"]) == (2, 4, 1)
        (finding,) = await database.writes[FINDINGS].find({**other, "_id.kind": "unpriced"}).to_list(None)
        assert finding["requests"] == 1
        (folded,) = await database.writes[FINDINGS].find({"_id.scope": "*", "_id.kind": "folded"}).to_list(None)
        assert folded["requests"] == 2


async def test_beside_writers_and_merges_every_figure_stays_right(house: House, settings: Settings) -> None:
    await price_at(house, "gpt-4o", 10)
    done = asyncio.Event()

    async def report_on() -> None:
        while not done.is_set():
            await report(house.writers[1], NOW)
            await asyncio.sleep(0.02)  # so that the calls do not take all of the test's time

    async def merge_on() -> None:
        async with house.database.committer_session() as session:
            running = asyncio.create_task(Compactor(house.database, session, clock=lambda: NOW).run())
            await done.wait()
            running.cancel()

    beside = [asyncio.create_task(work) for work in (report_on(), merge_on())]
    await reprice(house, settings, *ALL, "--execute")
    done.set()
    await asyncio.gather(*beside)

    await assert_counted(house)


async def test_a_call_that_is_reported_again_is_no_conflict(house: House, settings: Settings) -> None:
    call: dict[str, Any] = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 9}
    named = {**call, "request_id": "r", "created_at": NOW}
    await house.writers[0].track(**named)
    await price_at(house, "gpt-4o", 10)
    await reprice(house, settings, *ALL, "--execute")

    again = await house.writers[1].track(**named)

    assert (again.status, again.conflicting) == ("duplicate", False)


async def test_a_known_cost_is_never_replaced_by_none(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await dump(house.database)
    monkeypatch.setattr(Pricing, "_price", lambda *_: (None, ""))

    summary = await reprice(house, settings, *ALL, "--execute")

    assert summary.counts["repriced"] == 0
    assert summary.counts["unknown"] == 18
    assert {**await dump(house.database), "script_runs": []} == {**before, "script_runs": []}


async def test_as_an_operator_runs_it(house: House, command: Command) -> None:
    await price_at(house, "gpt-4o", 10)

    done = await asyncio.to_thread(command, "scripts.reprice", *ALL, "--execute", "--json")

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["executed"], summary["repriced"]) == (3, True, 12)  # some are left without a cost
    assert Decimal(summary["changes"][-1]["after"]) == 3 * Decimal("10.04")
    assert "to be changed" in done.stderr
    assert "2024-03-10" in done.stderr


async def test_a_price_version_that_is_not_here_is_refused_with_those_that_are(
    house: House, settings: Settings
) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown price version 'genai-prices 0.0.1'; available: gen"):
        await reprice(house, settings, "--price-version", "genai-prices 0.0.1")


def test_costs_that_were_reported_cannot_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(["--only", "unpriced,reported"])

    assert "'reported' is not one of priced, estimated, cached, unpriced" in capsys.readouterr().err
