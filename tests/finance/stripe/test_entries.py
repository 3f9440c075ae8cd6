"""What comes due by an invoice and what of it is taken back: of Stripe's own objects, with figures made by hand."""

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.finance.stripe.entries import Paid, Papers, wanted
from app.finance.stripe.facts import CreditNote, Dispute, Invoice, Refund, Whose
from app.finance.stripe.reading import read
from models.revenue import NewRevenue
from tests.finance.stripe import objects
from tests.finance.stripe.objects import Object, became, utc

START, END = utc(2025, 3, 1), utc(2025, 4, 1)
OWNER = Whose(user_id="u1", client_id="acme")


def invoice(*lines: Object, status: str = "paid", **more: Any) -> Object:
    draft = objects.invoice("in_1", "cus_1", START, *lines, subscription="sub_1", **more)
    open_ = became(draft, "open", START)
    return open_ if status == "open" else became(open_, status, START)


def line(cents: int, number: int = 1, **more: Any) -> Object:
    return objects.line(f"il_{number}", cents, START, END, subscription="sub_1", **more)


def facts(of: Object) -> Any:
    return read(of)[0]


def refund(cents: int, day: int = 10, number: int = 1, **more: Any) -> Object:
    return objects.refund(f"re_{number}", "pi_1", cents, utc(2025, 3, day), **more)


def note(cents: int, day: int = 10, *, tax: int = 0, lines: tuple[Object, ...] = (), **more: Any) -> Object:
    return {
        "id": "cn_1",
        "object": "credit_note",
        "invoice": "in_1",
        "created": objects.seconds(utc(2025, 3, day)),
        "currency": "usd",
        "lines": objects.listed(*lines),
        "refunds": [],
        "status": "issued",
        "total": cents + tax,
        "total_excluding_tax": cents,
        **more,
    }


def dispute(cents: int, status: str, day: int = 10) -> Object:
    return {
        "id": "du_1",
        "object": "dispute",
        "amount": cents,
        "balance_transactions": [],
        "charge": "ch_1",
        "created": objects.seconds(utc(2025, 3, day)),
        "currency": "usd",
        "payment_intent": "pi_1",
        "status": status,
    }


def entries(of: Object, *others: Object) -> list[NewRevenue]:
    return found(of, *others)[0]


def found(of: Object, *others: Object) -> tuple[list[NewRevenue], str | None]:
    papers = [facts(each) for each in others]
    invoice: Invoice = facts(of)
    refunds = [each for each in papers if isinstance(each, Refund | Dispute)]
    notes = [each for each in papers if isinstance(each, CreditNote)]
    result = wanted(Papers(invoice, refunds, notes), OWNER, lambda _: Paid("sub_1", "pro", 1))
    return result.entries, result.refused


def told(these: list[NewRevenue]) -> list[str]:
    return [f"{one.source_id} {one.kind} {one.amount} {one.start:%m%d}-{one.end:%m%d}" for one in these]


def test_a_line_comes_due_for_its_period_when_the_invoice_is_final() -> None:
    (one,) = entries(invoice(line(3_000)))

    assert told([one]) == ["in_1/il_1 subscription 30.00 0301-0401"]
    assert (one.at, one.currency, one.user_id, one.client_id, one.plan) == (START, "USD", "u1", "acme", "pro")
    assert entries(objects.invoice("in_1", "cus_1", START, line(3_000))) == []
    assert entries(invoice(line(0))) == []


