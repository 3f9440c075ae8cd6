"""One report, two documents: what a caller gets back and what stands in the database."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId

from app.database import Database
from app.ledger.outcomes import Outcome
from app.ledger.recording import Recorder
from app.ledger.twins import Pair
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import Fault, Tracker, open_tracker, track_ai_request
from app.tracking.admission import MAX_BATCH
from app.tracking.trackers import trackers
from tests.tracking.test_durability import delivered
from tests.twins import assert_twins, entries, events

AT = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.usefixtures("tracker")
async def test_one_call_stands_in_both_collections(database: Database) -> None:
    receipt = await track_ai_request(
        user_id="u1",
        clerk_user_id="clerk_1",
        content_type="chat-stream",
        model="gpt-4o",
        input_tokens=1_000,
        output_tokens=500,
        cache_read_tokens=800,
        request_duration=812,
        audio_seconds=None,
        metadata={"plan": "pro"},
        created_at=AT,
    )

    assert receipt[:2] == ("committed", receipt.id)
    assert receipt[2:] == ("chat", Decimal("0.0065"), Decimal("0.001"), "priced", False, (), None, None)
    (entry,) = await entries(database)
    (event,) = await events(database)
    recorded_at = entry.pop("recordedAt")
    assert abs((datetime.now(UTC) - recorded_at).total_seconds()) < 60
    assert entry == {
        "_id": ObjectId(receipt.id),
        "schemaVersion": 1,
        "userId": "u1",
        "clientId": "default",
        "contentType": "chat-stream",
        "feature": "chat",
        "serviceType": "chat",
        "provider": "openai",
        "aiModel": "gpt-4o",
        "status": "success",
        "success": True,
        "cached": False,
        "inputTokens": 1_000,
        "outputTokens": 500,
        "cacheReadTokens": 800,
        "tokensUsed": 1_500,
        "inputCost": Decimal128("0.001500000000000"),
        "outputCost": Decimal128("0.005000000000000"),
        "generationCost": Decimal128("0.000000000000000"),
        "cost": Decimal128("0.006500000000000"),
        "savedCost": Decimal128("0.001000000000000"),
        "costSource": "priced",
        "priceVersion": entry["priceVersion"],
        "requestDuration": 812,
        "metadata": {"plan": "pro"},
        "synthetic": False,
        "createdAt": AT,
    }
    assert entry["priceVersion"].startswith("genai-prices ")
    assert event == {
        "_id": ObjectId(receipt.id),
        "schemaVersion": 1,
        "userId": "u1",
        "clientId": "default",
        "clerkUserId": "clerk_1",
        "event": "ai_generation",
        "properties": {
            "contentType": "chat-stream",
            "model": "gpt-4o",
            "provider": "openai",
            "cached": False,
            "feature": "chat",
            "cost": Decimal128("0.006500000000000"),
            "success": True,
        },
        "synthetic": False,
        "createdAt": AT,
    }


async def test_an_answer_from_the_own_cache_costs_nothing_and_says_what_it_saved(tracker: Tracker) -> None:
    receipt = await tracker.track(
        user_id="u", content_type="chat", model="gpt-4o", input_tokens=1_000, output_tokens=500, cached=True
    )

    assert (receipt.cost, receipt.saved_cost, receipt.cost_source) == (Decimal(0), Decimal("0.0075"), "cached")


async def test_an_unknown_price_is_null_and_never_zero(tracker: Tracker, database: Database) -> None:
    receipt = await tracker.track(user_id="u", content_type="chat", model="no-such-model", input_tokens=5)

    assert (receipt.cost, receipt.cost_source) == (None, "unpriced")
    (entry,) = await entries(database)
    assert (entry["cost"], entry["provider"]) == (None, "unknown")


async def test_what_the_caller_knows_of_the_cost_stands(tracker: Tracker, database: Database) -> None:
    receipt = await tracker.track(
        user_id="u", content_type="chat", model="gpt-4o", input_tokens=5, cost=Decimal("0.0000001234567891")
    )

    assert (receipt.cost, receipt.cost_source) == (Decimal("0.000000123456789"), "reported")
    (entry,) = await entries(database)
    assert entry["generationCost"] == entry["cost"]


async def test_a_failed_call_without_usage_costs_nothing(tracker: Tracker, database: Database) -> None:
    receipt = await tracker.track(
        user_id="u", content_type="chat", model="gpt-4o", status="rate_limited", error_message="slow down"
    )

    assert (receipt.cost, receipt.cost_source) == (Decimal(0), "priced")
    (entry,) = await entries(database)
    assert (entry["success"], entry["status"], entry["errorMessage"]) == (False, "rate_limited", "slow down")


async def test_the_same_request_counts_once_and_the_first_report_stands(tracker: Tracker, database: Database) -> None:
    call = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 10, "request_id": "r1"}

    first = await tracker.track(**call)
    again = await tracker.track(**call)
    other = await tracker.track(**{**call, "input_tokens": 11, "content_type": "summary"})
    elsewhere = await tracker.track(**call, client_id="another")

    assert [first.status, again.status, other.status, elsewhere.status] == [
        "committed",
        "duplicate",
        "duplicate",
        "committed",
    ]
    assert [first.conflicting, again.conflicting, other.conflicting] == [False, False, True]
    assert first.id == again.id == other.id != elsewhere.id
    # what a receipt says is what is stored
    assert (first.cost, first.cost_source, first.feature) == (Decimal("0.000025"), "priced", "chat")
    assert [(receipt.feature, *receipt[3:6]) for receipt in (again, other)] == [(first.feature, *first[3:6])] * 2
    assert [entry["inputTokens"] for entry in await entries(database)] == [10, 10]
    await assert_twins(database)


async def test_a_duplicate_beside_it_never_sinks_a_batch(tracker: Tracker, database: Database) -> None:
    call = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1}
    await tracker.track(**call, request_id="r7")

    receipts = await asyncio.gather(*(tracker.track(**call, request_id=f"r{i % 20}") for i in range(60)))

    assert Counter(receipt.status for receipt in receipts) == {"committed": 19, "duplicate": 41}
    assert len(await assert_twins(database)) == 20


async def test_what_cannot_be_stored_comes_back_rejected_with_every_reason(
    tracker: Tracker, database: Database
) -> None:
    receipt = await track_ai_request(user_id="", content_type="chat", model="m" * 10_000, surprise=1)

    assert receipt.status == "rejected"
    assert receipt.errors == (
        Fault("user_id", "String should have at least 1 character"),
        Fault("model", "String should have at most 256 characters"),
        Fault("surprise", "unknown field; /schema lists the known ones"),
    )
    assert await entries(database) == []
    assert tracker.counters.snapshot() == {"rejected": 1}


async def test_a_forgotten_name_is_rejected_not_raised(tracker: Tracker) -> None:
    receipt = await track_ai_request("u", "chat")

    assert (receipt.status, [fault.field for fault in receipt.errors]) == ("rejected", ["model"])
    assert tracker.counters.snapshot() == {"rejected": 1}


async def test_text_that_looks_like_an_operator_is_only_text(tracker: Tracker, database: Database) -> None:
    await tracker.track(user_id="$where", content_type="{$gt: ''}", model="$ne", metadata={"note": "$set"})

    (entry,) = await entries(database)
    assert (entry["userId"], entry["contentType"], entry["aiModel"]) == ("$where", "{$gt: ''}", "$ne")


async def test_calls_that_come_together_are_committed_together(tracker: Tracker, database: Database) -> None:
    batches: list[int] = []
    commit = tracker.writer._ledger.commit

    async def counting(pairs: Sequence[Pair], **options: Any) -> list[Outcome]:
        batches.append(len(pairs))
        return await commit(pairs, **options)

    tracker.writer._ledger.commit = counting  # type: ignore[method-assign]
    receipts = await asyncio.gather(
        *(tracker.track(user_id=f"u{i}", content_type="chat", model="gpt-4o") for i in range(2_500))
    )

    assert Counter(receipt.status for receipt in receipts) == {"committed": 2_500}
    assert (sum(batches), max(batches) <= MAX_BATCH) == (2_500, True)
    assert len(batches) < 10
    assert len(await assert_twins(database)) == 2_500
    assert tracker.counters.snapshot() == {"committed": 2_500}


async def test_closing_commits_what_has_queued_and_refuses_what_comes_later(
    settings: Settings, database: Database
) -> None:
    async with open_tracker(settings, database, Counters()) as tracker:
        queued = [
            asyncio.create_task(tracker.track(user_id="u", content_type="chat", model="gpt-4o")) for _ in range(1_500)
        ]
        await asyncio.sleep(0)

    assert Counter(receipt.status for receipt in await asyncio.gather(*queued)) == {"committed": 1_500}
    late = await tracker.track(user_id="u", content_type="chat", model="gpt-4o")
    assert (late.status, late.errors) == ("dropped", (Fault("", "tracking has been stopped"),))
    assert len(await assert_twins(database)) == 1_500


async def test_a_full_queue_refuses_calls_at_once_and_counts_them(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 3)

    receipts = await asyncio.gather(
        *(tracker.track(user_id="u", content_type="chat", model="gpt-4o") for _ in range(5))
    )

    assert [receipt.status for receipt in receipts] == ["committed"] * 3 + ["dropped"] * 2
    assert receipts[4].errors == (Fault("", "the queue is full"),)
    assert tracker.counters.snapshot() == {"committed": 3, "dropped": 2}


async def test_a_fault_in_a_commit_opens_no_breaker_and_costs_no_call(
    tracker: Tracker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(tracker.writer._ledger, "commit", broken)
        first = await tracker.track(user_id="u", content_type="chat", model="gpt-4o")
        assert not tracker.writer.breaker.is_open
        (trouble,) = (await tracker.standing()).troubles
        assert (trouble.code, trouble.reason, trouble.count) == ("commit", "internal error: ZeroDivisionError", 1)
    after = await tracker.track(user_id="u", content_type="chat", model="gpt-4o")
    await delivered(tracker)

    assert (first.status, after.status) == ("spooled", "committed")
    assert (await tracker.standing()).troubles == []
    assert await assert_twins(database) == {first.id, after.id}


async def test_without_a_tracker_a_call_is_dropped_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "_open", ())  # an application of other tests may have one open
    receipt = await track_ai_request(user_id="u", content_type="chat", model="gpt-4o")

    assert receipt.status == "dropped"
    assert "async with tracking(" in receipt.errors[0].message


async def test_a_fault_of_our_own_never_reaches_the_caller(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Recorder, "record", broken)
    receipt = await tracker.track(user_id="u", content_type="chat", model="gpt-4o")

    assert (receipt.status, receipt.errors) == ("dropped", (Fault("", "internal error: ZeroDivisionError"),))
    assert tracker.counters.snapshot() == {"failed": 1}
