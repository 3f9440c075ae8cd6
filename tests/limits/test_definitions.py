"""Which limits apply to a call, in every process alike."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database, Session
from app.limits.defining.changes import remove_definitions
from app.limits.definitions import Definitions
from app.limits.meters import Applied, Caller, Purpose
from app.limits.plans import DEMO
from app.limits.rules import OF_WHOEVER
from app.limits.stored_definitions import OfSubject
from app.process import background
from models.limits import LimitFilter, LimitScope, Unit, Window
from tests.limits.defined import ANNA, CHAT, NOW, allowance, define, limit, plan, subscription, term
from tests.patience import patience

BERLIN = ZoneInfo("Europe/Berlin")
BOB = Caller("bob", "shop")


@pytest.fixture
async def definitions(database: Database) -> Definitions:
    return Definitions(database, BERLIN)


async def applied(
    definitions: Definitions, caller: Caller, purpose: Purpose | None = CHAT, at: datetime = NOW
) -> list[Applied]:
    if (found := definitions.applying(caller, purpose, at)) is None:
        await definitions.learn([caller], at)
        found = definitions.applying(caller, purpose, at)
    assert found is not None
    return sorted(found, key=lambda one: (one.limit.id, one.allowance))


async def amounts(definitions: Definitions, caller: Caller, *rest: Any) -> list[Decimal]:
    return sorted(one.allowance for one in await applied(definitions, caller, *rest))


async def test_without_definitions_nothing_applies_and_nobody_is_looked_up(definitions: Definitions) -> None:
    await definitions.refresh()

    assert definitions.none
    assert definitions.applying(ANNA, CHAT, NOW) == ()
    assert definitions.plan_of(ANNA) == (DEMO, None)


async def test_a_slow_mongodb_delays_the_first_look_and_does_not_fail_it(
    definitions: Definitions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(database, limit(1))
    monkeypatch.setattr("app.limits.definitions.QUERY_SECONDS", 0.0)

    await definitions.refresh()

    assert not definitions.none


async def test_of_each_limit_it_is_known_in_which_zone_it_is_counted(
    definitions: Definitions, database: Database
) -> None:
    await define(
        database,
        limit(1, timezone="Asia/Tokyo"),
        limit(2),
        plan("pro", allowance(3), allowance(4, Window.DAY)),
        subscription(term("pro", timezone="America/Lima")),
    )

    zones = {int(one.allowance): one.zone for one in await applied(definitions, ANNA)}

    assert zones == {1: "Asia/Tokyo", 2: "Europe/Berlin", 3: "America/Lima", 4: "America/Lima"}


async def test_a_call_is_bound_by_the_limits_of_everything_that_it_is_of(
    definitions: Definitions, database: Database
) -> None:
    scopes = [
        LimitScope(user_id="anna"),
        LimitScope(user_id="anna", client_id="shop"),
        LimitScope(client_id="shop"),
        LimitScope(key_id="k1"),
        LimitScope(campaign_id="spring"),
        LimitScope(feature="chat"),
        LimitScope(everyone=True),
        LimitScope(campaign_id="spring", client_id="shop"),
    ]
    await define(database, *(limit(n, scope=scope) for n, scope in enumerate(scopes)))
    others = [LimitScope(user_id="ann"), LimitScope(user_id="anna", client_id="bank"), LimitScope(feature="image")]
    others.append(LimitScope(campaign_id="spring", client_id="bank"))
    await define(database, *(limit(99, scope=scope) for scope in others))

    assert await amounts(definitions, Caller("anna", "shop", "k1", "spring")) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert await amounts(definitions, Caller("anna", "bank")) == [0, 5, 6, 99]
    assert await amounts(definitions, Caller("", "shop", "k1"), None) == [2, 3, 6]


async def test_a_limit_counts_in_the_period_of_its_zone(definitions: Definitions, database: Database) -> None:
    await define(database, limit(1), limit(2, timezone="UTC"))

    berlin, utc = sorted(await applied(definitions, ANNA), key=lambda one: one.allowance)

    assert berlin.counter.id == "user:anna|requests||day|2026-07-14T22:00:00Z|2026-07-15T22:00:00Z"
    assert utc.counter.id == "user:anna|requests||day|2026-07-15T00:00:00Z|2026-07-16T00:00:00Z"


async def test_a_limit_applies_to_calls_that_its_filter_matches(definitions: Definitions, database: Database) -> None:
    await define(database, limit(1, filter=LimitFilter(model="gpt-4o")), limit(2, filter=LimitFilter(feature="image")))

    assert await amounts(definitions, ANNA) == [1]
    assert await amounts(definitions, ANNA, CHAT._replace(model=None)) == []
    assert await amounts(definitions, ANNA, None) == [1, 2]


async def test_however_many_have_the_default_plan_little_is_kept_of_each_and_not_of_all(
    definitions: Definitions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.limits.definitions.MOST_ANSWERS", 10)
    monkeypatch.setattr("app.limits.subjects.MOST_DEFAULTS", 10)
    await define(database, plan("free", allowance(1), default=True))
    await definitions.refresh()

    found = [definitions.applying(Caller(f"u{number}", "shop"), CHAT, NOW) for number in range(25)]

    assert [[one.counter.meter.subject for one in each or ()] for each in found] == [[f"user:u{n}"] for n in range(25)]
    assert len({id(one.limit) for each in found for one in each or ()}) == 1
    assert max(len(definitions._subjects._defaults), len(definitions._answers)) <= 10


async def test_the_plan_is_the_users_else_the_clients_else_the_default(
    definitions: Definitions, database: Database
) -> None:
    free, team, pro = plan("free", allowance(1), default=True), plan("team", allowance(2)), plan("pro", allowance(3))
    of_shop = subscription(term("team"), scope=LimitScope(client_id="shop"))
    of_anna = subscription(term("pro"))
    await define(database, free, team, pro, of_shop, of_anna)
    elsewhere = Caller("carl", "bank")

    assert await amounts(definitions, elsewhere) == [1]
    assert await amounts(definitions, BOB) == [2]
    # what bounds a client bounds every call of it: else more than its plan allows would pass
    assert await amounts(definitions, ANNA) == [2, 3]
    assert definitions.plan_of(elsewhere, NOW) == (free, None)
    assert definitions.plan_of(BOB, NOW) == (team, of_shop)
    assert definitions.plan_of(ANNA, NOW) == (pro, of_anna)


async def test_allowances_are_limits_that_name_their_plan_and_subscription(
    definitions: Definitions, database: Database
) -> None:
    own = subscription(term("pro"))
    await define(database, plan("pro", allowance(3)), plan("free", allowance(1), default=True), own)

    (of_plan,) = await applied(definitions, ANNA)
    (of_default,) = await applied(definitions, BOB)

    assert (of_plan.limit.id, of_plan.limit.scope) == ("pro@1#1", LimitScope(subscription=own.id))
    assert of_plan.counter.id == "user:anna|requests||period|2026-07-10T00:00:00Z|2026-08-10T00:00:00Z"
    assert (of_default.limit.id, of_default.limit.scope) == ("free@1#1", OF_WHOEVER)
    assert of_default.counter.id == "user:bob|requests||period|2026-06-30T22:00:00Z|2026-07-31T22:00:00Z"


async def test_a_scheduled_change_and_an_end_hold_from_their_moment_on(
    definitions: Definitions, database: Database
) -> None:
    renewal = datetime(2026, 8, 10, tzinfo=UTC)
    end = renewal + timedelta(days=1)
    terms = term("pro"), term("free", since=renewal)
    await define(database, plan("pro", allowance(9)), plan("free", allowance(1)), subscription(*terms, ended_at=end))
    tick = timedelta(milliseconds=1)

    found = [await amounts(definitions, ANNA, CHAT, at) for at in (NOW, renewal - tick, renewal, end - tick, end)]

    assert found == [[9], [9], [1], [1], []]


async def test_a_limit_beside_a_plan_counts_in_its_period_as_long_as_it_lasts(
    definitions: Definitions, database: Database
) -> None:
    own = subscription(term("pro"), ended_at=NOW + timedelta(hours=1))
    beside = limit(5, Window.PERIOD, scope=LimitScope(subscription=own.id))
    await define(database, plan("pro"), own)
    await database.writes["limits"].insert_one({**beside.stored(), "subject": "user:anna", "changed": 1})
    await definitions.refresh()

    (found,) = await applied(definitions, ANNA)

    assert (found.allowance, found.counter.period.start) == (Decimal(5), datetime(2026, 7, 10, tzinfo=UTC))
    assert await amounts(definitions, ANNA, CHAT, NOW + timedelta(hours=1)) == []


async def test_a_change_is_in_force_in_every_process_with_its_next_look(database: Database) -> None:
    here, there = Definitions(database, BERLIN), Definitions(database, BERLIN)
    first, of_all = limit(10), limit(20, scope=LimitScope(everyone=True))
    await define(database, first, of_all)
    assert await amounts(here, ANNA) == await amounts(there, ANNA) == [10, 20]

    await define(database, first.model_copy(update={"amount": Decimal(11)}))
    await define(database, of_all.model_copy(update={"ended_at": NOW - timedelta(days=1)}))
    await define(database, limit(30, scope=LimitScope(client_id="shop")))
    await there.refresh()

    assert await amounts(here, ANNA) == [10, 20]
    assert await amounts(there, ANNA) == [11, 30]


async def test_a_user_who_was_met_costs_no_query_and_one_who_was_not_is_looked_up_alone(
    definitions: Definitions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []
    of = definitions._stored.of

    async def counted(subjects: Mapping[str, Any] | Iterable[str]) -> dict[str, OfSubject]:
        asked.append(set(subjects))
        return await of(subjects)

    await define(database, limit(10), plan("free", allowance(5)))
    await define(database, *(subscription(term("free"), scope=LimitScope(user_id=f"u{n}")) for n in range(20)))
    await definitions.refresh()
    monkeypatch.setattr(definitions._stored, "of", counted)

    assert await amounts(definitions, ANNA) == [10]
    assert await amounts(definitions, Caller("u7", "shop")) == [5]
    await definitions.refresh()
    assert await amounts(definitions, ANNA) == [10]
    await define(database, limit(20))
    await definitions.refresh()
    assert await amounts(definitions, ANNA) == [10, 20]
    assert await amounts(definitions, Caller("u7", "shop")) == [5]
    assert asked == [{"user:anna", "user:anna@shop"}, {"user:u7", "user:u7@shop"}, {"user:anna"}]


async def test_what_changes_while_a_user_is_looked_up_is_not_missed(
    definitions: Definitions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(database, limit(10))
    await definitions.refresh()
    of = definitions._stored.of

    async def overtaken(subjects: Iterable[str]) -> dict[str, OfSubject]:
        found = await of(subjects)
        monkeypatch.setattr(definitions._stored, "of", of)
        await define(database, limit(20))
        await definitions.refresh()
        return found

    monkeypatch.setattr(definitions._stored, "of", overtaken)

    assert await amounts(definitions, ANNA) == [10, 20]


async def test_a_look_that_began_before_a_change_and_ends_after_the_next_one_takes_nothing_back(
    definitions: Definitions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(database, limit(1, scope=LimitScope(everyone=True)))
    looked, go_on = asyncio.Event(), asyncio.Event()
    users = definitions._stored.users

    async def slow() -> bool:
        found = await users()
        if not looked.is_set():
            looked.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(definitions._stored, "users", slow)
    early = asyncio.create_task(definitions.refresh())
    await looked.wait()
    await define(database, limit(2, scope=LimitScope(user_id=ANNA.user_id)))
    late = asyncio.create_task(definitions.refresh())
    await asyncio.wait({late}, timeout=0.2)  # it would end first, if nothing kept it
    go_on.set()
    await asyncio.gather(early, late)

    assert await amounts(definitions, ANNA) == [1, 2]


async def test_what_is_damaged_applies_to_nothing_and_harms_nothing_else(
    definitions: Definitions, database: Database
) -> None:
    await define(database, limit(10), limit(20))
    await database.writes["limits"].update_one({"amount": {"$gt": 15}}, {"$set": {"window": "fortnight"}})

    assert await amounts(definitions, ANNA) == [10]


async def test_amounts_are_exact(definitions: Definitions, database: Database) -> None:
    await define(database, limit("0.000000000000001", unit=Unit.USD), limit("999999999.123456789", unit=Unit.USD))

    assert await amounts(definitions, ANNA) == [Decimal("0.000000000000001"), Decimal("999999999.123456789")]


async def test_the_answer_for_a_period_stays_the_same_object(definitions: Definitions, database: Database) -> None:
    await define(database, limit(10), limit(5, Window.MINUTE))
    await definitions.learn([ANNA], NOW)

    first = definitions.applying(ANNA, CHAT, NOW)

    assert definitions.applying(ANNA, CHAT, NOW + timedelta(seconds=59)) is first
    later = definitions.applying(ANNA, CHAT, NOW + timedelta(seconds=60))
    assert first is not None
    assert later is not None
    assert {one.limit.window: one in first for one in later} == {Window.DAY: True, Window.MINUTE: False}


async def test_what_was_removed_is_forgotten(definitions: Definitions, database: Database) -> None:
    await define(database, limit(10), limit(20, scope=LimitScope(client_id="shop")))
    assert await amounts(definitions, ANNA) == [10, 20]

    await remove_definitions(database, deletion(database))
    await definitions.refresh()

    assert definitions.none
    assert await amounts(definitions, ANNA) == []


async def test_what_was_removed_is_forgotten_also_where_something_else_changed_since(
    definitions: Definitions, database: Database
) -> None:
    await define(database, limit(10), limit(20, scope=LimitScope(client_id="shop")))
    assert await amounts(definitions, ANNA) == [10, 20]

    await remove_definitions(database, deletion(database))
    await define(database, limit(30, scope=LimitScope(everyone=True)))
    await definitions.refresh()

    assert await amounts(definitions, ANNA) == [30]


def deletion(database: Database) -> Callable[[Session | None], Awaitable[None]]:
    async def delete(session: Session | None) -> None:
        await database.writes["limits"].delete_many({}, session=session)

    return delete


async def test_a_change_is_followed_without_anybodys_help(database: Database) -> None:
    definitions = Definitions(database, BERLIN)
    await definitions.refresh()
    seen = asyncio.Event()
    refresh = definitions.refresh

    async def watched() -> None:
        await refresh()
        if not definitions.none:
            seen.set()

    definitions.refresh = watched  # type: ignore[method-assign]
    async with background(definitions.keep_fresh(), "limits"):
        await define(database, limit(10))
        await asyncio.wait_for(seen.wait(), patience(10))

    assert await amounts(definitions, ANNA) == [10]
