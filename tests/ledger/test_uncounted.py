"""What a transaction on the ledger adds to what limits count."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bson import Decimal128

from app.database import Database
from app.ledger.ledger import Ledger
from app.ledger.recording import Recorder
from app.ledger.uncounted import Tally, uncounted_of
from app.rollups.local_time import LocalTime
from app.settings import Settings
from models.call import AICall
from models.counters import UNCOUNTED
from models.money import to_decimal
from tests.pricing.test_costs import Book
from tests.twins import entries

NOW = datetime(2026, 7, 1, 12, 30, 59, 900_000, tzinfo=UTC)
CHAT = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 100}
IMAGE = {"content_type": "image-generation", "model": "dall-e-3", "images": 2}


def recorder() -> Recorder:
    return Recorder.of(Settings(_env_file=None), Book())


def summed(document: dict[str, Any], **where: Any) -> tuple[int, int, Decimal, int, Decimal]:
    requests = tokens = images = 0
    usd = seconds = Decimal(0)
    for group in document["groups"]:
        if any(group.get(name) != value for name, value in where.items()):
            continue
        requests, tokens = requests + sum(group["requests"]), tokens + sum(group["tokens"])
        usd += sum(map(to_decimal, group["usd"]))
        images += sum(group.get("images", ()))
        seconds += sum(map(to_decimal, group.get("seconds", ())))
    return requests, tokens, usd, images, seconds


def test_calls_are_summed_by_what_limits_tell_apart() -> None:
    record = recorder().record
    calls: list[tuple[dict[str, Any], str | None]] = [
        *[({"user_id": "u1", **CHAT}, "k1")] * 4,
        ({"user_id": "u2", **CHAT}, "k1"),
        ({"user_id": "u2", **CHAT, "campaign_id": "spring"}, None),
        ({"user_id": "u2", **CHAT, "created_at": NOW - timedelta(minutes=1)}, None),
        ({"user_id": "u1", **IMAGE}, None),
        ({"user_id": "u1", "content_type": "audio", "model": "whisper-1", "audio_seconds": Decimal("1.5")}, None),
        ({"user_id": "u1", **CHAT, "synthetic": True}, None),
        ({"user_id": "u1", **CHAT, "success": False, "cached": True}, None),
    ]
    pairs = [record(AICall(**call), NOW, key_id=key).pair for call, key in calls]

    found = uncounted_of(pairs)

    assert found is not None
    assert len(found["groups"]) == 6
    counted = [pair.entry for pair in pairs if not pair.entry["synthetic"]]
    cost = sum((to_decimal(entry["cost"]) for entry in counted), Decimal(0))
    assert summed(found) == (10, 8 * 1_100, cost, 2, Decimal("1.5"))
    by_key = next(group for group in found["groups"] if group.get("keyId"))
    assert (by_key["users"], by_key["requests"], by_key["tokens"]) == (["u1", "u2"], [4, 1], [4_400, 1_100])
    assert by_key["usd"] == [Decimal128("0.014000000000000"), Decimal128("0.003500000000000")]
    assert by_key["minute"] == datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    assert summed(found, campaignId="spring")[0] == 1


def test_what_is_changed_takes_out_what_it_counted_and_adds_what_it_does() -> None:
    entry = recorder().record(AICall(user_id="u1", **CHAT), NOW).pair.entry
    tally = Tally()
    tally.add_entry(entry, -1)
    tally.add_entry({**entry, "cost": Decimal128("0.000000000000001")})

    found = tally.document()

    assert found is not None
    assert summed(found) == (0, 0, Decimal("0.000000000000001") - Decimal("0.0035"), 0, Decimal(0))


def test_what_is_taken_out_again_or_synthetic_counts_nothing() -> None:
    entry = recorder().record(AICall(user_id="u1", **CHAT), NOW).pair.entry
    tally = Tally()
    tally.add_entry(entry)
    tally.add_entry(entry, -1)
    tally.add_entry({**entry, "synthetic": True})
    assert tally.document() is None


async def test_the_ledger_writes_it_with_the_calls_and_not_for_those_that_are_there_already(
    database: Database,
) -> None:
    record = recorder().record
    named = AICall(user_id="u1", request_id="r1", **CHAT)
    async with database.committer_session() as session:
        ledger = Ledger(database, session, LocalTime(ZoneInfo("UTC")))
        for _ in range(2):
            pairs = [record(named, NOW).pair, *(record(AICall(user_id="u2", **CHAT), NOW).pair for _ in range(3))]
            await ledger.commit(pairs, seconds=10)

    first, second = await database.writes[UNCOUNTED].find().sort("at").to_list(None)
    assert (summed(first)[:2], summed(second)[:2]) == ((4, 4_400), (3, 3_300))
    assert len(await entries(database)) == 7
