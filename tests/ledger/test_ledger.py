"""Transactions, duplicates and documents that cannot be stored, on the real server."""

import asyncio
import threading
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from mongomock_motor import AsyncMongoMockClient

from app.database import Database, Session, connected
from app.database.blocking import ClientSession
from app.ledger.features import Features
from app.ledger.ledger import Ledger, LedgerUnavailableError
from app.ledger.twins import IdMint, Pair, build_pair, twin_id
from app.pricing.costs import Cost, PricedCall
from app.pricing.sellers import Seller
from app.rollups.local_time import LocalTime
from models import CostSource
from models.call import AICall
from models.counters import RESERVATIONS
from tests.patience import patience
from tests.twins import assert_twins, entries

MINT = IdMint()
NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def pair(request_id: str | None = None, **reported: Any) -> Pair:
    call = AICall(user_id="u", content_type="chat", model="gpt-4o", request_id=request_id, **reported)
    seller, cost = Seller("openai", None, None), Cost(None, None, Decimal(0), CostSource.UNPRICED)
    return build_pair(
        call,
        Features().of("chat"),
        PricedCall(seller, call.usage, cost),
        NOW,
        MINT.id_of(call.client_id, request_id, NOW),
    )


def own(user: str, request_id: str, **reported: Any) -> Pair:
    """A call that its user reports with a token of their own."""
    call = pair(request_id, **reported)
    own_id = twin_id("default", request_id, user)
    entry, event = ({**document, "_id": own_id, "userId": user} for document in (call.entry, call.event))
    return Pair(own_id, entry, event, call.stamped, shared_id=call.id)


def ledger_of(database: Database, session: Session | None) -> Ledger:
    return Ledger(database, session, LocalTime(ZoneInfo("UTC")))


async def statuses(ledger: Ledger, pairs: list[Pair], *, again: bool = False) -> list[str]:
    return [outcome.status for outcome in await ledger.commit(pairs, seconds=10, again=again)]


async def test_a_document_that_bson_cannot_hold_is_isolated(database: Database) -> None:
    pairs = [pair(str(i)) for i in range(20)]
    pairs[7].entry["inputTokens"] = 2**70
    pairs[13].event["userId"] = "\ud800"

    async with database.committer_session() as session:
        found = await statuses(ledger_of(database, session), pairs)

    assert [i for i, status in enumerate(found) if status != "committed"] == [7, 13]
    assert {found[7], found[13]} == {"rejected"}
    assert len(await assert_twins(database)) == 18


async def test_a_document_that_the_server_refuses_is_isolated(database: Database) -> None:
    await database.writes.command({"collMod": "analytics", "validator": {"userId": {"$ne": "refused"}}})
    pairs = [pair(str(i)) for i in range(10)]
    pairs[4].event["userId"] = "refused"

    async with database.committer_session() as session:
        outcomes = await ledger_of(database, session).commit(pairs, seconds=10)

    assert [outcome.status for outcome in outcomes] == ["committed"] * 4 + ["rejected"] + ["committed"] * 5
    assert outcomes[4].reason == "Document failed validation"
    assert len(await assert_twins(database)) == 9


async def test_while_an_operator_blocks_writes_no_call_is_refused(database: Database, mongodb_uri: str) -> None:
    admin, name = database.writes.client.admin, database.writes.name
    await database.writes.command("createUser", "app", pwd="secret", roles=["readWrite"])
    server = mongodb_uri.rpartition("@")[2].replace("authSource=admin", f"authSource={name}")
    try:
        async with connected(f"mongodb://app:secret@{server}", name) as own, own.committer_session() as session:
            ledger, pairs = ledger_of(own, session), [pair(str(i)) for i in range(3)]
            await admin.command({"setUserWriteBlockMode": 1, "global": True})
            with pytest.raises(LedgerUnavailableError):
                await ledger.commit(pairs, seconds=10)
            await admin.command({"setUserWriteBlockMode": 1, "global": False})

            assert await statuses(ledger, pairs, again=True) == ["committed"] * 3
    finally:
        await admin.command({"setUserWriteBlockMode": 1, "global": False})
        await database.writes.command("dropAllUsersFromDatabase")