def test_an_amount_is_what_is_left_without_discounts_taxes_and_credits() -> None:
    taxes = [
        {"amount": 300, "tax_behavior": "inclusive", "type": "tax_rate_details"},
        {"amount": 500, "tax_behavior": "exclusive", "type": "tax_rate_details"},
    ]
    credits_ = [{"amount": 100, "type": "credit_balance_transaction"}, {"amount": 1_000, "type": "discount"}]
    older: Object = {
        "taxes": None,
        "tax_amounts": [{"amount": 300, "inclusive": True}, {"amount": 500, "inclusive": False}],
    }

    # 50.00 - discount 10.00 - inclusive tax 3.00 - credit 1.00
    (one,) = entries(invoice(line(5_000, discounted=1_000, taxes=taxes, pretax_credit_amounts=credits_)))
    (two,) = entries(invoice(line(5_000, discounted=1_000, **older)))

    assert (one.amount, two.amount) == (Decimal(36), Decimal(37))


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("usd", 1_999, "19.99"),
        ("jpy", 1_999, "1999"),
        ("kwd", 1_990, "1.990"),
        ("isk", 50_000, "500"),
        ("ugx", 500, "5"),
    ],
)
def test_amounts_are_counted_as_stripe_counts_a_currency(currency: str, minor: int, amount: str) -> None:
    price = objects.price("price_1", minor, currency=currency)

    (one,) = entries(invoice(line(minor, of=price)))

    assert (one.amount, one.currency) == (Decimal(amount), currency.upper())


def test_a_refund_takes_back_from_its_moment_on() -> None:
    assert told(entries(invoice(line(3_000)), refund(1_000))) == [
        "in_1/il_1 subscription 30.00 0301-0401",
        "in_1/il_1/re_1 refund -10.00 0310-0401",
    ]


def test_a_refund_after_the_service_is_of_its_moment() -> None:
    late = objects.refund("re_1", "pi_1", 1_000, utc(2025, 5, 2))

    _, one = entries(invoice(line(3_000)), late)

    assert (one.start, one.end, one.amount) == (utc(2025, 5, 2), utc(2025, 5, 2), Decimal(-10))


def test_of_a_refund_the_tax_is_no_revenue_and_parts_give_back_exactly_all() -> None:
    # 10.00 and 19% tax: 11.90; thirds of it are 3.97, 3.97 and 3.96
    parts = [refund(397, 10, 1), refund(397, 11, 2), refund(396, 12, 3)]

    _, *taken = entries(invoice(line(1_000), tax=190), *parts)

    assert [one.amount for one in taken] == [Decimal("-3.34"), Decimal("-3.33"), Decimal("-3.33")]


def test_a_refund_of_several_lines_is_spread_in_proportion() -> None:
    # 10.00 of 20.00 + 30.00 - 10.00: of the lines above 0, 4.00 and 6.00
    assert told(entries(invoice(line(2_000, 1), line(3_000, 2), line(-1_000, 3)), refund(1_000))) == [
        "in_1/il_1 subscription 20.00 0301-0401",
        "in_1/il_2 subscription 30.00 0301-0401",
        "in_1/il_3 credit -10.00 0301-0401",
        "in_1/il_1/re_1 refund -4.00 0310-0401",
        "in_1/il_2/re_1 refund -6.00 0310-0401",
    ]


def test_a_refund_beyond_the_payment_takes_back_what_is_left_and_is_told() -> None:
    taken, refused = found(invoice(line(3_000)), refund(2_000, 10, 1), refund(1_500, 11, 2))

    assert [one.amount for one in taken] == [Decimal(30), Decimal(-20), Decimal(-10)]
    assert refused == "refund re_2 of 15.00 USD is more than the 10.00 that are left"


def test_a_refund_that_failed_takes_nothing_back() -> None:
    assert len(entries(invoice(line(3_000)), refund(1_000, status="failed"))) == 1
    assert len(entries(invoice(line(3_000)), refund(1_000, status="pending"))) == 2


@pytest.mark.parametrize(
    ("status", "taken"), [("needs_response", 0), ("under_review", 0), ("won", 0), ("warning_closed", 0), ("lost", 1)]
)
def test_a_dispute_takes_back_once_it_is_lost(status: str, taken: int) -> None:
    assert len(entries(invoice(line(3_000)), dispute(3_000, status))) == 1 + taken


def test_a_credit_note_takes_back_of_the_lines_that_it_names() -> None:
    credited = {"object": "credit_note_line_item", "amount": 500, "invoice_line_item": "il_2", "discount_amounts": []}

    taken = entries(invoice(line(2_000, 1), line(3_000, 2)), note(500, lines=(credited,)))

    assert told(taken)[2:] == ["in_1/il_2/cn_1 refund -5.00 0310-0401"]


