import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from pymongo.errors import AutoReconnect

from app.database import Database
from app.database.connection import VERSIONS
from app.database.transactions import transact
from app.errors import DatabaseUnavailableError
from app.finance.revenue.book import BookedStatus, RevenueBook
from app.finance.revenue.recognition import recognised
from models.revenue import REVENUE, STATE, NewRate, NewRevenue, Revenue, RevenueKind, RevenueSource, revenue_id
from tests.finance.revenue.entries import booked, new, receipts_of, refund, utc
from tests.limits.defined import define, subscription, term


async def stored(database: Database) -> list[Revenue]:
    return [Revenue.read(one) async for one in database.writes[REVENUE].find().sort("sequence", 1)]


async def sequence(database: Database) -> int:
    return int((await database.writes[VERSIONS].find_one(STATE) or {})["sequence"])


async def test_an_entry_is_kept_as_it_was_answered(database: Database, book: RevenueBook) -> None:
    entry, *_ = await booked(book, new("19.99", source_id="order 7", note="by hand", plan="pro", plan_version=2))

    assert await stored(database) == [entry]
    assert entry.id == "manual:order 7"
    assert (entry.usd, entry.rate, entry.rate_day) == (Decimal("19.99"), Decimal(1), None)
    assert (entry.recognised_from, entry.sequence, entry.created_by) == (utc(6), 1, "someone")


async def test_what_is_sent_again_counts_once(database: Database, book: RevenueBook) -> None:
    one, other = new("20", source_id="1"), new("30", source_id="1")
    await booked(book, one)

    again = await receipts_of(book, one, one, other)

    assert [each.status for each in again] == [BookedStatus.THERE] * 3
    assert [each.message for each in again] == [None, None, "it was booked before with another amount, and stays so"]
    assert [each.amount for each in await stored(database)] == [20]
    assert await sequence(database) == 1


async def test_twice_in_one_request_counts_once(database: Database, book: RevenueBook) -> None:
    one = new("20")

    receipts = await receipts_of(book, one, one)

    assert [each.status for each in receipts] == [BookedStatus.BOOKED, BookedStatus.THERE]
    assert len(await stored(database)) == 1


async def test_many_at_once_are_booked_once_and_numbered_without_gaps(database: Database, book: RevenueBook) -> None:
    entries = [new("1", source_id=str(n), user_id=f"u{n}") for n in range(12)]
    orders: list[Sequence[NewRevenue]] = [entries, entries[::-1], entries[6:] + entries[:6], entries[3:9]]

    receipts = await asyncio.gather(*(receipts_of(book, *order) for order in orders))

    statuses = [each.status for one in receipts for each in one]
    assert statuses.count(BookedStatus.BOOKED) == 12
    assert statuses.count(BookedStatus.REFUSED) == 0
    assert [each.sequence for each in await stored(database)] == list(range(1, 13))
    assert await sequence(database) == 12


