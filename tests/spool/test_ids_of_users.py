"""Calls that users report with tokens of their own, while MongoDB is away: one call stays one, and theirs alone."""

import bson
import pytest

from app.database import Database
from app.ledger.twins import Pair
from app.settings import Settings
from app.spool.journal import Spool
from app.tracking import AICall, Tracker, TrackReceipt
from tests.ledger.test_ledger import pair
from tests.spool.test_spooling import Away, mongodb, tracker_of  # noqa: F401 - a fixture
from tests.tracking.test_durability import delivered
from tests.twins import assert_twins, entries


async def report(tracker: Tracker, user: str, tokens: int, *, by_user: bool = True) -> TrackReceipt:
    call = AICall(user_id=user, content_type="chat", model="gpt-4o", input_tokens=tokens, request_id="r")
    return await tracker.track_call(call, "track", by_user=by_user)


def told(receipt: TrackReceipt) -> tuple[str, bool]:
    return receipt.status, receipt.conflicting


async def whose(database: Database) -> list[tuple[str, int]]:
    return sorted((entry["userId"], entry["inputTokens"]) for entry in await entries(database))


async def test_what_waits_in_the_spool_is_a_user_s_own_as_well(
    tracker: Tracker,
    database: Database,
    mongodb: Away,  # noqa: F811 - the fixture
) -> None:
    mongodb.away = True
    assert told(await report(tracker, "ann", 7, by_user=False)) == ("spooled", False)
    assert told(await report(tracker, "ann", 7)) == ("duplicate", False)
    assert told(await report(tracker, "eve", 1)) == ("spooled", False)

    tracker.writer.breaker.close()  # MongoDB is back, and nobody has replayed yet
    assert told(await report(tracker, "ann", 8)) == ("duplicate", True)
    assert told(await report(tracker, "eve", 1)) == ("duplicate", False)
    mongodb.away = False
    await delivered(tracker)

    assert await whose(database) == [("ann", 7), ("eve", 1)]
    await assert_twins(database)


@pytest.mark.parametrize("resent", ["while it waits", "when it is delivered"])
async def test_a_user_s_call_that_an_earlier_version_spooled_is_the_same_call(
    settings: Settings,
    database: Database,
    mongodb: Away,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
    resent: str,
) -> None:
    def as_then(call: Pair) -> bytes:
        return bson.encode({"entry": call.entry, "event": call.event, "stamped": call.stamped})

    spool = Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)
    with monkeypatch.context() as before:
        before.setattr("app.spool.journal.encoded", as_then)
        spool.append([pair("r", input_tokens=7)])
    spool.close()

    mongodb.away = resent == "while it waits"
    async with tracker_of(settings, database) as tracker:
        if not mongodb.away:
            await delivered(tracker)
        assert (await report(tracker, "u", 7)).status == "duplicate"
        assert (await report(tracker, "eve", 1)).status == ("spooled" if mongodb.away else "committed")
        mongodb.away = False
        await delivered(tracker)

    assert await whose(database) == [("eve", 1), ("u", 7)]


async def test_a_spooled_report_of_a_user_is_no_second_call_where_the_application_s_came_first(
    tracker: Tracker,
    database: Database,
    mongodb: Away,  # noqa: F811 - the fixture
) -> None:
    await report(tracker, "ann", 7, by_user=False)
    mongodb.away = True
    assert told(await report(tracker, "ann", 7)) == ("spooled", False)
    assert told(await report(tracker, "eve", 1)) == ("spooled", False)
    mongodb.away = False
    await delivered(tracker)

    assert await whose(database) == [("ann", 7), ("eve", 1)]
    assert b'twinmeter_replayed_calls_total{status="duplicate"} 1.0' in tracker.counters.exposition()
