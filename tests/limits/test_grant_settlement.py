"""Grants: what they give in which period, and what of them is left in later ones."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from bson import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from app.database import Database
from app.limits.answers import LimitsUnavailableError
from app.limits.defining.grants import GrantBook
from app.limits.definitions import Definitions
from app.limits.grant_settlement import Settlement, periods_from
from app.limits.limits import Limits
from app.limits.meters import CounterKey, Meter
from app.limits.periods import period_of
from app.limits.rules import is_active
from models.counters import COUNTERS
from models.limits import LimitFilter, Period, Unit, Window
from models.plans import GRANTS, Grant, GrantKind
from tests.limits.counting.test_counters import record
from tests.limits.defined import ANNA, CHAT, NOW, allowance, define, grant, limit, plan, subscription, term

UTC_ZONE = ZoneInfo("UTC")
TOP_UP, CARRY_OVER, OVERRIDE = GrantKind.TOP_UP, GrantKind.CARRY_OVER, GrantKind.OVERRIDE
PRO = plan("pro", allowance(100))
JULY = datetime(2026, 7, 10, tzinfo=UTC)
AUGUST, SEPTEMBER, OCTOBER = (datetime(2026, month, 10, tzinfo=UTC) for month in (8, 9, 10))


async def count(database: Database, start: datetime, end: datetime, used: int, held: int = 0, **more: object) -> None:
    meter = Meter("user:anna", Unit.REQUESTS, LimitFilter(), Window.PERIOD)
    key = CounterKey(meter, Period(start, end))
    counter = {"_id": key.id, "subject": meter.subject, "unit": "requests", "filter": {}, "window": "period"}
    figures = {"start": start, "end": end, "used": used, "held": held, "holds": {}, "fold": 0}
    await database.writes[COUNTERS].insert_one({**counter, **figures, **more})


async def allowed(database: Database, at: datetime) -> Decimal:
    definitions = Definitions(database, UTC_ZONE)
    await definitions.learn([ANNA], at)
    found = definitions.applying(ANNA, CHAT, at)
    assert found is not None
    (one,) = found
    return one.allowance


async def test_a_top_up_is_spent_after_the_plan_and_stays_until_it_expires(database: Database) -> None:
    top_up = grant(TOP_UP, 50, settled_to=JULY, expires_at=SEPTEMBER)
    await define(database, PRO, subscription(term("pro")), top_up)
    await count(database, JULY, AUGUST, used=120)

    assert await allowed(database, NOW) == 150
    assert await allowed(database, AUGUST) == 130
    assert await allowed(database, SEPTEMBER) == 100
    # what has been is told as it was
    assert await allowed(database, NOW) == 150


async def test_top_ups_are_spent_soonest_expiring_first(database: Database) -> None:
    late, never = grant(TOP_UP, 20, settled_to=JULY, expires_at=OCTOBER), grant(TOP_UP, 5, settled_to=JULY)
    soon = grant(TOP_UP, 30, settled_to=JULY, expires_at=AUGUST)
    await define(database, PRO, subscription(term("pro")), never, late, soon)
    await count(database, JULY, AUGUST, used=100 + 30 + 4)

    assert await allowed(database, NOW) == 155
    assert await allowed(database, AUGUST) == 100 + 16 + 5


async def test_what_is_held_when_a_period_begins_is_not_given_twice(database: Database) -> None:
    await define(database, PRO, subscription(term("pro")), grant(TOP_UP, 50, settled_to=JULY))
    await count(database, JULY, AUGUST, used=90, held=20)

    assert await allowed(database, AUGUST) == 140


async def test_what_is_left_is_carried_over_up_to_the_cap(database: Database) -> None:
    await define(database, PRO, subscription(term("pro")), grant(CARRY_OVER, 30, settled_to=JULY))
    await count(database, JULY, AUGUST, used=90)

    assert await allowed(database, NOW) == 100
    assert await allowed(database, AUGUST) == 110
    assert await allowed(database, SEPTEMBER) == 130  # nothing was used: 110 are left, of which 30 are taken along
    assert await allowed(database, AUGUST) == 110


async def test_what_was_settled_stays_whatever_is_reported_later(database: Database) -> None:
    await define(database, PRO, subscription(term("pro")), grant(CARRY_OVER, 30, settled_to=JULY))
    await count(database, JULY, AUGUST, used=90)
    assert await allowed(database, AUGUST) == 110

    await database.writes[COUNTERS].update_many({}, {"$set": {"used": 100}})

    assert await allowed(database, AUGUST) == 110


async def test_an_override_is_another_amount_for_its_periods(database: Database) -> None:
    overrides = (
        grant(OVERRIDE, 7, starts_at=JULY, expires_at=SEPTEMBER),
        grant(OVERRIDE, 500, starts_at=AUGUST, expires_at=SEPTEMBER, created_at=NOW + timedelta(seconds=1)),
    )
    await define(database, PRO, subscription(term("pro")), *overrides)

    assert [await allowed(database, at) for at in (NOW, AUGUST, SEPTEMBER)] == [7, 500, 100]


async def test_grants_are_for_allowances_of_plans_or_for_the_limit_that_they_name(database: Database) -> None:
    own = limit(10, Window.MONTH)
    of_plan = grant(TOP_UP, 5, Window.MONTH, settled_to=JULY)
    await define(database, own, of_plan)
    assert await allowed(database, NOW) == 10

    await define(database, grant(TOP_UP, 3, Window.MONTH, settled_to=JULY, limit=own.id))
    assert await allowed(database, NOW) == 13

    await define(database, plan("pro", allowance(100, Window.MONTH)), subscription(term("pro")))
    definitions = Definitions(database, UTC_ZONE)
    await definitions.learn([ANNA], NOW)
    assert sorted(one.allowance for one in definitions.applying(ANNA, CHAT, NOW) or ()) == [13, 105]


async def test_a_default_plan_can_be_topped_up(database: Database) -> None:
    await define(database, plan("free", allowance(1, Window.MONTH), default=True))
    await define(database, grant(TOP_UP, 4, Window.MONTH, settled_to=NOW.replace(day=1, hour=0)))

    assert await allowed(database, NOW) == 5
    assert await allowed(database, AUGUST) == 5


async def test_a_grant_stays_when_the_plan_changes(database: Database) -> None:
    change = datetime(2026, 7, 20, tzinfo=UTC)
    await define(database, PRO, plan("max", allowance(1_000)), subscription(term("pro"), term("max", since=change)))
    await define(database, grant(TOP_UP, 50, settled_to=JULY))
    await count(database, JULY, AUGUST, used=1_010)

    assert [await allowed(database, at) for at in (NOW, change, AUGUST)] == [150, 1_050, 1_040]


async def test_nothing_is_settled_while_a_counter_is_being_counted(database: Database) -> None:
    await define(database, PRO, subscription(term("pro")), grant(TOP_UP, 50, settled_to=JULY))
    await count(database, JULY, AUGUST, used=0, counting=True)

    with pytest.raises(LimitsUnavailableError):
        await allowed(database, AUGUST)
    await database.writes[COUNTERS].update_many({}, {"$set": {"used": 110}, "$unset": {"counting": ""}})
    assert await allowed(database, AUGUST) == 140


async def test_calls_that_are_not_counted_yet_are_counted_before_grants_are_settled(database: Database) -> None:
    await define(database, PRO, subscription(term("pro")), grant(TOP_UP, 50, settled_to=JULY))
    definitions = Definitions(database, UTC_ZONE)

    async def fold(keys: Sequence[CounterKey]) -> None:
        assert [key.period for key in keys] == [Period(JULY, AUGUST)]
        await count(database, JULY, AUGUST, used=130)

    definitions.before_settling = fold
    await definitions.learn([ANNA], AUGUST)

    assert [one.allowance for one in definitions.applying(ANNA, CHAT, AUGUST) or ()] == [120]


async def test_what_was_used_in_periods_in_which_nobody_asked_is_known_all_the_same(database: Database) -> None:
    """Their calls are older than the limit, so they have no counters."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for day, calls in ((2, 4), (1, 14)):
        at = today - timedelta(days=day)
        await record(database, *[{"user_id": "anna", "client_id": "shop", "created_at": at}] * calls)
    limits, daily, first = Limits(database, UTC_ZONE), limit(10), today - timedelta(days=2)
    since = {"limit": daily.id, "starts_at": first, "settled_to": first}
    await define(database, daily, grant(TOP_UP, 5, Window.DAY, **since), grant(CARRY_OVER, 3, Window.DAY, **since))
    await limits.changed()

    (state,) = await limits.state(ANNA)

    # 3 of the first day's were carried over; of the second day 14 - 10 - 3 = 1 was topped up
    assert (state.used, state.allowance) == (Decimal(0), Decimal(14))


