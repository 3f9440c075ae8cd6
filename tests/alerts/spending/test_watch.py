"""The watch finds what is unusual in the cells and in what is not merged yet, and has it told once."""

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.alerts.alerts import Alerts
from app.alerts.spending.unpriced import MOST
from app.database import Database
from app.settings import Settings
from app.tracking import Tracker
from models.alerts import DELIVERIES, AlertKind
from models.rollups import STATE
from tests.alerts.scene import Clock, webhook
from tests.alerts.spending.scene import NOW, WEEK, told, track, watch, weeks

BLOG: Mapping[str, Any] = {"client_id": "blog", "user_id": "bob", "content_type": "embedding", "model": "gpt-4o-mini"}


async def test_an_unusual_day_says_its_range_and_who_drove_it(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    await webhook(alerts, "https://hooks.example/hook")
    await weeks(tracker, "2")
    await weeks(tracker, "1", **BLOG)
    await track(tracker, "2.5")
    await track(tracker, "30.000000000000001", **BLOG)
    linked = settings.model_copy(update={"public_url": "https://meter.example"})
    await watch(database, linked, alerts).look()
    of_all, of_blog = await told(database)
    assert of_all["text"] == (
        "All clients spent $32.50 on Monday 2026-06-15 (UTC) so far. Usual by 11:00 is $3.00, and up to $13.00."
    )
    feature = next(line for line in of_all["lines"] if line.startswith("Feature"))
    assert of_all["lines"] == [
        "Cost: $32.50",
        "Usual range: up to $13.00; the middle of 8 Mondays is $3.00",
        "Model: gpt-4o-mini, $30.00, usually $1.00",
        feature,
        "User: bob, $30.00, usually $1.00 on the whole day",
        "Look: https://meter.example/admin?from=2026-06-15&to=2026-06-15",
    ]
    assert of_blog["clientId"] == "blog"
    assert of_blog["text"].startswith("Client blog spent $30.00 on Monday")
    assert of_blog["lines"][-1].endswith("&clientId=blog")
    data = json.loads(of_blog["body"], parse_float=Decimal)["data"]
    assert (data["cost"], data["usual"], data["upper"]) == (Decimal("30.000000000000001"), 1, 11)
    assert data["drivers"]["user"] == {"name": "bob", "cost": Decimal("30.000000000000001"), "usual": 1}
    assert await database.reads[DELIVERIES].count_documents({}) == 2


async def test_it_is_told_once_for_a_day_whoever_looks(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    await weeks(tracker, "1")
    await track(tracker, "20")
    first, second = (watch(database, settings, alerts) for _ in range(2))
    await first.look()
    await track(tracker, "20")
    await first.look()
    await second.look()  # has no lease
    await database.writes[STATE].delete_one({"_id": "spending"})
    await second.look()
    (alert,) = await told(database)  # one client alone: everyone would be the same
    assert alert["clientId"] == "shop"


async def test_an_hour_is_told_where_the_day_is_as_usual(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    for back in range(9):
        await track(tracker, "20", NOW - back * WEEK - timedelta(hours=4))
    await weeks(tracker, "1")
    await track(tracker, "15")
    await watch(database, settings, alerts).look()
    (alert,) = await told(database)
    assert alert["text"] == (
        "Client shop spent $15.00 from 10:00 to 11:00 on Monday 2026-06-15 (UTC) so far. "
        "Usual is $1.00, and up to $11.00."
    )


async def test_an_hour_that_was_told_is_not_told_again_as_its_day_until_more_is_unusual(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    for back in range(9):
        await track(tracker, "20", NOW - back * WEEK - timedelta(hours=4))
    await weeks(tracker, "1")
    await track(tracker, "15")
    await watch(database, settings, alerts).look()
    for hours, cost, expected in ((2, "10", 1), (4, "12", 2)):  # 45 and 57 USD; 42 are usual at most, and 14 were told
        at = NOW + timedelta(hours=hours)
        await track(tracker, cost, at)
        await database.writes[STATE].delete_one({"_id": "spending"})  # the lease, so that another one looks at once
        await watch(database, settings, alerts, at).look()
        assert len(await told(database)) == expected
    _, day = await told(database)
    assert day["text"].startswith("Client shop spent $57.00 on Monday 2026-06-15 (UTC) so far.")


async def test_the_last_seconds_of_an_hour_are_looked_at_in_the_next(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    for back in range(9):
        await track(tracker, "20", NOW - back * WEEK - timedelta(hours=4))
    await weeks(tracker, "1")
    await track(tracker, "15")
    await watch(database, settings, alerts, NOW + timedelta(minutes=36)).look()
    assert await told(database) == []
    await database.writes[STATE].delete_one({"_id": "spending"})  # the lease, so that another one looks at once
    await watch(database, settings, alerts, NOW + timedelta(minutes=34)).look()
    assert len(await told(database)) == 1


async def test_demo_calls_old_days_and_the_usual_raise_nothing(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    await weeks(tracker, "1")
    await track(tracker, "10")  # within the floor
    await track(tracker, "1000", synthetic=True)
    await track(tracker, "1000", NOW - timedelta(days=1))  # an import of what is over
    await watch(database, settings, alerts).look()
    assert await told(database) == []


async def test_nothing_is_judged_without_history_enough(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    await weeks(tracker, "1", 3)
    await track(tracker, "1000")
    await watch(database, settings, alerts).look()
    assert await told(database) == []


async def test_a_model_without_a_price_and_an_unknown_content_type_are_told_once(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    for _ in range(2):
        await track_unpriced(tracker, "new-model")
    await track(tracker, "1", content_type="poem")
    await watch(database, settings, alerts).look()
    await watch(database, settings, alerts, NOW + timedelta(hours=1)).look()
    unpriced, unmapped = await told(database)
    assert unmapped["text"] == "Calls of the content type poem are counted as a feature of that name: it is not mapped."
    assert unpriced["text"] == "Calls of new-model by openai have no price: what they cost is not counted."
    assert unpriced["lines"] == ["Calls without a price on 2026-06-15: 2", "Why: model unknown"]


async def test_made_up_names_do_not_flood_anybody(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    for number in range(MOST + 5):
        await track_unpriced(tracker, f"model-{number:02}")
    looking = watch(database, settings, alerts)
    await looking.look()
    assert len(await told(database)) == MOST + 1
    await track_unpriced(tracker, "a-model")
    await looking.look()
    assert len(await told(database)) == MOST + 1


async def track_unpriced(tracker: Tracker, model: str) -> None:
    receipt = await tracker.track(
        user_id="anna",
        client_id="shop",
        content_type="chat",
        provider="openai",
        model=model,
        input_tokens=10,
        output_tokens=10,
        created_at=NOW,
    )
    assert receipt.status == "committed"


async def test_what_is_muted_is_told_when_that_ends(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts, clock: Clock
) -> None:
    await track_unpriced(tracker, "one")
    await track_unpriced(tracker, "two")
    clock.at = NOW - timedelta(minutes=10)
    add = alerts.mutes.add
    mute: Mapping[str, Any] = {"client": None, "provider": "openai", "by": "root"}
    await add(AlertKind.SPENDING_UNPRICED, NOW + timedelta(minutes=5), model="one", **mute)
    await add(AlertKind.SPENDING_UNPRICED, NOW, model="two", **mute)  # ends as it is looked
    await add(AlertKind.SPENDING_ERRORS, NOW + timedelta(minutes=5), model="two", **mute)
    looking = watch(database, settings, alerts)
    await looking.look()
    assert [each["text"][:12] for each in await told(database)] == ["Calls of two"]
    looking._clock = lambda: NOW + timedelta(minutes=5)
    await looking.look()
    assert [each["text"][:12] for each in await told(database)] == ["Calls of one", "Calls of two"]
