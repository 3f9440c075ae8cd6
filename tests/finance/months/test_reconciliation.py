"""A provider's invoice against the ledger: every cent is explained, or told to be unexplained."""

from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from app.finance.months.reconciliation import (
    ESTIMATED,
    TIERS,
    UNPRICED,
    Calls,
    Cause,
    Invoiced,
    Recorded,
    kept,
    reconciled,
    recorded,
)
from app.finance.months.report import ReconciledProvider, Share
from models.money import ZERO


def one(invoiced: str | None, *causes: Cause, cost: str = "100") -> ReconciledProvider:
    invoices = {} if invoiced is None else {"openai": Invoiced(1, Decimal(invoiced))}
    (found,) = reconciled([Recorded("openai", Decimal(cost), causes)], invoices)
    return found


def cause(name: str, up_to: str | None) -> Cause:
    return Cause(name, 3, None if up_to is None else Decimal(up_to))


@pytest.mark.parametrize(
    ("invoiced", "causes", "explained", "unexplained"),
    [
        # the invoice is what was recorded
        ("100", [cause(UNPRICED, "5")], ["0"], "0"),
        # a part is explained, the rest is named
        ("110", [cause(UNPRICED, "5"), cause(TIERS, "2")], ["5", "2"], "3"),
        # never more than the difference
        ("104", [cause(UNPRICED, "5"), cause(TIERS, "2")], ["4", "0"], "0"),
        # calls without a price never make an invoice lower; estimates and tiers may
        ("90", [cause(UNPRICED, "5"), cause(ESTIMATED, "4"), cause(TIERS, "2")], ["0", "-4", "-2"], "-4"),
        # what nobody knows explains nothing
        ("110", [cause(UNPRICED, None)], ["0"], "10"),
        ("110", [], [], "10"),
    ],
)
def test_causes_take_what_they_can_and_the_rest_is_unexplained(
    invoiced: str, causes: list[Cause], explained: list[str], unexplained: str
) -> None:
    found = one(invoiced, *causes)
    assert [each.explained for each in found.explanations] == [Decimal(each) for each in explained]
    assert found.unexplained == Decimal(unexplained)


amounts = st.decimals(-1_000, 1_000, places=15)
causes_of_any_kind = st.lists(
    st.builds(Cause, st.sampled_from([UNPRICED, ESTIMATED, TIERS]), st.just(1), st.none() | amounts.map(abs)),
    max_size=3,
)


@given(invoiced=amounts, cost=amounts, causes=causes_of_any_kind)
def test_parts_sum_to_the_difference(invoiced: Decimal, cost: Decimal, causes: list[Cause]) -> None:
    (found,) = reconciled([Recorded("p", cost, tuple(causes))], {"p": Invoiced(1, invoiced)})
    parts = [each.explained for each in found.explanations]
    assert found.difference == invoiced - cost == sum(parts, ZERO) + (found.unexplained or ZERO)
    assert all(part == 0 or (part > 0) == (found.difference > 0) for part in parts)


def test_without_an_invoice_nothing_is_said_of_a_difference() -> None:
    found = one(None, cause(UNPRICED, "5"))
    assert (found.invoiced, found.difference, found.unexplained) == (None, None, None)
    assert [each.up_to for each in found.explanations] == [Decimal(5)]


def test_an_invoice_of_a_provider_without_calls_is_unexplained() -> None:
    (found,) = reconciled([], {"aws": Invoiced(2, Decimal(7))})
    assert (found.provider, found.recorded, found.unexplained, found.invoices) == ("aws", ZERO, Decimal(7), 2)


def test_calls_without_a_price_are_taken_to_be_as_dear_as_others() -> None:
    more = {"tokens": 0, "saved_cost": ZERO, "cost_before": ZERO, "change": ZERO}
    some = Share(name="openai", requests=10, cost=Decimal(14), unpriced=3, **more)
    none = Share(name="acme", requests=2, cost=ZERO, unpriced=2, **more)
    first, second = recorded([some, none], {"openai": Calls(1, Decimal(2))}, {"openai": Calls(4, Decimal(5))})
    assert first.causes == (
        Cause(UNPRICED, 3, Decimal(6)),
        Cause(ESTIMATED, 1, Decimal(2)),
        Cause(TIERS, 4, Decimal(5)),
    )
    assert second.causes == (Cause(UNPRICED, 2, None),)


def test_what_was_kept_is_reconciled_with_later_invoices() -> None:
    before = reconciled([Recorded("openai", Decimal(100), (cause(UNPRICED, "5"),))], {})
    (after,) = reconciled(kept(before), {"openai": Invoiced(1, Decimal(103))})
    assert (after.difference, after.unexplained) == (Decimal(3), ZERO)
