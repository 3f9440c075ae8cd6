from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.finance.figures import formulas
from app.finance.figures.answers import FinanceTotals, MrrMovement, RecurringRevenue, formulas_in
from app.finance.figures.formulas import FORMULAS
from app.finance.figures.shares import allocated, shared

DOCS = Path(__file__).parents[3] / "docs" / "finance.md"


def test_the_docs_say_each_formula_in_the_same_words() -> None:
    found = [line.split("|")[1:4] for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    told = {name.strip(" `"): (unit.strip(), words.strip()) for name, unit, words in found}
    assert [told[each.name] for each in FORMULAS] == [(each.unit, each.words) for each in FORMULAS]


def test_every_figure_of_an_answer_has_a_formula() -> None:
    counts = {"at", "customers", "trials", "unpriced", "withoutRate", "calls", "start", "end"}
    counts |= {"customersAtStart", "customersLost"}
    shown = {
        field.alias or name
        for row in (FinanceTotals, MrrMovement, RecurringRevenue)
        for name, field in row.model_fields.items()
    }
    assert shown - counts <= {each.name for each in FORMULAS}
    told = [each.name for each in formulas_in(RecurringRevenue, MrrMovement, FinanceTotals)]
    assert set(told) == shown - counts


@pytest.mark.parametrize(
    ("recognised", "cost", "percent", "ratio"),
    [
        ("100", "25", "75.00", "4.0000"),
        ("3", "1", "66.67", "3.0000"),
        ("10", "30", "-200.00", "0.3333"),
        ("0", "5", None, "0.0000"),
        ("5", "0", "100.00", None),
        ("0", "0", None, None),
        ("-5", "5", None, "-1.0000"),
    ],
)
def test_a_margin_of_nothing_is_unknown_and_not_zero(
    recognised: str, cost: str, percent: str | None, ratio: str | None
) -> None:
    amounts = Decimal(recognised), Decimal(cost)
    assert formulas.margin_percent(*amounts) == (None if percent is None else Decimal(percent))
    assert formulas.return_on_cost(*amounts) == (None if ratio is None else Decimal(ratio))


def test_a_share_of_next_to_nothing_has_all_of_its_digits() -> None:
    least, most = Decimal("1e-15"), Decimal("999999999999.999999999999999")
    assert formulas.return_on_cost(most, least) == most * 10**15
    assert formulas.margin_percent(least, most) is not None


@given(st.integers(-(10**20), 10**20), st.lists(st.integers(0, 10**18), min_size=1, max_size=30))
def test_shares_sum_to_the_amount_exactly(amount: int, weights: list[int]) -> None:
    weights[0] += 1
    parts = shared(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - amount * weight / sum(weights)) <= 1 + abs(amount) * 1e-12


def test_revenue_of_a_client_is_shared_among_its_own_parts() -> None:
    weights = {"acme": {"chat": 3, "summary": 1}, "beta": {"chat": 1}}
    revenue = {"acme": 100, "beta": 10, "idle": 7, None: 50}
    # 75 and 25 of acme, 10 of beta; of 50 for all, four of five parts are chat's; nobody called at idle
    assert allocated(revenue, weights, ["chat", "summary"]) == ({"chat": 75 + 10 + 40, "summary": 25 + 10}, 7)
