"""Alerts are recorded once, with their messages."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from app.alerts.alerts import Alerts, made
from app.alerts.measures import Measures
from app.database import Database
from app.observability.metrics import Counters
from app.observability.troubles import Troubles
from app.settings import Settings
from models.alerts import ALERTS, BEYOND, DELIVERIES, AlertKind, Crossing, DeliveryState, EndpointKind
from models.limits import Interval, LimitScope
from models.plans import SUBSCRIPTIONS, Subscription, Term
from tests.alerts.scene import DAY, NOON, Clock, crossing, limit, webhook

URL = "https://hooks.example/hook"


async def _stored(database: Database) -> tuple[list[Any], list[Any]]:
    """Thresholds of alerts, and those of the alerts that messages are about."""
    alerts = {each["_id"]: each async for each in database.reads[ALERTS].find()}
    messages = [alerts[each["alert"]]["threshold"] async for each in database.reads[DELIVERIES].find()]
    return sorted(each["threshold"] for each in alerts.values()), sorted(messages)


async def test_several_thresholds_at_once_are_one_message_about_the_highest(alerts: Alerts, database: Database) -> None:
    await webhook(alerts, URL)
    await alerts.on_crossed([crossing(80, 10), crossing(90, 10), crossing(100, 10)])
    assert await _stored(database) == ([80, 90, 100], [100])


async def test_repeated_crossings_change_nothing(alerts: Alerts, database: Database, clock: Clock) -> None:
    await webhook(alerts, URL)
    for used in (8, 9):
        await alerts.on_crossed([crossing(80, used)])
        clock.go_on(hours=1)
    assert await _stored(database) == ([80], [80])
    (stored,) = [each async for each in database.reads[ALERTS].find()]
    assert stored["at"] == NOON
    assert stored["used"].to_decimal() == 8


async def test_the_next_threshold_is_told_by_itself_and_a_late_lower_one_is_not(
    alerts: Alerts, database: Database
) -> None:
    await webhook(alerts, URL)
    await alerts.on_crossed([crossing(90, 9)])
    await alerts.on_crossed([crossing(80, 9)])
    await alerts.on_crossed([crossing(100, 10)])
    await alerts.on_crossed([crossing(BEYOND, 11), crossing(110, 11)])
    assert await _stored(database) == ([80, 90, 100, BEYOND, 110], [90, 100, 110])


async def test_a_new_period_and_a_raised_limit_are_told_again(alerts: Alerts, database: Database) -> None:
    await webhook(alerts, URL)
    raised = limit(generation=2)
    await alerts.on_crossed([crossing(80, 8), crossing(80, 8, raised), crossing(80, 8, period_start=NOON)])
    assert await _stored(database) == ([80, 80, 80], [80, 80, 80])


async def test_many_processes_record_one_alert_and_one_message(
    settings: Settings, database: Database, clock: Clock
) -> None:
    """Each sees another part of the crossings, in another order."""
    of_one: list[list[Crossing]] = [
        [crossing(80, 10), crossing(90, 10), crossing(100, 10)],
        [crossing(100, 10), crossing(80, 10)],
        [crossing(90, 10), crossing(80, 10), crossing(100, 10)],
    ]

    async def process(number: int) -> None:
        async with made(settings, database, Measures(database, Counters(), Troubles()), clock=clock) as alerts:
            for user in range(5):
                mine = [each._replace(subject=f"user:{user}", user_id=str(user)) for each in of_one[number % 3]]
                await alerts.on_crossed(mine)

    async with made(settings, database, Measures(database, Counters(), Troubles()), clock=clock) as alerts:
        await webhook(alerts, URL)
    await asyncio.gather(*(process(number) for number in range(6)))
    assert await _stored(database) == (sorted([80, 90, 100] * 5), [100] * 5)


async def test_where_messages_cannot_be_stored_neither_is_the_alert(
    alerts: Alerts, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both or none: what recorded the one alone would never tell it."""
    await webhook(alerts, URL)
    monkeypatch.setattr("app.alerts.recording.RACING_SECONDS", 0)
    await database.writes.command("collMod", DELIVERIES, validator={"never": True})
    try:
        with pytest.raises(OperationFailure):
            await alerts.on_crossed([crossing(80, 8)])
    finally:
        await database.writes.command("collMod", DELIVERIES, validator={})
    assert await _stored(database) == ([], [])
    await alerts.on_crossed([crossing(80, 8)])
    assert await _stored(database) == ([80], [80])


@pytest.mark.parametrize("scope", [LimitScope(user_id="u1"), LimitScope(user_id="u1", client_id="shop")])
async def test_a_user_who_wants_no_messages_has_the_record_all_the_same(
    scope: LimitScope, alerts: Alerts, database: Database
) -> None:
    term = Term(since=DAY, plan="p", version=1, anchor=DAY.date(), interval=Interval.MONTH, timezone="UTC")
    subscription = Subscription(
        id="s1", scope=scope, terms=(term,), usage_alerts_enabled=False, created_at=DAY, created_by="r"
    )
    await database.writes[SUBSCRIPTIONS].insert_one(subscription.stored())
    await webhook(alerts, URL)
    await alerts.on_crossed([crossing(80, 8, client_id="shop"), crossing(80, 8, subject="user:u2", user_id="u2")])
    stored = {each["userId"]: each["silenced"] async for each in database.reads[ALERTS].find()}
    assert stored == {"u1": True, "u2": False}
    assert [each["userId"] async for each in database.reads[DELIVERIES].find()] == ["u2"]