@pytest.mark.parametrize("step", [VERSIONS, REVENUE])
async def test_what_fails_on_its_way_leaves_nothing_and_counts_once_when_it_is_sent_again(
    database: Database, book: RevenueBook, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [new("1", user_id="a"), new("2", user_id="b")]

    async def away(*_: Any, **__: Any) -> None:
        raise AutoReconnect

    with monkeypatch.context() as patch:
        method = "update_one" if step == VERSIONS else "insert_many"
        patch.setattr(type(database.writes[step]), method, away)
        with pytest.raises(DatabaseUnavailableError, match="send it again, it counts once"):
            await receipts_of(book, *entries)
    assert await stored(database) == []

    await booked(book, *entries)
    assert [each.sequence for each in await stored(database)] == [1, 2]


async def test_without_execute_all_is_checked_and_nothing_written(database: Database, book: RevenueBook) -> None:
    receipts = await book.book([new("1"), new("1", currency="EUR")], client=None, by="someone", execute=False)

    assert [each.status for each in receipts] == [BookedStatus.BOOKED, BookedStatus.REFUSED]
    assert await stored(database) == []
    assert await sequence(database) == 0


async def test_a_caller_s_own_transaction_keeps_all_or_nothing(database: Database, book: RevenueBook) -> None:
    async def work(session: Any) -> None:
        await book.book([new("1")], client=None, by="someone", session=session)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await transact(database, work)
    assert await stored(database) == []


async def test_what_is_refused_does_not_keep_others_from_being_booked(database: Database, book: RevenueBook) -> None:
    receipts = await receipts_of(book, new("1", currency="EUR"), new("2"))

    assert [each.status for each in receipts] == [BookedStatus.REFUSED, BookedStatus.BOOKED]
    assert [fault.field for fault in receipts[0].errors] == ["currency"]
    assert receipts[0].message == (
        "currency EUR: there is no rate on or before 2026-06-01; add one with POST /api/admin/revenue/rates"
    )
    assert [each.amount for each in await stored(database)] == [2]


# one client


async def test_one_client_s_administrator_books_for_that_client_alone(database: Database, book: RevenueBook) -> None:
    theirs, *_ = await booked(book, new("5", source_id="1", client_id=None), client="shop")
    other, *_ = await booked(book, new("6", source_id="1", client_id=None, user_id="bea"), client="cafe")
    receipt, *_ = await receipts_of(book, new("7", client_id="shop"), client="cafe")

    assert (theirs.client_id, theirs.id) == ("shop", "manual@shop|1")
    assert (other.client_id, other.id) == ("cafe", "manual@cafe|1")
    assert receipt.status is BookedStatus.REFUSED
    assert receipt.message == "clientId must be cafe: this caller is limited to it; leave clientId out"
    assert len(await stored(database)) == 2


async def test_what_another_client_has_is_unknown(database: Database, book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("20"))
    await define(database, theirs := subscription(term("pro"), scope={"user_id": "anna", "client_id": "shop"}))

    of_entry, of_subscription = await receipts_of(
        book,
        refund(paid, "-1"),
        new("1", subscription_id=theirs.id, client_id=None),
        client="cafe",
    )

    assert (
        of_entry.message
        == f"refunds names no entry: there is no {paid.id}; it is the id of one, such as manual:SOURCE_ID"
    )
    assert of_subscription.message == f"subscriptionId is not one: there is no subscription {theirs.id}"


# refunds


async def test_a_refund_takes_back_from_its_moment_to_the_end_of_what_it_refunds(book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("30", subscription_id=None, plan="pro", plan_version=1))

    back, *_ = await booked(book, refund(paid, "-10", at=utc(6, 16)))

    assert (back.start, back.end, back.amount) == (utc(6, 16), utc(7), Decimal(-10))
    assert (back.client_id, back.user_id, back.plan, back.plan_version) == ("shop", "anna", "pro", 1)
    # a past window never changes by one
    assert recognised(back, utc(5), utc(6, 16)) == 0
    assert recognised(back, utc(6, 16), utc(7)) == -10


async def test_a_refund_of_a_service_that_is_over_takes_back_at_its_moment(book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("30"))

    back, *_ = await booked(book, refund(paid, "-30", at=utc(8, 5)))

    assert (back.start, back.end) == (utc(8, 5), utc(8, 5))
    assert recognised(back, utc(8), utc(9)) == -30


async def test_a_refund_of_a_service_that_has_not_begun_takes_back_when_it_does(book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("30", at=utc(6), start=utc(7), end=utc(8)))

    back, *_ = await booked(book, refund(paid, "-30", at=utc(6, 10)))

    assert (back.start, back.end) == (utc(7), utc(8))


async def test_a_refund_larger_than_what_is_left_is_refused_with_both_amounts(book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("20.00"))
    await booked(book, refund(paid, "-15.00"))

    receipt, *_ = await receipts_of(book, refund(paid, "-5.01"))

    assert receipt.status is BookedStatus.REFUSED
    assert receipt.errors[0].field == "amount"
    assert receipt.message == "amount is more than that: 5 of 20 USD are left to be refunded, not 5.01"
    await booked(book, refund(paid, "-5.00"))


async def test_of_two_refunds_at_once_one_is_refused(database: Database, book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("20"))

    receipts = await asyncio.gather(*(receipts_of(book, refund(paid, "-15")) for _ in range(4)))

    assert sorted(one.status for (one,) in receipts) == [BookedStatus.BOOKED, *[BookedStatus.REFUSED] * 3]
    assert sum(each.amount for each in await stored(database)) == 5


async def test_a_full_refund_is_exactly_nothing_in_dollars(database: Database, book: RevenueBook, rates: Any) -> None:
    of = [(utc(6).date(), "1.000000000000001"), (utc(6, 20).date(), "3")]
    await rates.add([NewRate(currency="EUR", day=day, usd=Decimal(usd)) for day, usd in of], by="someone")
    paid, *_ = await booked(book, new("10.00", currency="EUR"))

    parts = await booked(book, *(refund(paid, part, at=utc(6, 25)) for part in ("-3.33", "-3.33", "-3.34")))

    assert sum(each.usd for each in await stored(database)) == 0
    assert {part.rate for part in parts} == {Decimal("1.000000000000001")}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"refunds": "manual:nothing"},
            "refunds names no entry: there is no manual:nothing; it is the id of one, such as manual:SOURCE_ID",
        ),
        ({"refunds": None}, "refunds is missing: it names the entry that a refund takes back; a credit names none"),
        ({"currency": "EUR"}, "currency must be USD, as of what is refunded"),
        ({"user_id": "bea"}, "userId must be that of the entry that is refunded; leave it out"),
        ({"synthetic": True}, "refunds names a real entry"),
    ],
)
async def test_a_refund_of_something_else_is_refused(book: RevenueBook, more: dict[str, Any], message: str) -> None:
    paid, *_ = await booked(book, new("20"))

    receipt, *_ = await receipts_of(book, refund(paid, "-5", **{"refunds": paid.id, **more}))

    assert receipt.message == message


