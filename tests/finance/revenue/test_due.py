import asyncio
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from app.database import Database
from app.database.connection import VERSIONS
from app.errors import DatabaseUnavailableError
from app.finance.revenue.book import RevenueBook
from app.finance.revenue.due import Due
from app.finance.revenue.rates import Rates
from app.observability.troubles import Code, Troubles
from models.plans import Price, Status, Subscription, Term
from models.revenue import REVENUE, STATE, NewRate, Revenue
from tests.finance.revenue.entries import booked, new, utc
from tests.limits.defined import define, plan, subscription, term

PRO = plan("pro", price=Decimal(30))
FIRST = date(2026, 1, 1)


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


@pytest.fixture
async def due(database: Database, book: RevenueBook, troubles: Troubles) -> Due:
    """Of a deployment whose subscriptions come due from May 2026 on."""
    await database.writes[VERSIONS].update_one(STATE, {"$set": {"dueSince": utc(5)}})
    return Due(database, book, troubles)


def of(user: str, *terms: Term, **more: Any) -> Subscription:
    fields = {"id": f"s-{user}", "scope": {"user_id": user, "client_id": "shop"}, **more}
    return subscription(*(terms or (monthly(),)), **fields)


def monthly(since: datetime | None = None, **more: Any) -> Term:
    return term("pro", since or utc(1), anchor=FIRST, **more)


async def stored(database: Database) -> list[tuple[str, Decimal, datetime]]:
    found = [Revenue.read(one) async for one in database.writes[REVENUE].find().sort([("at", 1), ("_id", 1)])]
    return [(one.user_id or "", one.amount, one.at) for one in found]


async def test_what_comes_due_is_booked_when_it_does_and_once(database: Database, due: Due) -> None:
    await define(database, PRO, of("anna"))

    assert await due.book_due(utc(5)) == 1
    assert await due.book_due(utc(5, 20)) == 0
    assert await due.book_due(utc(7)) == 2
    assert await stored(database) == [("anna", Decimal(30), utc(month)) for month in (5, 6, 7)]


async def test_nothing_comes_due_of_periods_that_began_before(database: Database, due: Due) -> None:
    await define(database, PRO, of("anna", term("pro", utc(1), anchor=date(2026, 1, 10))))

    assert await due.book_due(utc(6)) == 1
    assert await stored(database) == [("anna", Decimal(30), utc(5, 10))]


async def test_several_processes_book_it_once(database: Database, due: Due, book: RevenueBook) -> None:
    await define(database, PRO, *(of(f"u{n:03}") for n in range(120)))
    others = [Due(database, book, Troubles()) for _ in range(3)]

    counts = await asyncio.gather(*(one.book_due(utc(6)) for one in (due, *others)))

    assert sum(counts) == 240
    assert len(await stored(database)) == 240


async def test_another_process_goes_on_where_this_one_ended(database: Database, due: Due, book: RevenueBook) -> None:
    await define(database, PRO, of("anna"))
    await due.book_due(utc(6))

    assert await Due(database, book, Troubles()).book_due(utc(7)) == 1
    assert len(await stored(database)) == 3


async def test_a_change_is_seen_at_the_next_look(database: Database, due: Due) -> None:
    anna = of("anna")
    await define(database, PRO, plan("team", price=Decimal(60)), anna)
    await due.book_due(utc(6))

    upgraded = anna.model_copy(update={"terms": (*anna.terms, term("team", utc(6, 16), anchor=FIRST))})
    await define(database, upgraded, of("bea", monthly(utc(6, 16), trial_until=utc(6, 21))))
    assert await due.book_due(utc(6, 16)) == 2
    assert await due.book_due(utc(6, 21)) == 1
    await define(database, upgraded.model_copy(update={"ended_at": utc(7), "status": Status.ENDED}))
    assert await due.book_due(utc(7)) == 1

    assert (await stored(database))[2:] == [
        ("anna", Decimal("30.00"), utc(6, 16)),
        ("anna", Decimal("-15.00"), utc(6, 16)),
        ("bea", Decimal("10.00"), utc(6, 21)),
        ("bea", Decimal(30), utc(7)),
    ]


