"""Cells of campaigns and experiments, where an earlier release has merged, recounted or written without them."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database import Database, connected
from app.maintenance.purge import Purge
from app.maintenance.reconcile.days import DayCheck
from app.maintenance.retention import NotCountedError, Retention
from app.observability.metrics import Counters
from app.reports.parts.campaigns import campaign_sums, top_users
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reader import reading
from app.reports.windows import TimeWindow
from app.rollups import filling
from app.rollups.cell_updates import figures_of
from app.rollups.compactor import Compactor
from app.rollups.recount import Recount
from app.rollups.tagged import TaggedCells
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.money import stored_units
from models.rollups import CAMPAIGNS, DELTAS, NAMES, ROLLUPS, STATE, VARIANTS, is_tagged
from tests.patience import PATIENT_MS
from tests.twins import entries

ZONE = ZoneInfo("Pacific/Chatham")
NOW = datetime(2026, 10, 9, 12, tzinfo=UTC)
TODAY = NOW.astimezone(ZONE).date()
CALL: dict[str, Any] = {"content_type": "chat", "model": "gpt-4o", "provider": "openai", "output_tokens": 3}
TRIED: dict[str, Any] = {"experiment": "tone", "variant": "b"}
QUERY = ReportQuery(TimeWindow(TODAY - timedelta(days=40), TODAY, ZONE), synthetic=Synthetic.INCLUDE)
BY = ("day", "client", "campaign", "feature")
STATE_KEY = {"_id": "rollups"}
NO_TAGS = {"usage.$[].campaigns": "", "usage.$[].variants": ""}


class House:
    """A writer and a compactor of this release, and what one of an earlier release does."""

    def __init__(self, database: Database, writer: Tracker, compactor: Compactor) -> None:
        self.database, self.writer, self.compactor = database, writer, compactor

    async def track(self, number: int, *, days: int = 0, **more: Any) -> None:
        call = {**CALL, "user_id": f"u{number % 3}", "input_tokens": number, **more}
        receipt = await self.writer.track(**call, created_at=NOW - timedelta(days=days, minutes=number))
        assert receipt.status == "committed"

    async def write_of_earlier_release(self, number: int, days: int) -> None:
        """Its deltas have no campaigns, and no mark."""
        before = {each["_id"] async for each in self.database.writes[DELTAS].find({}, {"_id": 1})}
        await self.track(number, days=days, campaign_id="spring")
        await self.database.writes[DELTAS].update_many(
            {"_id": {"$nin": list(before)}},
            {"$unset": {"tagged": "", "usage.$[].campaigns": "", "usage.$[].variants": ""}},
        )

    async def merge_of_earlier_release(self) -> None:
        """It leaves campaigns and variants out, and counts its merges in `merges` alone."""
        await self.database.writes[DELTAS].update_many({}, {"$unset": NO_TAGS})
        before = await self.state()
        await self.compactor.merge_all()
        tagged_before = {"$set": {"tagged": before.get("tagged", 0)}}
        await self.database.writes[STATE].update_one(STATE_KEY, tagged_before)

    async def forget_tags(self) -> None:
        """As a database of an earlier release is."""
        await self.compactor.merge_all()
        for name in (CAMPAIGNS, VARIANTS):
            await self.database.writes[name].delete_many({})
        await self.database.writes[STATE].update_one(STATE_KEY, {"$unset": {"tagged": ""}})

    async def state(self) -> dict[str, Any]:
        return await self.database.writes[STATE].find_one(STATE_KEY) or {}

    async def clear(self) -> None:
        for name in (*set(ROLLUPS) - {STATE, NAMES}, "aiusages", "analytics"):
            await self.database.writes[name].delete_many({})

    async def check(self, query: ReportQuery = QUERY) -> None:
        """Whatever was done: what is reported is what the ledger says."""
        counted: Counter[tuple[Any, ...]] = Counter()
        cost: Counter[tuple[Any, ...]] = Counter()
        for entry in await entries(self.database):
            if "campaignId" in entry:
                day = entry["createdAt"].astimezone(ZONE).date().isoformat()
                key = day, entry["clientId"], entry["campaignId"], entry["feature"]
                counted[key] += 1
                cost[key] += stored_units(entry["cost"])
        async with reading(self.database) as read:
            rows = await campaign_sums(read, await self.state(), query, BY)
            spring = await campaign_sums(read, await self.state(), query, ["campaign"], campaign="spring")
        assert Counter({tuple(row["_id"].values()): row["requests"] for row in rows}) == counted
        assert Counter({tuple(row["_id"].values()): stored_units(row["cost"]) for row in rows}) == cost
        assert sum(row["requests"] for row in spring) == sum(n for key, n in counted.items() if key[2] == "spring")

    async def check_cells(self) -> None:
        """And once the cells are whole, so are they, those of variants too."""
        await self.compactor.tagged.fill_all()
        assert is_tagged(await self.state())
        await self.check()
        # what waited of an earlier release is merged only now
        for _ in range(2):
            await self.compactor.merge_all()
            await self.check()
            await self.compactor.tagged.fill_all()
        before = await self.cells()
        for days in range(6):
            await Recount(self.database, ZONE).days(TODAY - timedelta(days=days), TODAY - timedelta(days=days))
        await self.compactor.merge_all()
        assert await self.cells() == before
        for days in range(6):
            found = await DayCheck(self.database, ZONE).day(TODAY - timedelta(days=days), first=False)
            assert found.differences == []

    async def cells(self) -> list[Any]:
        found: list[Any] = []
        for name in (CAMPAIGNS, VARIANTS):
            cells = await self.database.writes[name].find({"requests": {"$gt": 0}}).to_list(None)
            found += [(name, sorted(cell["_id"].items()), sorted(map(str, figures_of(cell).items()))) for cell in cells]
        return sorted(found)


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder: Path = tmp_path_factory.mktemp("tagged")
    configured = Settings(
        _env_file=None,
        mongodb_uri=mongodb_uri,
        database=f"test_{uuid.uuid4().hex[:12]}",
        data_dir=folder,
        timezone=ZONE.key,
        track_deadline_ms=PATIENT_MS,
    )
    async with (
        connected(mongodb_uri, configured.database) as database,
        open_tracker(configured, database, Counters(), compacting=False) as writer,
        database.committer_session() as session,
    ):
        yield House(database, writer, Compactor(database, session, clock=lambda: NOW))
        await database.writes.client.drop_database(configured.database)


@pytest.fixture(autouse=True)
async def _empty(house: House) -> None:
    await house.clear()
    await house.compactor.tagged.fill_all()


ACTS = st.one_of(
    st.tuples(st.just("track"), st.integers(0, 5)),
    st.tuples(st.just("earlier write"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["merge", "figures", "earlier merge", "fill", "forget", "recount"]), st.integers(0, 5)),
)


async def test_no_mixture_of_releases_makes_a_report_wrong(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "AGAIN_SECONDS", 0.0)
    histories: list[list[tuple[str, int]]] = []

    @settings(max_examples=4, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(ACTS, min_size=3, max_size=14))
    def collect(history: list[tuple[str, int]]) -> None:
        histories.append(history)

    collect()
    for history in histories:
        await house.clear()
        for number, (act, days) in enumerate(history):
            await _do(house, act, days, number)
            await house.check()
        await house.check_cells()


async def _do(house: House, act: str, days: int, number: int) -> None:
    match act:
        case "track":
            await house.track(number, days=days, campaign_id="spring" if number % 3 else "c|2")
            await house.track(number, days=days, **(TRIED if number % 2 else {}))
        case "earlier write":
            await house.write_of_earlier_release(number, days)
        case "merge":
            await house.compactor.merge_all()
        case "figures":
            await house.compactor.merge_figures()
        case "earlier merge":
            await house.merge_of_earlier_release()
        case "fill":
            await house.compactor.tagged.keep_up()
        case "forget":
            await house.forget_tags()
        case _:
            day = TODAY - timedelta(days=days)
            await Recount(house.database, ZONE).days(day, day)


async def test_days_of_an_earlier_release_are_filled_while_others_write_and_merge(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE_SECONDS", -1.0)  # one day each time
    for number in range(30):
        await house.track(number, days=number % 4, campaign_id="spring", **(TRIED if number % 2 else {}))
    await house.forget_tags()
    cells, passes = TaggedCells(house.database, house.compactor._session), 0

    while not is_tagged(await house.state()):
        await cells.keep_up()
        for days in (passes % 4, (passes + 1) % 4):  # that has been filled, and that is next
            await house.track(100 + passes, days=days, campaign_id="spring", **TRIED)
        await house.check()
        if passes % 2:
            await house.compactor.merge_figures()
            await house.check()
        passes += 1

    assert passes == 5
    await house.check_cells()


async def test_a_delta_of_an_earlier_release_that_waits_is_read_from_the_ledger(house: House) -> None:
    await house.track(1, campaign_id="spring")
    await house.compactor.merge_all()
    await house.write_of_earlier_release(2, 0)
    assert is_tagged(await house.state())
    await house.check()

    await house.compactor.merge_all()

    assert not is_tagged(await house.state())
    await house.check()
    await house.check_cells()


async def test_who_cost_the_most_and_what_one_user_cost(house: House) -> None:
    for number, user in enumerate(("a", "b", "b", "a", "b")):
        await house.track(1_000 * number, campaign_id="spring", user_id=user)
    await house.track(9, campaign_id="other", user_id="a")

    async with reading(house.database) as read:
        top = await top_users(read, QUERY, "spring", 1)
        of_one = ReportQuery(QUERY.window, Filters(user_id="a"))
        rows = await campaign_sums(read, await house.state(), of_one, ["campaign"], campaign="spring")

    assert [(row["_id"], row["requests"], row["tokensUsed"]) for row in top] == [("b", 3, 7_009)]
    assert [(row["_id"], row["requests"], row["tokensUsed"]) for row in rows] == [({"campaign": "spring"}, 2, 3_006)]


async def test_a_campaign_beyond_the_cap_is_reported_by_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"provider": 9, "model": 9, "feature": 9, "name": 9, "campaign": 2, "variant": 1}
    for place in ("app.rollups.name_caps.CAPS", "app.reports.parts.campaigns.CAPS"):
        monkeypatch.setattr(place, few)
    for number, name in enumerate(("a", "b", "spring", "other", "spring")):
        await house.track(number, campaign_id=name, client_id="capped")
    await house.compactor.merge_all()

    async with reading(house.database) as read:
        state = await house.state()
        rows = await campaign_sums(read, state, QUERY, ["campaign"])
        alone = {
            name: await campaign_sums(read, state, QUERY, ["campaign"], campaign=name)
            for name in ("a", "spring", "other")
        }

    assert sorted((row["_id"]["campaign"], row["requests"]) for row in rows) == [("a", 1), ("b", 1), ("other", 3)]
    assert {name: [row["requests"] for row in found] for name, found in alone.items()} == {
        "a": [1],
        "spring": [2],
        "other": [1],
    }


async def test_nothing_is_deleted_by_retention_that_is_not_filled(house: House) -> None:
    await house.track(1, days=3, campaign_id="spring")
    await house.forget_tags()
    retention = Retention(house.database)

    with pytest.raises(NotCountedError, match="campaigns and experiments"):
        await retention.check(ZONE, execute=True)

    await house.compactor.tagged.fill_all()
    await retention.check(ZONE, execute=True)


async def test_days_whose_calls_are_deleted_keep_their_cells(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "AGAIN_SECONDS", 0.0)
    for days in (0, 3):
        await house.track(1, days=days, campaign_id="spring", **TRIED)
    await house.compactor.merge_all()
    before = await house.cells()
    deleted = [entry["_id"] for entry in await entries(house.database) if entry["createdAt"] < NOW - timedelta(days=2)]
    await Retention(house.database).begin(ZONE, TODAY - timedelta(days=1))
    await Retention(house.database).calls(deleted)

    # an earlier release merges: from here on the ledger is read, but for the days it no longer has
    await house.database.writes[STATE].update_one(STATE_KEY, {"$inc": {"merges": 1}})
    async with reading(house.database) as read:
        rows = await campaign_sums(read, await house.state(), QUERY, ["day"], campaign="spring")
    assert len(rows) == 2

    await house.compactor.tagged.fill_all()
    await house.compactor.merge_all()
    assert await house.cells() == before
    await house.database.writes[STATE].update_one(STATE_KEY, {"$unset": {"wholeFrom": ""}})


async def test_synthetic_calls_leave_no_cell_behind(house: House) -> None:
    await house.track(1, campaign_id="spring", synthetic=True, **TRIED)
    await house.track(2, campaign_id="spring", **TRIED)
    await house.compactor.merge_all()
    purge = Purge(house.database, ZONE)
    await purge.prepare()
    await purge.close()

    for name in (CAMPAIGNS, VARIANTS):
        assert [cell["_id"]["synthetic"] async for cell in house.database.writes[name].find()] == [False]
    await house.check()
