"""Floods on a real MongoDB: nothing starves, every receipt is true, nothing counts twice."""

import asyncio
import itertools
import signal
from collections import Counter
from pathlib import Path

import pytest

from app.database import Database, connected
from app.database.mongod import EmbeddedMongod
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import AICall, Tracker, TrackReceipt, open_tracker
from app.tracking.intake import Kind
from tests.patience import patience
from tests.tracking.test_durability import come_back, delivered, leave
from tests.twins import assert_twins

SENDERS = 4
STORED = {"committed", "spooled"}


def calls(sender: int, batch: int, rows: int = 500) -> list[AICall]:
    return [
        AICall(user_id="u", content_type="chat", model="gpt-4o", input_tokens=1, request_id=f"{sender}-{batch}-{row}")
        for row in range(rows)
    ]


async def sent(tracker: Tracker, sender: int, batches: int, within: float = 60) -> list[TrackReceipt]:
    """The receipts of a sender that waits for each of its batches."""
    return [
        receipt
        for batch in range(batches)
        for receipt in await tracked(tracker, calls(sender, batch), f"s{sender}", within)
    ]


async def tracked(tracker: Tracker, reported: list[AICall], sender: str, within: float = 60) -> list[TrackReceipt]:
    """The receipts of one batch."""
    with tracker.intake.place(Kind(sender, "batch"), None, within) as place:
        await place.turn()
        place.has(len(reported))
        return await tracker.track_calls(reported, "batch", place=place)


def of_all(receipts: list[list[TrackReceipt]]) -> list[TrackReceipt]:
    return list(itertools.chain.from_iterable(receipts))


async def test_four_senders_of_batches_have_every_call_committed(settings: Settings, database: Database) -> None:
    in_process = settings.model_copy(update={"track_deadline_ms": 250})
    async with open_tracker(in_process, database, Counters()) as tracker:
        receipts = of_all(await asyncio.gather(*(sent(tracker, sender, 3) for sender in range(SENDERS))))
        assert Counter(receipt.status for receipt in receipts) == {"committed": 6_000}
        assert not tracker.writer.breaker.is_open
    assert await assert_twins(database) == {receipt.id for receipt in receipts}


async def test_ten_thousand_rows_of_one_request_are_one_call(settings: Settings, database: Database) -> None:
    same = AICall(user_id="u", content_type="chat", model="gpt-4o", input_tokens=1, request_id="same")
    async with open_tracker(settings, database, Counters()) as tracker:
        batches = [tracked(tracker, [same] * 1_000, f"s{number % SENDERS}") for number in range(10)]
        beside = tracker.track_call(calls(9, 9, 1)[0], "track", sender="another", within=60)
        *told, other = await asyncio.gather(*batches, beside)
    statuses = Counter(receipt.status for receipts in told for receipt in receipts)  # type: ignore[union-attr]
    assert statuses == {"committed": 1, "duplicate": 9_999}
    assert isinstance(other, TrackReceipt)
    assert other.status == "committed"
    assert len(await assert_twins(database)) == 2


async def test_what_two_senders_report_at_once_is_committed_once_beside_a_long_commit(
    settings: Settings, database: Database
) -> None:
    async with open_tracker(settings, database, Counters()) as tracker:
        flood = asyncio.create_task(sent(tracker, 0, 4, within=60))
        again: list[TrackReceipt] = []
        for batch in range(4):
            again += await tracked(tracker, calls(0, batch, 10), "another")
        receipts = await flood
    statuses = Counter(receipt.status for receipt in (*receipts, *again))
    assert statuses == {"committed": 2_000, "duplicate": 40}
    assert await assert_twins(database) == {receipt.id for receipt in receipts}


@pytest.mark.parametrize("back", [signal.SIGCONT, None], ids=["frozen", "killed"])
async def test_mongodb_gone_in_the_middle_of_a_flood_costs_no_call_and_counts_none_twice(
    settings: Settings, tmp_path: Path, back: signal.Signals | None
) -> None:
    with EmbeddedMongod(tmp_path / "own") as mongod:
        async with connected(mongod.uri, "own") as database, open_tracker(settings, database, Counters()) as tracker:
            flood = [asyncio.create_task(sent(tracker, sender, 4)) for sender in range(SENDERS)]
            while tracker.counters.snapshot().get("committed", 0) < 1_000:  # noqa: ASYNC110 - others' work
                await asyncio.sleep(0.001)
            leave(mongod, back)
            async with asyncio.timeout(patience(20)):
                receipts = of_all(await asyncio.gather(*flood))
            assert {receipt.status for receipt in receipts} <= STORED | {"duplicate"}
            await come_back(mongod, back)
            await delivered(tracker)

            again = of_all(await asyncio.gather(*(sent(tracker, sender, 4) for sender in range(SENDERS))))
            assert Counter(receipt.status for receipt in again) == {"duplicate": 8_000}
            assert not any(receipt.conflicting for receipt in again)
            assert await assert_twins(database) == {receipt.id for receipt in receipts}
