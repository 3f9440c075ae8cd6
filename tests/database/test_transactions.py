"""One way to do work as a transaction: again where another one was in its way, and not a moment longer than said."""

import asyncio

import pymongo
import pytest
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from app.database import Database, Session
from app.database.transactions import transact, transact_once, undisturbed

ERRORS = {
    "another was in the way": OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]}),
    "it can never be": OperationFailure("refused", 121, {}),
}


async def test_what_is_committed_is_on_the_journals_of_a_majority(database: Database) -> None:
    async def concern(session: Session | None) -> WriteConcern:
        assert session is not None
        found = session.delegate._transaction.opts.write_concern
        assert isinstance(found, WriteConcern)
        return found

    concerns = [await transact(database, concern), database.writes.write_concern, database.ledger.write_concern]

    assert concerns == [WriteConcern(w="majority", j=True)] * 3


class DisturbedError(Exception):
    pass


async def test_of_two_that_change_the_same_document_both_are_done(database: Database) -> None:
    counters = database.writes["counters"]
    await counters.insert_one({"_id": "one", "value": 0})
    both_read = asyncio.Barrier(2)
    attempts = 0

    async def increase(session: Session | None) -> int:
        nonlocal attempts
        attempts += 1
        found = await counters.find_one({"_id": "one"}, session=session)
        if attempts <= 2:
            await both_read.wait()
        assert found is not None
        value: int = found["value"] + 1
        await counters.update_one({"_id": "one"}, {"$set": {"value": value}}, session=session)
        return value

    values = await asyncio.gather(transact(database, increase), transact(database, increase))

    assert sorted(values) == [1, 2]
    assert await counters.find_one({"_id": "one"}) == {"_id": "one", "value": 2}
    assert attempts == 3


async def test_what_fails_leaves_nothing_behind(database: Database) -> None:
    things = database.writes["things"]
    await things.insert_one({"_id": 1})

    async def work(session: Session | None) -> None:
        await things.insert_one({"_id": 2}, session=session)
        raise LookupError

    with pytest.raises(LookupError):
        await transact(database, work)
    assert await things.count_documents({}) == 1


@pytest.mark.parametrize(("kind", "expected"), [("another was in the way", 3), ("it can never be", 1)])
async def test_only_what_was_undone_is_done_again(kind: str, expected: int) -> None:
    attempts = 0

    async def work() -> int:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ERRORS[kind]
        return attempts

    if expected == 1:
        with pytest.raises(OperationFailure, match="refused"):
            await undisturbed(work)
    else:
        assert await undisturbed(work) == 3
    assert attempts == expected


async def test_a_disturbance_of_our_own_is_begun_again_until_the_time_is_up() -> None:
    async def disturbed() -> None:
        raise DisturbedError

    with pytest.raises(DisturbedError):
        await undisturbed(disturbed, seconds=0.01, disturbances=(DisturbedError,))
    with pytest.raises(DisturbedError):
        await undisturbed(disturbed)


async def test_where_the_time_is_over_nothing_is_tried_again(database: Database) -> None:
    attempts = 0

    async def work(session: Session) -> None:
        nonlocal attempts
        attempts += 1
        await database.writes["things"].find_one({"$where": "sleep(1000) || true"}, session=session)

    await database.writes["things"].insert_one({"_id": 1})
    async with database.committer_session() as session:
        assert session is not None
        with pytest.raises(PyMongoError), pymongo.timeout(0.1):
            await undisturbed(lambda: transact_once(session, work))
    assert attempts == 1


async def test_a_snapshot_sees_one_moment(database: Database) -> None:
    things = database.writes["things"]
    await things.insert_one({"_id": 1})

    async with database.snapshot() as session:
        before = await things.count_documents({}, session=session)
        await things.insert_one({"_id": 2})
        after = await things.count_documents({}, session=session)

    assert (before, after, await things.count_documents({})) == (1, 1, 2)