async def test_what_an_earlier_attempt_stored_is_committed_not_a_duplicate(database: Database) -> None:
    async with database.committer_session() as session:
        ledger = ledger_of(database, session)
        mine = pair("mine")
        await statuses(ledger, [mine])

        assert await statuses(ledger, [mine, pair("new")], again=True) == ["committed", "committed"]
        assert await statuses(ledger, [pair("mine", input_tokens=9)], again=True) == ["duplicate"]
    assert len(await assert_twins(database)) == 2


async def test_what_an_earlier_attempt_settled_is_said_by_the_next(database: Database) -> None:
    mine = {"userId": "u", "clientId": "default", "holds": []}
    await database.writes[RESERVATIONS].insert_one({"_id": "r1", "state": "open", **mine})
    async with database.committer_session() as session:
        ledger, call = ledger_of(database, session), pair("mine", reservation_id="r1")
        remarks = [(await ledger.commit([call], seconds=10, again=again))[0].reservation for again in (False, True)]

    assert remarks == ["settled", "settled"]


async def test_a_lone_event_gets_its_entry_when_the_call_is_reported_again(database: Database) -> None:
    torn = pair("torn")
    await database.events.insert_one(torn.event)

    async with database.committer_session() as session:
        assert await statuses(ledger_of(database, session), [torn]) == ["committed"]
    assert await assert_twins(database) == {str(torn.id)}


async def test_the_same_request_twice_in_one_batch_is_a_duplicate(database: Database) -> None:
    async with database.committer_session() as session:
        outcomes = await ledger_of(database, session).commit([pair("r"), pair("r"), pair("r", images=2)], seconds=10)

    assert [(outcome.status, outcome.conflicting) for outcome in outcomes] == [
        ("committed", False),
        ("duplicate", False),
        ("duplicate", True),
    ]


async def test_a_stored_call_that_is_repeated_twice_in_a_batch_is_told_as_it_stands(database: Database) -> None:
    async with database.committer_session() as session:
        ledger = ledger_of(database, session)
        await ledger.commit([pair("r")], seconds=10)
        outcomes = await ledger.commit([pair("r", images=2), pair("r", images=2), pair("r")], seconds=10)

    assert [(outcome.status, outcome.conflicting) for outcome in outcomes] == [
        ("duplicate", True),
        ("duplicate", True),
        ("duplicate", False),
    ]
    assert ["images" in (outcome.stands or {}) for outcome in outcomes] == [False] * 3


async def test_a_repetition_of_what_is_refused_is_refused_not_a_duplicate(database: Database) -> None:
    pairs = [pair("r"), pair("r"), pair("other")]
    pairs[0].entry["inputTokens"] = 2**70

    async with database.committer_session() as session:
        found = await statuses(ledger_of(database, session), pairs)

    assert found == ["rejected", "rejected", "committed"]
    assert await assert_twins(database) == {str(pairs[2].id)}


async def test_two_writers_of_the_same_requests_store_each_once(database: Database) -> None:
    async with database.committer_session() as one, database.committer_session() as two:
        writers = ledger_of(database, one), ledger_of(database, two)
        counted: Counter[str] = Counter()
        for batch in range(20):
            ids = [f"{batch}:{i}" for i in range(50)]
            both = await asyncio.gather(*(statuses(writer, [pair(i) for i in ids]) for writer in writers))
            counted.update(status for found in both for status in found)

    assert counted == {"committed": 1_000, "duplicate": 1_000}
    assert len(await assert_twins(database)) == 1_000


async def test_another_writer_in_the_way_is_waited_for(database: Database) -> None:
    """A transaction that holds the same id conflicts; ours is repeated until that one has ended."""
    blocked = pair("contended")
    async with await database.writes.client.start_session() as other, database.committer_session() as session:
        other.start_transaction()
        await database.ledger.insert_one(blocked.entry, session=other)
        with pytest.raises(LedgerUnavailableError):
            await ledger_of(database, session).commit([blocked], seconds=0.3)
        await other.abort_transaction()

        assert await statuses(ledger_of(database, session), [blocked], again=True) == ["committed"]
    assert await assert_twins(database) == {str(blocked.id)}


