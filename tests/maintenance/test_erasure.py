"""An erased user is found nowhere, every figure stays, and the pseudonym holds what the user held."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import Decimal128, ObjectId

from app.database import Database, Session
from app.maintenance.erasure.calls import ErasedCalls
from app.maintenance.erasure.cells import ErasedCells
from app.maintenance.erasure.conversations import ErasedConversations
from app.maintenance.erasure.erasure import Erasure, ErasureCounts
from app.maintenance.erasure.pseudonyms import Rename, erased_event, erased_pair
from app.observability.metrics import Counters
from app.reports.analytics import AnalyticsType
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.rollups.compactor import Compactor
from app.rollups.recount import Recount
from app.settings import Settings
from app.spool.journal import Spool
from app.spool.rewriting import all_pairs
from app.tracking import open_tracker
from models.rollups import CONVERSATIONS, USERS, VARIANTS
from tests.ledger.test_ledger import pair
from tests.reports.test_rollups import NOW, House, check
from tests.spool.spools import connection_of
from tests.twins import assert_twins, entries

ZONE = ZoneInfo("America/Los_Angeles")
ANNA, BOB = "anna.k|$1", "bob"
ALONE, SHARED = "anna's talk", "their talk"
TODAY = NOW.astimezone(ZONE).date()
OLD = NOW - timedelta(days=200)  # before every span that `check` compares a window with
WINDOWS = [
    *(TimeWindow(TODAY - timedelta(days=days - 1), TODAY, ZONE) for days in (7, 30, 220)),
    TimeWindow(OLD.date() - timedelta(days=3), OLD.date() + timedelta(days=3), ZONE),
]


@pytest.fixture
async def house(settings: Settings, database: Database) -> AsyncIterator[House]:
    """Calls of two users, of which some wait, some are half merged, and the oldest were deleted by retention."""
    configured = settings.model_copy(update={"timezone": ZONE.key, "store_ip_address": True, "store_user_agent": True})
    async with (
        open_tracker(configured, database, Counters(), compacting=False) as one,
        open_tracker(configured, database, Counters(), compacting=False) as two,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session, clock=lambda: NOW)
        house = House(database, (one, two), compactor, Reports(database, ZONE, lambda: NOW), ZONE, whole=False)
        await report(house, days=(200, 199, 40, 8, 1, 0))
        await compactor.merge_all()
        await database.ledger.delete_many({"createdAt": {"$lt": NOW - timedelta(days=80)}})
        await database.events.delete_many({"createdAt": {"$lt": NOW - timedelta(days=80)}})
        await report(house, days=(40, 3, 0))
        await compactor.merge_figures()
        await compactor.trailing.keep_up()
        await report(house, days=(8, 2, 0))
        await database.events.insert_many([event(ANNA), event(BOB, clerkUserId=ANNA), event(BOB)])
        yield house


async def report(house: House, days: tuple[int, ...]) -> None:
    """Report six calls of each of these days at once, where each second day has a writer of its own."""
    receipts = await asyncio.gather(
        *(
            house.writers[day % 2].track(
                user_id=user,
                client_id=client,
                conversation_id=conversation,
                content_type="chat",
                model="gpt-4o" if day % 2 else "claude-sonnet-4-5",
                input_tokens=tokens + day,
                success=tokens != 2_000,
                error_message=f"no such user: {user}" if tokens == 2_000 else None,
                synthetic=synthetic,
                clerk_user_id=f"clerk of {user}",
                ip_address="203.0.113.7",
                user_agent=f"{user}'s telephone",
                metadata={"name": user},
                created_at=NOW - timedelta(days=day),
                campaign_id="spring" if tokens > 1_000 else None,
                **({"experiment": "tone", "variant": "b"} if tokens > 600 else {}),
            )
            for day in days
            for user, client, conversation, tokens, synthetic in [
                (ANNA, "default", ALONE, 1_000, False),
                (ANNA, "default", SHARED, 2_000, False),
                (ANNA, "a.b", ALONE, 3_000, False),
                (ANNA, "a.b", None, 500, True),
                (BOB, "default", SHARED, 700, False),
                (BOB, "a.b", "bob's", 90, False),
            ]
        )
    )
    assert {receipt.status for receipt in receipts} == {"committed"}


def event(user: str, **more: Any) -> dict[str, Any]:
    facts = {"event": "page_view", "properties": {"who": user}, "createdAt": NOW, "synthetic": False}
    return {"_id": ObjectId(), "userId": user, "clientId": "default", **facts, **more}


def erasure(house: House, client: str | None = None, user: str = ANNA) -> Erasure:
    path = house.writers[0].writer.spooler._spool.path
    return Erasure(house.database, ZONE, user, client, Spool(path, 1_000_000))


async def everything(database: Database) -> str:
    """Every document of every collection, as text."""
    names = [name for name in await database.writes.list_collection_names() if name != "system.views"]
    return "\n".join(
        [f"{name} {document}" for name in sorted(names) async for document in database.writes[name].find()]
    )


async def answers(house: House, client: str | None = None, windows: list[TimeWindow] = WINDOWS) -> list[str]:
    """What every report says, without the time at which it says so."""
    reports, filters = house.reports, Filters(client_id=client)
    found: list[Any] = []
    for window in windows:
        for synthetic in Synthetic:
            found += await of_query(reports, ReportQuery(window, filters, synthetic))
    found += [await reports.overview(synthetic) for synthetic in Synthetic]
    found += [await reports.stats(synthetic) for synthetic in Synthetic]
    return [answer.model_dump_json(exclude={"generated_at", "freshness"}) for answer in found]


async def totals(house: House) -> list[Any]:
    """What reports say that does not count persons, in the window that has every call."""
    answered = await of_query(house.reports, ReportQuery(WINDOWS[2], Filters(), Synthetic.INCLUDE))
    return [
        answer.model_dump(include={"totals", "by_model", "by_provider", "by_feature", "by_hour"}) for answer in answered
    ]


async def of_query(reports: Reports, query: ReportQuery) -> list[Any]:
    return [
        await reports.usage(query),
        await reports.models(query),
        await reports.users(query, "-requests", limit=50, cursor=None),
        await reports.users(query, "-cost", limit=50, cursor=None),
        await reports.analytics(query, AnalyticsType.ALL),
    ]


def renamed(answers: list[str], names: dict[str, str]) -> list[str]:
    for name, other in names.items():
        answers = [answer.replace(f'"{name}"', f'"{other}"') for answer in answers]
    return answers


async def conversation_names(database: Database) -> dict[str, str]:
    return {name: ALONE for name in await database.ledger.distinct("conversationId") if name.startswith("erased-")}


async def assert_erased(house: House, pseudonym: str, before: list[str], windows: list[TimeWindow] = WINDOWS) -> None:
    """Nothing but the names has changed since the answers `before`, and the cells are those of the ledger."""
    text = await everything(house.database)
    assert ANNA not in text
    assert ALONE not in text
    assert await house.database.writes["erasures"].count_documents({}) == 0
    names = {pseudonym: ANNA, **await conversation_names(house.database)}
    assert renamed(await answers(house, windows=windows), names) == before
    await assert_twins(house.database)
    await check(house)
    assert renamed(await answers(house, windows=windows), names) == before


async def test_an_erased_user_is_found_nowhere_and_every_figure_stays(house: House) -> None:
    before = await answers(house)

    counted = await erasure(house).count()
    pseudonym, found = await erasure(house).run(lambda _: None)

    # 10 days in the ledger with 4 calls each; the events are their twins, a page view, and one that names her
    assert (counted.entries, counted.events) == (found.entries, found.events) == (40, 42)
    assert counted.cells > 0
    assert pseudonym.removeprefix("erased-").isalnum()
    await assert_erased(house, pseudonym, before)
    for entry in [entry for entry in await entries(house.database) if entry["userId"] == pseudonym]:
        assert entry.keys().isdisjoint({"ipAddress", "userAgent", "metadata", "errorMessage"})
        assert entry.get("conversationId", SHARED) == SHARED or entry["conversationId"].startswith("erased-")
    (view,) = await house.database.events.find({"event": "page_view", "userId": pseudonym}).to_list(None)
    assert view["properties"] == {}
    bobs = await house.database.events.find({"event": "page_view", "userId": BOB}).to_list(None)
    assert [(view["properties"], view.get("clerkUserId")) for view in bobs] == [({"who": BOB}, None)] * 2


async def test_of_days_that_retention_deleted_the_cells_are_renamed_too(house: House) -> None:
    old = {"_id.day": {"$lte": (TODAY - timedelta(days=90)).isoformat()}}
    cells = [cell async for cell in house.database.writes[USERS].find({**old, "_id.user": ANNA})]

    pseudonym, _ = await erasure(house).run(lambda _: None)

    moved = [cell async for cell in house.database.writes[USERS].find({**old, "_id.user": pseudonym})]
    assert len(moved) == len(cells) == 6
    assert sum(cell["requests"] for cell in moved) == sum(cell["requests"] for cell in cells) == 8
    talks = {cell["_id"]["conversation"] async for cell in house.database.writes[CONVERSATIONS].find(old)}
    assert talks == {SHARED, "bob's", *(await conversation_names(house.database))}
    tried = house.database.writes[VARIANTS].find({**old, "_id.experiment": "tone"})
    assert {cell["_id"]["user"] async for cell in tried} == {pseudonym, BOB}


async def test_a_second_run_finds_nothing(house: House) -> None:
    await erasure(house).run(lambda _: None)
    before = await everything(house.database)

    assert await erasure(house).count() == ErasureCounts()
    _, found = await erasure(house).run(lambda _: None)

    assert found == ErasureCounts()
    assert (await everything(house.database)).count("erased-") == before.count("erased-")


@pytest.mark.parametrize(
    ("place", "name", "after"),
    [
        (ErasedCalls, "_page", 4),
        (ErasedCells, "_move_month", 1),
        (ErasedCells, "_move_trailing", 0),
        (ErasedConversations, "_move_cell", 1),
    ],
)
async def test_a_run_that_was_killed_goes_on_with_the_same_pseudonym(
    house: House, monkeypatch: pytest.MonkeyPatch, place: type, name: str, after: int
) -> None:
    windows = WINDOWS[2:]  # all calls, and those that retention deleted; what is in them is asked above
    before, sums = await answers(house, windows=windows), await totals(house)
    original, calls = getattr(place, name), 0

    async def failing(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise InterruptedError
        return await original(*arguments)

    monkeypatch.setattr("app.maintenance.erasure.calls.PAGE", 7)
    with monkeypatch.context() as killed:
        killed.setattr(place, name, failing)
        with pytest.raises(InterruptedError):
            await erasure(house).run(lambda _: None)
    (note,) = await house.database.writes["erasures"].find({"pseudonym": {"$exists": True}}).to_list(None)
    assert await totals(house) == sums
    assert await erasure(house).unfinished()

    pseudonym, _ = await erasure(house).run(lambda _: None)

    assert pseudonym == note["pseudonym"]
    await assert_erased(house, pseudonym, before, windows)


async def test_a_call_that_is_reported_again_does_not_bring_the_user_back(house: House) -> None:
    call = {"user_id": ANNA, "content_type": "chat", "model": "gpt-4o", "request_id": "r", "created_at": NOW}
    assert (await house.writers[0].track(**call)).status == "committed"
    await erasure(house).run(lambda _: None)

    again = await house.writers[0].track(**call)

    assert (again.status, again.conflicting) == ("duplicate", True)
    assert ANNA not in await everything(house.database)


async def test_of_one_client_alone_the_other_ones_keep_the_user(house: House) -> None:
    before, others = await answers(house, "default"), await answers(house, "a.b")

    pseudonym, found = await erasure(house, "default").run(lambda _: None)

    assert found.entries == 20
    names = {pseudonym: ANNA, **await conversation_names(house.database)}
    left = [entry["clientId"] for entry in await entries(house.database) if entry["userId"] == ANNA]
    assert set(left) == {"a.b"}
    with_clients = slice(0, -2 * len(Synthetic))  # behind these, answers are of every client
    assert renamed((await answers(house, "default"))[with_clients], names) == before[with_clients]
    assert (await answers(house, "a.b"))[with_clients] == others[with_clients]
    await assert_twins(house.database)
    await check(house)
    assert ANNA not in str(await house.database.writes[USERS].find({"_id.client": "default"}).to_list(None))


async def test_a_run_for_all_clients_ends_one_for_a_single_client_that_was_killed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = await totals(house)
    with monkeypatch.context() as killed:
        killed.setattr(ErasedCells, "move", failing_at_once)
        with pytest.raises(InterruptedError):
            await erasure(house, "a.b").run(lambda _: None)

    await erasure(house).run(lambda _: None)

    text = await everything(house.database)
    assert ANNA not in text
    assert ALONE not in text
    assert await totals(house) == sums
    await check(house)


async def failing_at_once(*_: object) -> int:
    raise InterruptedError


async def test_an_erasure_beside_writers_merges_and_recounts_loses_nothing(house: House) -> None:
    done = asyncio.Event()

    async def report_on() -> None:
        while not done.is_set():
            await report(house, days=(0,))

    async def merge_on(session: Session | None) -> None:
        running = asyncio.create_task(Compactor(house.database, session, clock=lambda: NOW).run())
        await done.wait()
        running.cancel()

    async def recount_on() -> None:
        while not done.is_set():
            await Recount(house.database, ZONE).days(TODAY, TODAY)

    async with house.database.committer_session() as session:
        beside = [asyncio.create_task(work) for work in (report_on(), merge_on(session), recount_on())]
        pseudonym, found = await erasure(house).run(lambda _: None)
        done.set()
        await asyncio.gather(*beside)

    assert found.entries >= 40
    await assert_twins(house.database)
    await check(house)
    # what came after the last pass is a new matter, which the next run ends
    await erasure(house).run(lambda _: None)
    assert ANNA not in await everything(house.database)
    assert pseudonym in await everything(house.database)
    await check(house)


async def test_spooled_calls_are_renamed_on_the_disk_too(house: House, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", 1_000_000)
    calls = [pair(f"r{i}") for i in range(4)]
    for call, user in zip(calls, (ANNA, BOB, ANNA, ANNA), strict=True):
        call.entry["userId"] = call.event["userId"] = user
    spool.append(calls)
    spool.settle([], {calls[0].id: "refused"})

    erasing = Erasure(house.database, ZONE, ANNA, None, spool)
    assert (await erasing.count()).spooled == 3
    pseudonym, found = await erasing.run(lambda _: None)

    assert found.spooled == 3
    assert sorted(each.entry["userId"] for each in all_pairs(spool)) == sorted([BOB, *[pseudonym] * 3])
    assert (spool.depth().calls, spool.refused()) == (3, 1)
    assert spool.depth().bytes == sum(len(row[0]) for row in connection_of(spool).execute("SELECT pair FROM calls"))
    spool.close()
    assert ANNA.encode() not in spool.path.read_bytes()
    assert list(tmp_path.glob("spool.sqlite3-*")) == []  # noqa: ASYNC240 - SQLite's log is gone


def test_a_product_event_keeps_what_an_experiment_counts_and_nothing_of_the_person() -> None:
    rename = Rename("u", None, "erased-1", b"")
    figures = {"event": "purchase", "experiment": "tone", "variant": "b", "value": Decimal128("19.99")}
    event = {"userId": "u", "clientId": "a", "clerkUserId": "x", "properties": {"name": "Ann"}, **figures}

    erased = {"userId": "erased-1", "clientId": "a", "properties": {}, **figures}
    assert erased_event(event, rename) == erased


def test_a_pair_is_renamed_without_what_may_identify_and_others_are_left_alone() -> None:
    rename = Rename(ANNA, None, "erased-0", b"secret", frozenset({("default", SHARED)}))
    entry = {
        "_id": 1,
        "userId": ANNA,
        "clientId": "default",
        "conversationId": ALONE,
        "cost": 1,
        "ipAddress": "1.2.3.0",
    }
    twin = {**event(ANNA, clerkUserId="c"), "event": "ai_generation", "properties": {"model": "m"}}

    erased, erased_twin = erased_pair(entry, twin, rename)

    talk = rename.conversation("default", ALONE)
    assert erased == {"_id": 1, "userId": "erased-0", "clientId": "default", "conversationId": talk, "cost": 1}
    assert (erased_twin["userId"], erased_twin["properties"]) == ("erased-0", {"model": "m"})
    assert "clerkUserId" not in erased_twin
    assert rename.conversation("default", SHARED) == SHARED
    assert rename.conversation("a.b", ALONE) != talk
    of_bob = {**entry, "userId": BOB}, event(BOB)
    assert all(one is other for one, other in zip(erased_pair(*of_bob, rename), of_bob, strict=True))
    elsewhere = Rename(ANNA, "a.b", "erased-0", b"secret")
    assert erased_pair(entry, twin, elsewhere) == (entry, twin)