async def test_a_refund_cannot_be_refunded(book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("20"))
    back, *_ = await booked(book, refund(paid, "-5"))

    receipt, *_ = await receipts_of(book, refund(back, "-5"))

    assert receipt.message == "refunds names a refund: only what was charged can be refunded"


async def test_a_charge_and_its_refund_may_be_sent_together(book: RevenueBook) -> None:
    charge = new("20", source_id="c")

    _, back = await booked(
        book,
        charge,
        new("-20", kind=RevenueKind.REFUND, at=utc(6, 2), refunds=revenue_id(RevenueSource.MANUAL, "c"), end=utc(6, 2)),
    )

    assert back.amount == -20


# subscriptions


async def test_an_entry_of_a_subscription_has_its_user_client_and_plan(database: Database, book: RevenueBook) -> None:
    terms = term("free", utc(1)), term("pro", utc(6, 10), version=3)
    await define(database, theirs := subscription(*terms, scope={"user_id": "anna", "client_id": "shop"}))

    first, second, wrong = await receipts_of(
        book,
        new("1", subscription_id=theirs.id, user_id=None, client_id=None, end=utc(6, 10)),
        new("2", subscription_id=theirs.id, user_id=None, client_id=None, at=utc(6, 10), overlaps=True),
        new("3", subscription_id=theirs.id, user_id="bea"),
    )

    assert first.entry is not None
    assert second.entry is not None
    named = [(one.client_id, one.user_id, one.plan, one.plan_version) for one in (first.entry, second.entry)]
    assert named == [("shop", "anna", "free", 1), ("shop", "anna", "pro", 3)]
    assert wrong.message == f"userId is not the user of subscription {theirs.id}; leave it out"


async def test_two_subscriptions_of_a_user_in_one_time_are_refused_unless_they_are_meant(book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("20"))
    second = new("30", at=utc(6, 30), end=utc(7, 30))

    (refused,) = await receipts_of(book, second)
    await booked(book, second.model_copy(update={"overlaps": True}))
    await booked(book, new("20", at=utc(7, 30), end=utc(8)))  # which begins when the other ends

    assert refused.errors[0].field == "start"
    assert refused.message == (
        "start overlaps what this user has paid for: 2026-06-01T00:00:00+00:00 to 2026-07-01T00:00:00+00:00 "
        f"is paid by {paid.id}; send overlaps: true where both are meant"
    )


@pytest.mark.parametrize(
    "more",
    [
        {"user_id": "bea"},
        {"client_id": "cafe"},
        {"kind": RevenueKind.USAGE},
        {"synthetic": True},
        {"source": RevenueSource.STRIPE},
    ],
)
async def test_what_is_no_second_subscription_of_the_user_is_booked(book: RevenueBook, more: dict[str, Any]) -> None:
    await booked(book, new("20"))

    await booked(book, new("20", **more))