async def test_what_changed_while_nobody_looked_is_booked_as_of_its_moment(database: Database, due: Due) -> None:
    anna = of("anna")
    await define(database, PRO, plan("team", price=Decimal(60)), anna)
    await due.book_due(utc(5))

    await define(database, anna.model_copy(update={"terms": (*anna.terms, term("team", utc(5, 16), anchor=FIRST))}))
    await due.book_due(utc(7))

    assert [(amount, at.month) for _, amount, at in await stored(database)] == [
        (30, 5),
        (Decimal("30.97"), 5),
        (Decimal("-15.48"), 5),
        (60, 6),
        (60, 7),
    ]


async def test_a_subscription_at_stripe_is_stripe_s(database: Database, due: Due) -> None:
    anna = of("anna")
    await define(database, PRO, anna, of("bea", stripe_subscription_id="sub_1"))
    assert await due.book_due(utc(5)) == 1

    await define(database, anna.model_copy(update={"stripe_subscription_id": "sub_2"}))

    assert await due.book_due(utc(8)) == 0
    assert len(await stored(database)) == 1


async def test_without_a_rate_it_waits_until_there_is_one(
    database: Database, due: Due, rates: Rates, book: RevenueBook, troubles: Troubles
) -> None:
    euros = of("anna", monthly(price=Price(amount=Decimal(20), currency="EUR")))
    await define(database, PRO, euros, of("bea"))

    assert await due.book_due(utc(5)) == 1
    assert due.refused == {
        "s-anna": "currency EUR: there is no rate on or before 2026-05-01; add one with POST /api/admin/revenue/rates"
    }
    assert await due.book_due(utc(6)) == 1
    assert [(one.code, one.count) for one in troubles.current] == [(Code.REVENUE, 1)]
    await rates.add([NewRate(currency="EUR", day=date(2026, 5, 1), usd=Decimal("1.1"))], by="someone")

    # also by a process that was started meanwhile
    assert await Due(database, book, Troubles()).book_due(utc(6)) == 2
    assert await due.book_due(utc(6)) == 0
    assert due.refused == {}
    assert troubles.current == []
    assert [amount for user, amount, _ in await stored(database) if user == "anna"] == [20, 20]


async def test_what_was_booked_otherwise_does_not_come_due(database: Database, due: Due, book: RevenueBook) -> None:
    await define(database, PRO, anna := of("anna"))
    await booked(book, new("28", subscription_id=anna.id, at=utc(6, 2), end=utc(6, 20)))

    assert await due.book_due(utc(7)) == 2
    assert [at.month for _, _, at in await stored(database)] == [5, 6, 7]
    assert [amount for _, amount, _ in await stored(database)] == [30, 28, 30]


async def test_it_is_booked_after_an_outage(database: Database, due: Due, monkeypatch: pytest.MonkeyPatch) -> None:
    await define(database, PRO, of("anna"), of("bea"))

    async def away(*_: Any, **__: Any) -> None:
        raise AutoReconnect

    with monkeypatch.context() as patch:
        patch.setattr(type(database.writes[REVENUE]), "insert_many", away)
        with pytest.raises(DatabaseUnavailableError):
            await due.book_due(utc(5))

    assert await due.book_due(utc(5)) == 2


async def test_what_was_erased_or_damaged_comes_due_no_more(database: Database, due: Due) -> None:
    await define(database, PRO, of("anna"), of("bea"))
    await due.book_due(utc(5) - timedelta(days=1))
    await database.writes["subscriptions"].update_one({"_id": "s-anna"}, {"$set": {"terms": []}})

    assert await due.book_due(utc(5)) == 1
