"""Counters are made when they are needed, and say what the ledger does."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.database import Database
from app.ledger.ledger import Ledger
from app.ledger.recording import Recorder
from app.limits.counting.counters import Counters
from app.limits.meters import CounterKey, Meter
from app.rollups.local_time import LocalTime
from app.settings import Settings
from models.call import AICall
from models.counters import COUNTERS, FOLD, STATE, UNCOUNTED
from models.limits import NEVER, LimitFilter, Period, Unit, Window
from models.money import to_decimal
from models.subjects import campaign_subject, subject_of, user_subject
from tests.pricing.test_costs import Book

NOW = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
DAY = Period(NOW.replace(hour=0, minute=0), NOW.replace(hour=0, minute=0) + timedelta(days=1))
LIFETIME = Period(datetime(2000, 1, 1, tzinfo=UTC), NEVER)
CHAT: dict[str, Any] = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 100}
COST = Decimal("0.0035")


async def record(database: Database, *calls: dict[str, Any], key_id: str | None = None) -> None:
    """Commit calls in one transaction."""
    recorder = Recorder.of(Settings(_env_file=None), Book())
    pairs = [recorder.record(AICall(**{"user_id": "u1", **CHAT, **call}), NOW, key_id=key_id).pair for call in calls]
    async with database.committer_session() as session:
        await Ledger(database, session, LocalTime(ZoneInfo("UTC"))).commit(pairs, seconds=30)


def counter(subject: str, unit: Unit = Unit.REQUESTS, period: Period = DAY, **filter_: Any) -> CounterKey:
    window = Window.LIFETIME if period is LIFETIME else Window.DAY
    return CounterKey(Meter(subject, unit, LimitFilter(**filter_), window), period)


async def used(database: Database, key: CounterKey) -> Decimal:
    stored = await database.writes[COUNTERS].find_one({"_id": key.id})
    assert stored is not None
    assert "counting" not in stored
    return to_decimal(stored["used"])


async def counted(database: Database) -> None:
    """As a fold leaves it that has counted everything."""
    await database.writes[UNCOUNTED].delete_many({})


async def test_a_new_counter_says_what_the_ledger_does(database: Database) -> None:
    await record(
        database,
        {},
        {"success": False},
        {"cached": True},
        {"synthetic": True},
        {"client_id": "shop", "campaign_id": "spring"},
        {"created_at": NOW - timedelta(days=1)},
        {"user_id": "u2"},
        {
            "content_type": "image-generation",
            "model": "dall-e-3",
            "images": 3,
            "input_tokens": None,
            "output_tokens": None,
        },
        {"content_type": "audio", "model": "whisper-1", "audio_seconds": Decimal("1.5")},
    )
    await record(database, {"client_id": "shop"}, key_id="k1")
    await counted(database)
    u1 = user_subject("u1")
    expected = {
        counter(u1): 7,
        counter(u1, Unit.REQUESTS, LIFETIME): 8,
        counter(user_subject("u1", "shop")): 2,
        counter(u1, Unit.USD, model="gpt-4o"): COST * 4,
        counter(u1, Unit.TOKENS, model="gpt-4o"): 1_100 * 5,
        counter(u1, Unit.IMAGES): 3,
        counter(u1, Unit.SECONDS): Decimal("1.5"),
        counter(u1, Unit.REQUESTS, service_type="image"): 1,
        counter(user_subject("nobody")): 0,
        counter(subject_of("client", "shop")): 2,
        counter(subject_of("key", "k1")): 1,
        counter(subject_of("campaign", "spring"), Unit.USD): COST,
        counter(campaign_subject("spring", "shop"), Unit.USD): COST,
        counter(campaign_subject("spring", "default"), Unit.USD): 0,
        counter(subject_of("feature", "chat"), Unit.REQUESTS, model="gpt-4o"): 6,
        counter("everyone", Unit.USD, feature="chat"): COST * 5,
        counter(u1, Unit.CONCURRENT, LIFETIME): 0,
    }

    await Counters(database).ensure(expected)

    assert {key: await used(database, key) for key in expected} == expected


async def test_what_is_not_counted_yet_is_not_in_a_new_counter_unless_its_fold_has_begun(database: Database) -> None:
    await record(database, {}, {})
    (waiting,) = await database.writes[UNCOUNTED].find().to_list(None)
    await record(database, {})
    state = database.writes[STATE]
    await state.insert_one({"_id": FOLD, "fold": 4, "calls": [waiting["_id"]]})
    key = counter(user_subject("u1"))

    await Counters(database).ensure([key])

    stored = await database.writes[COUNTERS].find_one({"_id": key.id})
    assert stored is not None
    assert (stored["used"], stored["fold"], stored["recounts"]) == (2, 4, 1)


async def test_a_counter_is_counted_once_however_many_need_it(database: Database) -> None:
    await record(database, *[{}] * 10)
    await counted(database)
    keys = [counter(user_subject("u1")), counter(user_subject("u1"), Unit.USD), counter("everyone")]
    every = [Counters(database) for _ in range(4)]

    await asyncio.gather(*(each.ensure(keys) for each in every for _ in range(3)))

    assert [await used(database, key) for key in keys] == [10, COST * 10, 10]
    assert {each["recounts"] async for each in database.writes[COUNTERS].find()} == {1}


async def test_a_recount_mends_a_counter_and_what_is_counted_meanwhile_stays(database: Database) -> None:
    await record(database, *[{}] * 10)
    await counted(database)
    key = counter(user_subject("u1"), Unit.USD)
    counters = Counters(database)
    await counters.ensure([key])
    await database.writes[COUNTERS].update_one({"_id": key.id}, {"$inc": {"used": 5}})

    (found,) = counters.mend({"_id": key.id})
    assert (found.difference, await used(database, key)) == (-5 * 10**15, COST * 10)
    (found,) = counters.mend({"_id": key.id})
    assert found.difference == 0


async def test_counters_of_short_windows_expire(database: Database) -> None:
    minute = Period(NOW, NOW + timedelta(minutes=1))
    key = CounterKey(Meter("everyone", Unit.REQUESTS, LimitFilter(), Window.MINUTE), minute)
    await Counters(database).ensure([key, counter("everyone")])
    expiring = await database.writes[COUNTERS].find({"expireAt": {"$exists": True}}).to_list(None)
    assert [(each["_id"], each["expireAt"]) for each in expiring] == [(key.id, NOW + timedelta(hours=1, minutes=1))]
