"""Each month of the year, as `Finance` answers, next to what was worked out by hand."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from app.finance.figures.finance import Finance
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.windows import TimeWindow
from tests.finance.figures.the_year import months

ZONE = ZoneInfo("UTC")


def query(first: date, last: date, client: str | None = None, synthetic: Synthetic = Synthetic.EXCLUDE) -> ReportQuery:
    return ReportQuery(TimeWindow(first, last, ZONE), Filters(client_id=client), synthetic)


async def check_months(finance: Finance) -> None:
    """MRR and its movement, customers, churn, trials, recognised and billed."""
    for start, end, month in months():
        overview = await finance.overview(query(start.date(), (end - timedelta(days=1)).date()))
        movement, recurring = overview.movement, overview.recurring
        assert (recurring.mrr, recurring.customers, recurring.trials) == (month.mrr, month.customers, month.trials)
        assert (overview.totals.recognised, overview.totals.billed) == (month.recognised, month.billed)
        moved = (
            *(movement.new, movement.reactivation, movement.upgrade, movement.downgrade),
            *(movement.churn, movement.exchange, movement.customer_churn),
        )
        by_hand = (
            *(month.new, month.reactivation, month.upgrade, month.downgrade),
            *(month.churn, month.exchange, month.customer_churn),
        )
        assert moved == by_hand
        assert movement.start + sum(moved[:6]) == movement.end == overview.daily[-1].mrr
        assert sum(day.recognised for day in overview.daily) == month.recognised
        assert overview.previous.recurring.mrr == movement.start
