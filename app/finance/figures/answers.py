"""What finance answers. Money is USD, to 15 decimals; rates are percent."""

from datetime import date, datetime
from decimal import Decimal

from app.finance.figures import formulas
from app.finance.figures.formulas import FORMULAS
from app.finance.figures.mrr import Movement, Recurring
from app.finance.figures.shares import Allocation
from app.reports.query import Synthetic
from app.reports.rows import Row, Window
from models.money import usd_of_units


class FormulaRow(Row):
    """How a figure is computed."""

    name: str
    unit: str
    formula: str


def formulas_of(*names: str) -> list[FormulaRow]:
    """Of some figures."""
    return [FormulaRow(name=each.name, unit=each.unit, formula=each.words) for each in FORMULAS if each.name in names]


def formulas_in(*rows: type[Row]) -> list[FormulaRow]:
    """Of all figures of some rows."""
    return formulas_of(*(field.alias or name for row in rows for name, field in row.model_fields.items()))


class Margin(Row):
    """Revenue beside the cost of one and the same window."""

    recognised: Decimal
    cost: Decimal
    calls: int
    margin: Decimal
    margin_percent: Decimal | None
    """Null where nothing is recognised."""
    return_on_cost: Decimal | None
    """USD recognised for a dollar of cost; null where the cost is 0."""


def margin_of(recognised: int, cost: int, calls: int) -> dict[str, object]:
    """The figures of a margin, from units of 1e-15 USD."""
    revenue, spent = usd_of_units(recognised), usd_of_units(cost)
    return {
        "recognised": revenue,
        "cost": spent,
        "calls": calls,
        "margin": formulas.margin(revenue, spent),
        "margin_percent": formulas.margin_percent(revenue, spent),
        "return_on_cost": formulas.return_on_cost(revenue, spent),
    }


class FinanceTotals(Margin):
    """Of a window."""

    billed: Decimal
    """What came due in it: not what it recognises."""
    unpriced: int
    """Calls without a price: their cost is unknown, and not in `cost`."""


class WithoutRate(Row):
    """Customers whose MRR is not counted for want of a rate."""

    currency: str
    customers: int


class RecurringRevenue(Row):
    """At the end of a window, or now where that is earlier. All demo data is left out, or is as asked for."""

    at: datetime
    mrr: Decimal
    arr: Decimal
    arpu: Decimal | None
    """Null where nobody pays."""
    customers: int
    """Who pay: their MRR is above 0."""
    trials: int
    """Customers in a trial; they count 0."""
    unpriced: int
    """Customers of whose subscription no price is known; they count 0."""
    without_rate: list[WithoutRate]

    @classmethod
    def of(cls, found: Recurring, at: datetime) -> "RecurringRevenue":
        """From units."""
        mrr = usd_of_units(found.units)
        return cls(
            at=at,
            mrr=mrr,
            arr=formulas.arr(mrr),
            arpu=formulas.arpu(mrr, found.paying),
            customers=found.paying,
            trials=found.trials,
            unpriced=found.unpriced,
            without_rate=[
                WithoutRate(currency=currency, customers=count)
                for currency, count in sorted(found.without_rate.items())
            ],
        )


class MrrMovement(Row):
    """From the end of the day before a window to its end; `start` and all movements sum to `end`."""

    start: Decimal
    new: Decimal
    reactivation: Decimal
    upgrade: Decimal
    downgrade: Decimal
    churn: Decimal
    exchange: Decimal
    end: Decimal
    customers_at_start: int
    customers_lost: int
    customer_churn: Decimal | None
    """Null where nobody paid at the start."""
    gross_revenue_churn: Decimal | None
    net_revenue_churn: Decimal | None

    @classmethod
    def of(cls, moved: Movement, start: Recurring, end: Recurring) -> "MrrMovement":
        """From units."""
        usd = {name: usd_of_units(value) for name, value in moved._asdict().items() if name != "lost"}
        before = usd_of_units(start.units)
        return cls(
            start=before,
            **usd,
            end=usd_of_units(end.units),
            customers_at_start=start.paying,
            customers_lost=moved.lost,
            customer_churn=formulas.customer_churn(moved.lost, start.paying),
            gross_revenue_churn=formulas.gross_revenue_churn(usd["churn"], usd["downgrade"], before),
            net_revenue_churn=formulas.net_revenue_churn(usd["churn"], usd["downgrade"], usd["upgrade"], before),
        )


class FinanceDay(Row):
    """One day. Today's is up to now."""

    day: date
    recognised: Decimal
    cost: Decimal
    margin: Decimal
    mrr: Decimal
    """At its end."""


class FinanceSpan(Row):
    """One window as a whole."""

    window: Window
    until: datetime
    """Up to which revenue and cost are counted: the end of the window, or now."""
    totals: FinanceTotals
    recurring: RecurringRevenue
    movement: MrrMovement


class FinanceOverview(FinanceSpan):
    """`GET /api/admin/finance/overview`."""

    synthetic: Synthetic
    previous: FinanceSpan
    """As many days directly before. Where the window ends today, its last day is not over."""
    daily: list[FinanceDay]
    formulas: list[FormulaRow]
    generated_at: datetime


class MarginRow(Row):
    """One plan, client, user, feature, model or campaign. `name` is null in the row of what belongs to none."""

    name: str | None
    recognised: Decimal | None
    """Null where revenue is not shared."""
    cost: Decimal
    calls: int
    margin: Decimal | None
    margin_percent: Decimal | None
    return_on_cost: Decimal | None


class MarginsReport(Row):
    """`GET /api/admin/finance/margins`: all rows sum to the totals exactly."""

    window: Window
    until: datetime
    synthetic: Synthetic
    by: str
    allocation: Allocation | None
    """By what revenue is shared among features, models or campaigns; null where it is theirs by itself."""
    allocation_words: str | None
    totals: Margin
    rows: list[MarginRow]
    unallocated: MarginRow
    """What belongs to none of the rows of any page: revenue that names no plan, client or user, or is not shared."""
    count: int
    """Rows of all pages."""
    next_cursor: str | None
    formulas: list[FormulaRow]
    generated_at: datetime


class Losses(Row):
    """Those who cost more than they bring, the greatest loss first."""

    rows: list[MarginRow]
    count: int
    """Of all, also beyond the rows."""
    loss: Decimal
    """Of all; below 0."""


class LossMaking(Row):
    """`GET /api/admin/finance/loss-making`."""

    window: Window
    until: datetime
    synthetic: Synthetic
    plans: Losses
    cost_without_plan: Decimal
    """Of users who had none: no loss of any plan."""
    users: Losses
    """Of users with revenue of their own."""
    users_without_revenue: int
    """Users with cost to whom no revenue belongs: not losses by themselves, as their client may pay for them."""
    cost_without_revenue: Decimal
    formulas: list[FormulaRow]
    generated_at: datetime