def test_a_credit_note_and_its_refund_count_once_whichever_came_first() -> None:
    of = invoice(line(3_000), tax=600)
    with_refund = note(3_000, tax=600, refunds=[{"refund": "re_1", "amount_refunded": 2_400, "type": "refund"}])

    # 24.00 of 36.00 were refunded, which is 20.00 without tax; the other 10.00 are credited
    both = entries(of, with_refund, refund(2_400))
    failed = entries(of, with_refund, refund(2_400, status="failed"))

    assert told(both)[1:] == ["in_1/il_1/re_1 refund -20.00 0310-0401", "in_1/il_1/cn_1 refund -10.00 0310-0401"]
    assert told(failed)[1:] == ["in_1/il_1/cn_1 refund -30.00 0310-0401"]
    assert entries(of, note(3_000, tax=600, status="void"))[1:] == []


def test_a_voided_invoice_is_taken_back_whole_and_its_past_stays() -> None:
    void = became(invoice(line(3_000), line(-500, 2), status="open"), "void", utc(2025, 3, 20))

    assert told(entries(void)) == [
        "in_1/il_1 subscription 30.00 0301-0401",
        "in_1/il_2 credit -5.00 0301-0401",
        "in_1/il_1/void refund -30.00 0320-0401",
        "in_1/il_2/void subscription 5.00 0320-0401",
    ]


def test_what_was_given_up_and_paid_after_all_is_there_again() -> None:
    given_up = became(invoice(line(3_000), status="open"), "uncollectible", utc(2025, 3, 20))

    assert told(entries(given_up))[1:] == ["in_1/il_1/uncollectible refund -30.00 0320-0401"]
    assert told(entries(became(given_up, "paid", utc(2025, 3, 25))))[1:] == [
        "in_1/il_1/uncollectible refund -30.00 0320-0401",
        "in_1/il_1/paid subscription 30.00 0325-0401",
    ]


def test_an_invoice_of_an_older_version_says_the_same() -> None:
    price = objects.price("price_1", 3_000, plan="pro")
    older = {
        **invoice(),
        "subscription": "sub_1",
        "parent": None,
        "payment_intent": "pi_1",
        "charge": "ch_1",
        "lines": objects.listed(
            {
                "id": "il_1",
                "amount": 3_000,
                "currency": "usd",
                "period": {"start": objects.seconds(START), "end": objects.seconds(END)},
                "plan": {"id": "price_1", "usage_type": "licensed"},
                "price": price,
                "proration": False,
                "tax_amounts": [],
                "type": "subscription",
            }
        ),
        "total": 3_000,
    }

    read_invoice, read_price = read(older)

    assert isinstance(read_invoice, Invoice)
    assert (read_invoice.subscription, read_invoice.payments, read_price.id) == ("sub_1", ("ch_1", "pi_1"), "price_1")
    assert told(entries(older)) == ["in_1/il_1 subscription 30.00 0301-0401"]


@given(
    lines=st.lists(st.integers(-2_000, 5_000), min_size=1, max_size=4),
    tax=st.integers(0, 900),
    refunds=st.lists(st.integers(1, 4_000), max_size=4),
    credited=st.integers(0, 3_000),
    seed=st.integers(0, 99),
)
def test_whatever_is_taken_back_no_line_is_below_nothing_and_the_order_is_none(
    lines: list[int], tax: int, refunds: list[int], credited: int, seed: int
) -> None:
    of = invoice(*(line(cents, number) for number, cents in enumerate(lines)), tax=tax)
    papers = [refund(cents, 10 + number, number) for number, cents in enumerate(refunds)]
    papers.append(note(credited))
    shuffled = random.Random(seed).sample(papers, len(papers))

    made = entries(of, *papers)

    assert entries(of, *shuffled) == made
    assert len({one.source_id for one in made}) == len(made)
    for number, cents in enumerate(lines):
        of_line = [one.amount for one in made if one.source_id.split("/")[1] == f"il_{number}"]
        assert min(cents, 0) <= sum(of_line) * 100 <= max(cents, 0)
    if sum(lines) > 0 and sum(refunds) >= sum(lines) + tax:
        given_back = -sum(one.amount for one in made if "/re_" in one.source_id)
        assert given_back * 100 == sum(lines)