async def test_a_process_that_knew_the_grant_before_asks_again_in_the_new_period(database: Database) -> None:
    await define(database, PRO, subscription(term("pro")), grant(TOP_UP, 50, settled_to=JULY))
    known = Definitions(database, UTC_ZONE)
    await known.learn([ANNA], NOW)
    assert known.applying(ANNA, CHAT, NOW) is not None
    await count(database, JULY, AUGUST, used=120)
    assert await allowed(database, AUGUST) == 130  # settled by another process

    assert known.applying(ANNA, CHAT, AUGUST) is None
    await known.learn([ANNA], AUGUST)
    assert [one.allowance for one in known.applying(ANNA, CHAT, AUGUST) or ()] == [130]


async def test_many_processes_settle_at_once_what_an_administrator_changes_meanwhile(database: Database) -> None:
    top_up, carry_over = grant(TOP_UP, 50, settled_to=JULY), grant(CARRY_OVER, 30, settled_to=AUGUST)
    await define(database, PRO, subscription(term("pro")), top_up, carry_over)
    await count(database, JULY, AUGUST, used=120)
    await count(database, AUGUST, SEPTEMBER, used=90)
    book = GrantBook(database, Definitions(database, UTC_ZONE))

    settled = [allowed(database, SEPTEMBER) for _ in range(8)]
    changed = [book.change(one.id, {"note": "thanks"}, client=None) for one in (top_up, carry_over)]
    answers, _ = await asyncio.gather(asyncio.gather(*settled), asyncio.gather(*changed))

    assert set(answers) == {100 + 30 + 10}
    stored = [Grant.read(one) async for one in database.writes[GRANTS].find()]
    assert {one.kind: [(each.start, each.amount) for each in one.settled] for one in stored} == {
        TOP_UP: [(JULY, Decimal(20))],
        CARRY_OVER: [(SEPTEMBER, Decimal(10))],
    }
    assert [(one.note, one.settled_to) for one in stored] == [("thanks", SEPTEMBER)] * 2