async def test_endpoints_are_told_what_they_want_of_their_client(alerts: Alerts, database: Database) -> None:
    everything, _ = await webhook(alerts, URL)
    of_shop, _ = await webhook(alerts, URL, client="shop")
    reached, _ = await webhook(alerts, URL, kinds=[AlertKind.LIMIT_REACHED])
    off, _ = await webhook(alerts, URL)
    await alerts.endpoints.change(off.id, None, on=False)
    await alerts.on_crossed([crossing(80, 8)])
    await alerts.on_crossed([crossing(100, 10, subject="user:u2", user_id="u2", client_id="shop")])
    told: dict[str, list[str]] = {}
    async for each in database.reads[DELIVERIES].find():
        told.setdefault(each["endpoint"], []).append(each["kind"])
    assert {name: sorted(kinds) for name, kinds in told.items()} == {
        everything.id: ["limit.reached", "limit.warning"],
        of_shop.id: ["limit.reached"],
        reached.id: ["limit.reached"],
    }


async def test_what_is_unusual_is_raised_once_by_its_key(
    alerts: Alerts, database: Database, counters: Counters
) -> None:
    await webhook(alerts, URL)
    for key in ("day|2026-11-30", "day|2026-11-30", "day|2026-12-01"):
        await alerts.raise_(AlertKind.SPENDING_COST, key, {"text": "twice the usual", "lines": ["Cost: $8"]})
    assert await database.reads[ALERTS].count_documents({}) == 2
    assert await database.reads[DELIVERIES].count_documents({"state": DeliveryState.PENDING.value}) == 2
    assert b'twinmeter_alerts_total{kind="spending.cost"} 2.0' in counters.exposition()


async def test_more_alerts_than_fit_into_one_transaction(alerts: Alerts, database: Database) -> None:
    many = [crossing(80, 8, subject=f"user:{number}", user_id=str(number)) for number in range(230)]
    await alerts.on_crossed(many)
    assert await database.reads[ALERTS].count_documents({}) == 230


async def test_people_are_told_a_few_a_minute_and_that_there_are_more_and_programs_all(
    alerts: Alerts, database: Database, clock: Clock
) -> None:
    hook, _ = await webhook(alerts, URL)
    chat, _ = await alerts.endpoints.create(kind=EndpointKind.SLACK, name="chat", url=URL, client=None, by="root")

    async def told(endpoint: str) -> list[str]:
        found = database.reads[DELIVERIES].find({"endpoint": endpoint, "createdAt": clock()})
        return sorted([each["kind"] async for each in found])

    def many(first: int, count: int) -> list[Crossing]:
        numbers = range(first, first + count)
        return [crossing(80, 8, subject=f"user:{number}", user_id=str(number)) for number in numbers]

    await alerts.on_crossed(many(0, 15))
    await alerts.on_crossed(many(15, 215))
    await alerts.on_crossed(many(230, 1))
    assert await told(hook.id) == ["limit.warning"] * 231
    assert await told(chat.id) == ["alerts.more"] + ["limit.warning"] * 20
    assert await database.reads[ALERTS].count_documents({}) == 232
    more = await database.reads[ALERTS].find_one({"kind": "alerts.more"})
    assert more is not None
    assert more["text"] == (
        "There are more alerts in the minute from 12:00 UTC than the 20 that are told one by one: "
        "the page Alerts lists all."
    )
    clock.go_on(seconds=60)
    await alerts.on_crossed(many(231, 1))
    assert await told(chat.id) == ["limit.warning"]


async def test_processes_that_have_more_at_once_say_so_once(alerts: Alerts, database: Database) -> None:
    await alerts.endpoints.create(kind=EndpointKind.SLACK, name="chat", url=URL, client=None, by="root")
    numbers = [range(first, first + 25) for first in range(0, 100, 25)]
    parts = [[crossing(80, 8, subject=f"user:{each}", user_id=str(each)) for each in part] for part in numbers]
    await asyncio.gather(*(alerts.on_crossed(part) for part in parts))
    told = Counter([each["kind"] async for each in database.reads[DELIVERIES].find()])
    assert told == {"limit.warning": 20, "alerts.more": 1}
    assert await database.reads[ALERTS].count_documents({}) == 101


async def test_each_address_of_an_email_endpoint_is_told_the_same(
    settings: Settings, database: Database, clock: Clock
) -> None:
    own = settings.model_copy(update={"smtp_host": "127.0.0.1"})
    async with made(own, database, Measures(database, Counters(), Troubles()), clock=clock) as alerts:
        addresses = ["a@shop.example", "b@shop.example"]
        await alerts.endpoints.create(kind=EndpointKind.EMAIL, name="mail", addresses=addresses, client=None, by="root")
        for first in (0, 12):
            numbers = range(first, first + 12)
            await alerts.on_crossed([crossing(80, 8, subject=f"user:{each}", user_id=str(each)) for each in numbers])
    found = [(each["recipient"], each["kind"]) async for each in database.reads[DELIVERIES].find()]
    expected = [*["limit.warning"] * 20, "alerts.more"]
    assert Counter(found) == Counter((address, kind) for address in addresses for kind in expected)
