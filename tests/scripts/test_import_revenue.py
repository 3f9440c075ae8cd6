"""Revenue of earlier systems and Stripe's exports: what is understood, what is not, and that it counts once."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.database import Database
from app.finance.revenue.book import RevenueBook
from app.finance.revenue.rates import Rates
from models.revenue import REVENUE, NewRate, Revenue, RevenueSource
from scripts.import_revenue import ImportRevenue
from tests.finance.revenue.entries import booked, new, utc
from tests.limits.defined import define, subscription, term
from tests.scripts.conftest import Command
from tests.scripts.jobs import Interrupted, failing_after

Written = Callable[..., str]
PAYMENTS = (
    "id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Status,Customer ID,Invoice ID,Refunded date (UTC)"
)
INVOICES = (
    "id,Total,Tax,Currency,Date (UTC),Customer,Subscription,Status,"
    "Minimum Line Item Period Start (UTC),Maximum Line Item Period End (UTC)"
)
BALANCE = (
    "balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,source_id,customer_id,charge_id,"
    "invoice_id,subscription_id"
)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(header: str, *rows: str, name: str = "revenue.csv") -> str:
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in (header, *rows)))
        return str(path)

    return write


async def run(command: Command, *arguments: str, status: int = 0) -> Any:
    ended = await asyncio.to_thread(command, "scripts.import_revenue", *arguments, "--json")
    assert ended.returncode == status, ended.stderr or ended.stdout
    return json.loads(ended.stdout) if ended.stdout else ended.stderr


def counts(summary: Any) -> dict[str, int]:
    return {name: summary[name] for name in ImportRevenue.counts if summary[name]}


async def stored(database: Database) -> list[Revenue]:
    return [Revenue.read(one) async for one in database.writes[REVENUE].find().sort([("at", 1), ("_id", 1)])]


def reasons(source: str) -> list[str]:
    return [json.loads(line)["reason"] for line in Path(f"{source}.rejects.jsonl").read_text().splitlines()]


@pytest.fixture
async def subscribers(database: Database) -> Database:
    """Anna and bea of the client shop, as Stripe knows them."""
    for user, number in (("anna", 1), ("bea", 2)):
        scope = {"user_id": user, "client_id": "shop"}
        stripe = {"stripe_customer_id": f"cus_{number}", "stripe_subscription_id": f"sub_{number}"}
        await define(database, subscription(term("pro", utc(1)), id=f"s-{user}", scope=scope, **stripe))
    return database


async def test_rows_are_booked_once_and_each_other_one_is_told_with_its_reason(
    command: Command, database: Database, written: Written
) -> None:
    source = written(
        "sourceId,kind,amount,amount_minor,tax,currency,at,start,end,userId,client_id,plan,refunds",
        # before what it takes back, as exports have the newest first
        "r1,refund,-5,,,USD,2026-06-20T00:00:00Z,,,,,,a1",
        "a1,subscription,23.80,,3.80,usd,2026-06-01T00:00:00Z,2026-06-01T00:00:00Z,2026-07-01T00:00:00Z,anna,shop,pro,",
        "a2,,,1999,,,2026-06-02,,,bea,,,",
        "a3,usage,0,,,USD,2026-06-03T00:00:00Z,,,bea,,,",
        "a4,gift,5,,,USD,2026-06-03T00:00:00Z,,,bea,,,",
        "a5,usage,5,,,XYZ,2026-06-03T00:00:00Z,,,bea,,,",
        "a6,usage,5,,,EUR,2026-06-03T00:00:00Z,,,bea,,,",
        "a7,usage,much,,,USD,2026-06-03T00:00:00Z,,,bea,,,",
        "a8,usage,5,,,USD,soon,,,bea,,,",
        "a9,usage,5,,,USD,2096-06-03T00:00:00Z,,,bea,,,",
        ",usage,5,,,USD,2026-06-03T00:00:00Z,,,bea,,,",
        "b1,refund,-50,,,USD,2026-06-21T00:00:00Z,,,,,,a1",
        "b2,refund,-5,,,USD,2026-06-21T00:00:00Z,,,,,,nothing",
        "b3,usage,5,,,USD,2026-06-03T00:00:00Z,2026-06-03T00:00:00Z,2026-05-03T00:00:00Z,bea,,,",
    )
    arguments = (source, "--client", "shop", "--currency", "USD", "--timezone", "Europe/Berlin")

    dry = await run(command, *arguments, status=3)
    assert await stored(database) == []
    summary = await run(command, *arguments, "--execute", status=3)

    assert counts(dry) == counts(summary) == {"new": 3, "left out": 1, "rejected": 10}
    a1, a2, r1 = await stored(database)
    assert (a1.id, a1.amount, a1.kind.value, a1.user_id, a1.plan) == (
        "import:a1",
        Decimal(20),
        "subscription",
        "anna",
        "pro",
    )
    assert (a2.amount, a2.kind.value, a2.at, a2.client_id) == (
        Decimal("19.99"),
        "one_time",
        datetime(2026, 6, 1, 22, tzinfo=UTC),
        "shop",
    )
    assert (r1.amount, r1.refunds, r1.user_id, r1.client_id) == (Decimal(-5), "import:a1", "anna", "shop")
    assert {one.source for one in (a1, a2, r1)} == {RevenueSource.IMPORT}
    assert [reason.partition(":")[0] for reason in reasons(source)] == [
        *("kind", "currency", "amount", "at", "source_id", "end"),
        *("currency EUR", "at is in the future"),
        *("amount is more than that", "refunds names no entry"),
    ]
    again = await run(command, *arguments, "--execute", status=3)
    assert counts(again) == {"known": 3, "left out": 1, "rejected": 10}
    assert len(await stored(database)) == 3


async def test_columns_may_have_other_names_and_payments_a_period(
    command: Command, database: Database, written: Written
) -> None:
    source = written("order,account,paid,when", "o1,anna,12.50,2026-01-31T10:00:00Z", "o2,bea,9,2026-02-28T10:00:00Z")
    columns = ("source_id=order", "user_id=account", "amount=paid", "at=when")
    named = [word for pair in columns for word in ("--column", pair)]

    await run(command, source, *named, "--kind", "subscription", "--period", "month", "--currency", "usd", "--execute")

    assert [(one.user_id, one.start, one.end) for one in await stored(database)] == [
        ("anna", datetime(2026, 1, 31, 10, tzinfo=UTC), datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("bea", datetime(2026, 2, 28, 10, tzinfo=UTC), datetime(2026, 3, 28, 10, tzinfo=UTC)),
    ]


async def test_invoices_of_stripe_are_those_of_the_subscriptions_here(
    command: Command, subscribers: Database, written: Written
) -> None:
    june, july = "2026-06-01 00:00", "2026-07-01 00:00"
    source = written(
        INVOICES,
        f"in_1,23.80,3.80,usd,{june},cus_1,sub_1,paid,{june},{july}",
        f"in_2,10.00,0.00,usd,{june},cus_2,,open,,",
        f"in_3,10.00,0.00,usd,{june},cus_2,sub_2,void,{june},{july}",
        f"in_4,0.00,0.00,usd,{june},cus_2,sub_2,paid,{june},{july}",
        f"in_5,10.00,0.00,usd,{june},cus_9,sub_9,paid,{june},{july}",
        f"in_6,-4.00,0.00,usd,{june},cus_2,sub_2,paid,{june},{july}",
    )

    summary = await run(command, source, "--preset", "stripe-invoices", "--execute", status=3)

    assert counts(summary) == {"new": 3, "left out": 2, "rejected": 1}
    assert [
        (one.source_id, str(one.amount), one.kind.value, one.user_id, one.client_id, one.subscription_id, one.end)
        for one in await stored(subscribers)
    ] == [
        ("in_1", "20.00", "subscription", "anna", "shop", "s-anna", utc(7)),
        ("in_2", "10.00", "subscription", "bea", "shop", None, utc(6)),
        ("in_6", "-4.00", "credit", "bea", "shop", "s-bea", utc(7)),
    ]
    assert reasons(source) == ["customer: no subscription here has cus_9: say whose by --column user_id=COLUMN"]


async def test_payments_of_stripe_and_what_was_given_back_of_them(
    command: Command, subscribers: Database, written: Written
) -> None:
    source = written(
        PAYMENTS,
        "ch_1,2026-06-01 10:00:00,20.00,0.00,usd,true,Paid,cus_1,in_1,",
        'ch_2,2026-06-02 10:00:00,"1,000.00",250.00,usd,true,Paid,cus_2,,2026-06-20 10:00:00',
        "ch_3,2026-06-03 10:00:00,20.00,20.00,usd,true,Refunded,cus_1,in_3,2026-06-21 10:00:00",
        "ch_4,2026-06-04 10:00:00,20.00,0.00,usd,false,Paid,cus_1,,",
        "ch_5,2026-06-05 10:00:00,20.00,0.00,usd,true,Failed,cus_1,,",
    )

    for _ in range(2):
        summary = await run(command, source, "--preset", "stripe-payments", "--execute")

    assert counts(summary) == {"known": 5, "left out": 2}
    assert [
        (one.source_id, str(one.amount), one.kind.value, one.user_id, one.at.day) for one in await stored(subscribers)
    ] == [
        ("in_1", "20.00", "subscription", "anna", 1),
        ("ch_2", "1000.00", "one_time", "bea", 2),
        ("in_3", "20.00", "subscription", "anna", 3),
        ("ch_2/refunded", "-250.00", "refund", "bea", 20),
        ("in_3/refunded", "-20.00", "refund", "anna", 21),
    ]


async def test_the_balance_of_stripe_counts_with_its_other_exports_once(
    command: Command, subscribers: Database, written: Written
) -> None:
    payments = written(PAYMENTS, "ch_1,2026-06-01 10:00:00,20.00,0.00,usd,true,Paid,cus_1,in_1,", name="payments.csv")
    balance = written(
        BALANCE,
        "txn_3,2026-06-09 10:00:00,usd,-5.00,0,-5.00,refund,re_1,cus_1,ch_1,in_1,sub_1",
        "txn_4,2026-06-10 10:00:00,usd,-7.00,0,-7.00,dispute,dp_1,cus_2,ch_2,,",
        "txn_1,2026-06-01 10:00:00,usd,20.00,0.88,19.12,charge,ch_1,cus_1,ch_1,in_1,sub_1",
        "txn_2,2026-06-02 10:00:00,usd,30.00,0.88,29.12,charge,ch_2,cus_2,ch_2,,",
        "txn_5,2026-06-11 10:00:00,usd,-1.00,0,-1.00,fee,fee_1,,,,",
    )
    await run(command, payments, "--preset", "stripe-payments", "--execute")

    summary = await run(command, balance, "--preset", "stripe-balance", "--execute", status=0)

    assert counts(summary) == {"new": 3, "known": 1, "left out": 1}
    assert [(one.source_id, str(one.amount), one.kind.value, one.user_id) for one in await stored(subscribers)] == [
        ("in_1", "20.00", "subscription", "anna"),
        ("ch_2", "30.00", "one_time", "bea"),
        ("re_1", "-5.00", "refund", "anna"),
        ("dp_1", "-7.00", "refund", "bea"),
    ]


async def test_what_stripe_s_events_have_booked_is_left_alone(
    command: Command, subscribers: Database, settings: Any, written: Written
) -> None:
    there = new("20", source=RevenueSource.STRIPE, source_id="in_1/il_1", overlaps=True)
    await booked(RevenueBook(subscribers, settings.zone), there)
    source = written(PAYMENTS, "ch_1,2026-06-01 10:00:00,20.00,0.00,usd,true,Paid,cus_1,in_1,")

    assert counts(await run(command, source, "--preset", "stripe-payments", "--execute")) == {"known from Stripe": 1}
    assert len(await stored(subscribers)) == 1


async def test_amounts_of_other_currencies_are_told_in_dollars(
    command: Command, database: Database, written: Written
) -> None:
    await Rates(database).add([NewRate(currency="JPY", day=date(2026, 1, 1), usd=Decimal("0.0067"))], by="someone")
    source = written("source_id,amount_minor,currency,at,user_id", "a,2000,JPY,2026-06-01T00:00:00Z,anna")

    await run(command, source, "--execute")

    assert [(one.amount, one.usd) for one in await stored(database)] == [(Decimal(2_000), Decimal("13.4"))]


async def test_an_interrupted_import_resumes_and_books_nothing_twice(
    command: Command, database: Database, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"n{n},1,USD,2026-06-01T00:00:00Z,u{n}" for n in range(25)]
    source = written("source_id,amount,currency,at,user_id", *rows)
    monkeypatch.setattr("scripts.import_revenue.PAGE", 10)
    with monkeypatch.context() as patched:
        failing_after(patched, ImportRevenue, "do", 2)
        with pytest.raises(Interrupted):
            await run(command, source, "--execute")
    assert len(await stored(database)) == 20

    resumed = await run(command, source, "--execute")

    assert (resumed["resumed"], resumed["new"], resumed["known"]) == (True, 25, 0)
    assert sorted(one.sequence for one in await stored(database)) == list(range(1, 26))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--preset", "paypal"), "there is no paypal; there are stripe-invoices, stripe-payments, stripe-balance"),
        (("--currency", "Franken"), "FRANKEN is not one of ISO 4217"),
        (("--column", "colour=x"), "colour is no field"),
        (("--timezone", "Mars"), "Mars"),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_anything_is_read(
    command: Command, written: Written, arguments: tuple[str, ...], message: str
) -> None:
    assert message in await run(command, written("source_id", "a"), *arguments, status=2)


async def test_a_preset_is_not_used_on_another_file(command: Command, written: Written) -> None:
    told = await run(command, written("id,Amount", "a,1"), "--preset", "stripe-invoices", status=1)

    assert "missing column Total, Currency, Finalized At (UTC), Customer, Status; there are id, Amount" in told


async def test_presets_are_listed(command: Command) -> None:
    ended = await asyncio.to_thread(command, "scripts.import_revenue", "--preset")

    assert [line.split()[0] for line in ended.stdout.splitlines()] == [
        "stripe-invoices",
        "stripe-payments",
        "stripe-balance",
    ]