async def test_money_is_settled_exactly(database: Database) -> None:
    usd = plan("pro", allowance("1.000000000000001", unit=Unit.USD))
    await define(database, usd, subscription(term("pro")), grant(TOP_UP, "2", unit=Unit.USD, settled_to=JULY))
    await count(database, JULY, AUGUST, used=0)
    used = Decimal("1.500000000000003")
    await database.writes[COUNTERS].update_many({}, {"$set": {"unit": "usd", "used": Decimal128(used)}})

    assert await allowed(database, AUGUST) == Decimal("2.499999999999999")


def _day(number: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)


def _daily(moment: datetime) -> Period:
    return period_of(moment, Window.DAY, UTC_ZONE)


OWN = Decimal(10)
DAYS = 8
granted = st.builds(
    lambda kind, amount, start, days: grant(
        kind,
        amount,
        Window.DAY,
        starts_at=_day(start),
        settled_to=_day(start),
        expires_at=None if days is None else _day(start + days),
    ),
    st.sampled_from([TOP_UP, CARRY_OVER]),
    st.integers(0, 20),
    st.integers(0, DAYS),
    st.none() | st.integers(1, DAYS),
)
usage = st.dictionaries(st.integers(0, DAYS).map(_day), st.integers(0, 30).map(Decimal))


def _settle(grants: list[Grant], used: Mapping[datetime, Decimal], to: int) -> list[Grant]:
    settlement = Settlement(grants, lambda _: OWN, used)
    return settlement.settle(periods_from(_day(0), _daily), _daily(_day(to)))


@given(grants=st.lists(granted, max_size=4), used=usage, between=st.integers(0, DAYS))
def test_grants_give_what_was_granted_however_often_they_are_settled(
    grants: list[Grant], used: dict[datetime, Decimal], between: int
) -> None:
    at_once = _settle(grants, used, DAYS)

    assert _settle(_settle(grants, used, between), used, DAYS) == at_once
    for one in at_once:
        assert one.settled_to == _day(DAYS)
        assert all(each.amount > 0 for each in one.settled)
        if one.kind is TOP_UP:
            assert one.settled_before(_day(DAYS + 1)) <= one.amount
        else:
            assert all(each.amount <= one.amount for each in one.settled)
    for day in range(DAYS):
        _check_day(at_once, used.get(_day(day), Decimal(0)), _daily(_day(day)))


def _check_day(settled: list[Grant], used: Decimal, day: Period) -> None:
    """What was beyond the own amount came from top-ups, as far as they had something left."""
    due = [one for one in settled if is_active(one, day) and one.starts_at <= day.start]
    own = OWN + sum(one.carried_into(day.start) for one in due if one.kind is CARRY_OVER)
    top_ups = [one for one in due if one.kind is TOP_UP]
    left = sum((one.amount - one.settled_before(day.start) for one in top_ups), Decimal(0))
    spent = sum((each.amount for one in top_ups for each in one.settled if each.start == day.start), Decimal(0))
    assert spent == max(min(used - own, left), Decimal(0))