async def test_what_was_given_back_may_be_paid_again(book: RevenueBook) -> None:
    paid, *_ = await booked(book, new("20"))
    await booked(book, refund(paid, "-20"))

    await booked(book, new("20"))


# closed months


async def test_what_comes_after_a_month_was_closed_is_recognised_from_the_next_one_on(
    database: Database, book: RevenueBook
) -> None:
    await transact(database, lambda session: book.close(utc(7), session))

    late, over = await booked(book, new("30", at=utc(6), end=utc(8)), new("30", at=utc(5), end=utc(6), user_id="bea"))

    assert (late.start, late.recognised_from) == (utc(6), utc(7))
    assert recognised(late, utc(1), utc(7)) == 0
    assert recognised(late, utc(7), utc(8)) == 30
    assert recognised(over, utc(7), utc(7) + timedelta(microseconds=1)) == 30


async def test_a_closing_beside_a_booking_is_before_or_after_it(database: Database, book: RevenueBook) -> None:
    """Whatever is recognised in the closed month was there when its figures were read."""
    seen: list[int] = []

    async def close(session: Any) -> None:
        seen[:] = [await database.writes[REVENUE].count_documents({}, session=session)]
        await book.close(utc(7), session)

    entries = [new("1", user_id=f"u{n}") for n in range(8)]
    await asyncio.gather(*(receipts_of(book, entry) for entry in entries), transact(database, close))

    in_june = [one for one in await stored(database) if one.recognised_from < utc(7)]
    assert len(in_june) == seen[0]
    assert len(await stored(database)) == 8


# what cannot be


@pytest.mark.parametrize(
    ("amount", "more", "message"),
    [
        ("0", {}, "must not be 0: nothing came due"),
        ("0.00", {}, "must not be 0: nothing came due"),
        ("-1", {}, "of a subscription must be above 0: what takes back is a refund"),
        ("1", {"kind": "refund"}, "of a refund must be below 0: it takes back"),
        ("1", {"kind": "credit"}, "of a credit must be below 0: it takes back"),
        ("1E-16", {}, "must have 15 decimals at most"),
        ("NaN", {}, "finite"),
        ("1E+13", {}, "less than or equal to 1000000000000"),
        ("1", {"currency": "XYZ"}, "is not a currency of ISO 4217, such as USD or EUR"),
        ("1", {"currency": "$"}, "is not a currency of ISO 4217, such as USD or EUR"),
        ("1", {"end": utc(5)}, "must not be before start"),
        ("1", {"at": datetime(2026, 6, 1)}, "timezone"),  # noqa: DTZ001 - that is what is wrong with it
        ("1", {"source_id": ""}, "at least 1 character"),
        ("1", {"source_id": "a\nb"}, "pattern"),
        ("1", {"refunds": "manual:1"}, "is for refunds: it names the entry that one takes back"),
    ],
)
def test_what_makes_no_sense_is_no_entry(amount: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        new(amount, **more)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"at": utc(1, year=2100), "end": utc(2, year=2100)}, "at is in the future: 2100-01-01T00:00:00"),
        ({"end": utc(7, year=2036)}, "end is too far in the future: a service ends within ten years after 2026-06-01"),
        ({"at": utc(1, year=1999), "end": utc(2, year=1999)}, "at must not be before 2000-01-01"),
    ],
)
async def test_another_time_than_ours_is_refused(book: RevenueBook, more: dict[str, Any], message: str) -> None:
    (receipt,) = await receipts_of(book, new("1", **more))

    assert receipt.status is BookedStatus.REFUSED
    assert (receipt.message or "").startswith(message)


async def test_amounts_that_dollars_cannot_say_are_refused(database: Database, book: RevenueBook, rates: Any) -> None:
    for currency, usd in (("KWD", "1000"), ("VND", "0.000000000000001")):
        await rates.add([NewRate(currency=currency, day=utc(1).date(), usd=Decimal(usd))], by="someone")

    large, small = await receipts_of(book, new("1E+10", currency="KWD"), new("0.1", currency="VND"))

    assert large.message == "amount is too large: at most 1,000,000,000,000 USD"
    assert small.message == "amount is too small: in USD it rounds to 0 at the rate of 0.000000000000001"
    assert await stored(database) == []


def test_a_currency_is_read_in_lower_case_too() -> None:
    assert new("1", currency=" eur ").currency == "EUR"
