"""Every figure of finance: its name, its unit, its formula in words, and the function.

API answers, pages, the month's report and docs/finance.md take the words from here. Pure: amounts are Decimal, in USD.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from models.limits import Interval
from models.money import ZERO, quantize_usd

_PERCENT = Decimal("0.01")
_RATIO = Decimal("0.0001")
# of a thousand million beside the last decimal of a cent
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
PER_MONTH = {
    Interval.DAY: (365, 12),
    Interval.WEEK: (52, 12),
    Interval.MONTH: (1, 1),
    Interval.QUARTER: (1, 3),
    Interval.YEAR: (1, 12),
}
"""How many intervals a month has, as a fraction."""


class Formula(NamedTuple):
    """What a figure means."""

    name: str
    """As answers call it."""
    unit: str
    words: str


FORMULAS = tuple(
    Formula(*each)
    for each in (
        (
            "mrr",
            "USD per month",
            (
                "sum over the subscriptions that are active at a moment of their own price in force (else their plan"
                " version's), after the discounts that hold then, normalised to a month: day x 365/12, week x 52/12,"
                " quarter / 3, year / 12; trials count 0; other currencies by the newest rate on or before that day"
            ),
        ),
        ("arr", "USD per year", "mrr x 12"),
        ("arpu", "USD per month", "mrr / paying customers at the same moment"),
        (
            "new",
            "USD per month",
            "mrr at the end of the window of customers who pay then and had never paid before it began",
        ),
        (
            "reactivation",
            "USD per month",
            "mrr at the end of customers who pay then, did not when the window began, and had paid before",
        ),
        (
            "upgrade",
            "USD per month",
            "what customers pay more at the end than at the beginning, by the rate of the end",
        ),
        ("downgrade", "USD per month", "what customers pay less at the end than at the beginning, likewise; below 0"),
        ("churn", "USD per month", "mrr at the beginning of customers who pay nothing at the end; below 0"),
        (
            "exchange",
            "USD per month",
            (
                "what rates alone changed: what customers paid at the beginning in their own currency, x (rate at the"
                " end - rate at the beginning)"
            ),
        ),
        (
            "customerChurn",
            "percent",
            (
                "customers who paid at the beginning of the window and do not at its end / customers who paid at its"
                " beginning x 100"
            ),
        ),
        (
            "grossRevenueChurn",
            "percent",
            "(mrr lost by churn + by downgrades) / mrr at the beginning of the window x 100",
        ),
        (
            "netRevenueChurn",
            "percent",
            (
                "(mrr lost by churn + by downgrades - won by upgrades) / mrr at the beginning x 100; below 0 where more"
                " was won than lost"
            ),
        ),
        (
            "recognised",
            "USD",
            (
                "of each entry of revenue, its amount x the part of its service period that is within the window, by"
                " microseconds, up to now; refunds and credits below 0"
            ),
        ),
        ("billed", "USD", "sum of the entries of revenue that came due within the window; refunds and credits below 0"),
        ("cost", "USD", "sum of the cost of all priced calls of AI within the same window, up to now"),
        ("margin", "USD", "recognised - cost"),
        (
            "marginPercent",
            "percent",
            "margin / recognised x 100; null where nothing is recognised, or refunds took back more",
        ),
        ("returnOnCost", "USD for a dollar", "recognised / cost; null where the cost is 0"),
        (
            "upgradePercent",
            "percent",
            (
                "of the users who used a feature for the first time ever in the window, and whose 30 days after that"
                " are over: those whose own subscription became worth more a month within these 30 days (a first paid"
                " plan, a dearer one, the end of a trial or of a discount) / all of them x 100"
            ),
        ),
        (
            "costPerUpgrade",
            "USD",
            (
                "cost of all calls of the feature within the window / its new users who have upgraded so far; null"
                " where none has"
            ),
        ),
    )
)


def per_month(amount: Decimal, interval: Interval) -> Decimal:
    """A price for an interval as one for a month, to 15 decimals."""
    times, by = PER_MONTH[interval]
    return quantize_usd(amount * times / by)


def arr(mrr: Decimal) -> Decimal:
    return mrr * 12


def arpu(mrr: Decimal, paying: int) -> Decimal | None:
    """USD per month, to cents; None where nobody pays."""
    return _rounded(mrr / paying, _PERCENT) if paying else None


def customer_churn(lost: int, at_start: int) -> Decimal | None:
    """Percent; None where nobody paid at the start."""
    return _share(Decimal(lost), Decimal(at_start))


def gross_revenue_churn(churn: Decimal, downgrade: Decimal, at_start: Decimal) -> Decimal | None:
    """Percent, of movements below 0; None where there was no MRR at the start."""
    return _share(-churn - downgrade, at_start)


def net_revenue_churn(churn: Decimal, downgrade: Decimal, upgrade: Decimal, at_start: Decimal) -> Decimal | None:
    """Percent, of movements as above."""
    return _share(-churn - downgrade - upgrade, at_start)


def margin(recognised: Decimal, cost: Decimal) -> Decimal:
    return recognised - cost


def margin_percent(recognised: Decimal, cost: Decimal) -> Decimal | None:
    """None where nothing was recognised, or refunds took back more: no share of it would mean anything."""
    return _share(recognised - cost, recognised) if recognised > ZERO else None


def return_on_cost(recognised: Decimal, cost: Decimal) -> Decimal | None:
    """USD recognised for one of cost, to 4 decimals; None where the cost is 0."""
    return _rounded(recognised / cost, _RATIO) if cost else None


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return _rounded(part / whole * 100, _PERCENT) if whole else None


def _rounded(value: Decimal, quantum: Decimal) -> Decimal:
    return value.quantize(quantum, context=_WIDE)