async def test_without_transactions_the_same_call_repairs_a_torn_pair() -> None:
    client: Any = AsyncMongoMockClient()
    database = Database(writes=client["test"], reads=client["test"], streams=client["test"], transactional=False)
    ledger = ledger_of(database, None)
    torn = pair("torn")
    await database.ledger.insert_one(dict(torn.entry))

    assert await statuses(ledger, [torn, pair("whole")]) == ["duplicate", "committed"]
    assert await statuses(ledger, [pair("whole"), pair("whole", images=1)]) == ["duplicate", "duplicate"]
    assert len(await assert_twins(database)) == 2
    assert [type(entry["_id"]) for entry in await entries(database)] == [ObjectId, ObjectId]


async def test_a_user_s_report_is_the_application_s_call_in_a_batch_and_in_the_ledger(database: Database) -> None:
    by_application, by_user, by_eve = pair("r"), own("u", "r"), own("eve", "r")
    async with database.committer_session() as session:
        ledger = ledger_of(database, session)
        together = await ledger.commit([by_application, by_user, by_eve], seconds=10)
        later = await ledger.commit([own("u", "r", images=1), own("eve", "r")], seconds=10)

    found = [(outcome.status, outcome.conflicting) for outcome in (*together, *later)]
    assert found == [
        ("committed", False),
        ("duplicate", False),
        ("committed", False),
        ("duplicate", True),
        ("duplicate", False),
    ]
    assert [outcome.stands and outcome.stands["userId"] for outcome in later] == ["u", "eve"]
    assert await assert_twins(database) == {str(by_application.id), str(by_eve.id)}


async def test_calls_with_one_id_cost_no_look_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[list[ObjectId]] = []
    entries_of = Ledger._entries_of

    def noted(ledger: Ledger, ids: list[ObjectId], session: ClientSession | None) -> dict[ObjectId, Any]:
        looked_up.append(ids)
        return entries_of(ledger, ids, session)

    monkeypatch.setattr(Ledger, "_entries_of", noted)
    async with database.committer_session() as session:
        ledger = ledger_of(database, session)
        await ledger.commit([pair(str(i)) for i in range(10)], seconds=10)
        assert looked_up == []
        mixed = [pair("a"), own("u", "b"), pair("c"), own("u", "d")]
        await ledger.commit(mixed, seconds=10)

    assert looked_up == [[mixed[1].shared_id, mixed[3].shared_id]]


async def test_more_than_one_command_may_hold_is_written_by_several(database: Database) -> None:
    large = [pair(f"large {i}") for i in range(40)]
    for each in large:
        each.entry["metadata"] = {"text": "x" * 500_000}
    small = [pair(f"small {i}") for i in range(1_100)]

    async with database.committer_session() as session:
        ledger = ledger_of(database, session)
        assert Counter(await statuses(ledger, small)) == {"committed": 1_100}
        assert Counter(await statuses(ledger, large)) == {"committed": 40}
    assert len(await assert_twins(database)) == 1_140


async def test_a_commit_whose_caller_is_cancelled_is_finished_and_a_second_one_waits_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    insert = Ledger._insert

    def held(*arguments: Any, **options: Any) -> dict[ObjectId, Any]:
        begun.set()
        go_on.wait(patience(20))
        return insert(*arguments, **options)

    monkeypatch.setattr(Ledger, "_insert", held)
    async with database.committer_session() as session:
        ledger = ledger_of(database, session)
        stopped = asyncio.create_task(ledger.commit([pair("r")], seconds=10))
        await asyncio.to_thread(begun.wait, patience(20))
        stopped.cancel()
        later = asyncio.create_task(statuses(ledger, [pair("r")], again=True))
        go_on.set()

        assert isinstance((await asyncio.gather(stopped, return_exceptions=True))[0], asyncio.CancelledError)
        assert await later == ["committed"]
    assert len(await assert_twins(database)) == 1


async def test_a_commit_is_one_change_of_threads(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    hops = 0
    hop = loop.run_in_executor

    def counted(*arguments: Any) -> Any:
        nonlocal hops
        hops += 1
        return hop(*arguments)

    async with database.committer_session() as session:
        ledger = ledger_of(database, session)
        monkeypatch.setattr(loop, "run_in_executor", counted)
        assert await statuses(ledger, [pair("new"), own("u", "other")]) == ["committed", "committed"]
        monkeypatch.undo()

    assert hops == 1
