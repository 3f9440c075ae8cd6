"""A window of revenue and cost, the one before it, MRR and what moved it, and each day."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from app.finance.figures import revenue_figures
from app.finance.figures.answers import (
    FinanceDay,
    FinanceOverview,
    FinanceSpan,
    FinanceTotals,
    MrrMovement,
    RecurringRevenue,
    formulas_in,
    margin_of,
)
from app.finance.figures.formulas import margin
from app.finance.figures.known import View
from app.finance.figures.known_revenue import moment
from app.finance.figures.revenue_figures import begun, end_of, scope_of
from app.finance.figures.user_costs import units_of
from app.reports.parts import user_days
from app.reports.parts.figures import described
from app.reports.parts.user_days import rows_of_user
from app.reports.periods import before
from app.reports.queries import rollups
from app.reports.query import ReportQuery
from app.reports.reader import Documents, Reader
from models.money import usd_of_units


class DayCost(NamedTuple):
    """What a day cost."""

    units: int = 0
    calls: int = 0
    unpriced: int = 0


NOTHING = DayCost()
DayCosts = Mapping[str, DayCost]
"""By day, as `2026-11-21`."""


async def costs_by_day(read: Reader, query: ReportQuery) -> DayCosts:
    """Of one client or all from the rollups; of one user from its days, or the ledger."""
    rows: Documents
    if query.filters.user_id is None:
        rows = await read.cells(rollups.costs_by_day(query))
    else:
        rows = user_days.by_day(await rows_of_user(read, query))
    return {
        row["_id"]: DayCost(units_of(row.get("cost")), row.get("requests", 0), row.get("unpriced", 0)) for row in rows
    }


def totals(view: View, query: ReportQuery, costs: DayCosts, now: datetime) -> FinanceTotals:
    """Revenue and cost of a window, up to now."""
    until = end_of(query.window, now)
    recognised = sum(revenue_figures.by_day(view, query, until))
    spent = [costs.get(day.isoformat(), NOTHING) for day in query.window.days]
    return FinanceTotals.model_validate(
        {
            **margin_of(recognised, sum(day.units for day in spent), sum(day.calls for day in spent)),
            "billed": usd_of_units(revenue_figures.billed(view, query, until)),
            "unpriced": sum(day.unpriced for day in spent),
        }
    )


def span(view: View, query: ReportQuery, costs: DayCosts, now: datetime) -> FinanceSpan:
    """One window as a whole."""
    window, scope = query.window, scope_of(query)
    until = end_of(window, now)
    first, last = moment(window.start) - 1, moment(until) - 1
    start, end = (view.recurring.at(each, scope, window.zone) for each in (first, last))
    moved = view.recurring.moved(first, last, scope, window.zone)
    return FinanceSpan(
        window=described(window),
        until=until,
        totals=totals(view, query, costs, now),
        recurring=RecurringRevenue.of(end, until),
        movement=MrrMovement.of(moved, start, end),
    )


def overview(view: View, query: ReportQuery, costs: DayCosts, now: datetime) -> FinanceOverview:
    """The report. `costs` are those of the window and of the one before it."""
    whole = span(view, query, costs, now)
    return FinanceOverview(
        **{name: getattr(whole, name) for name in FinanceSpan.model_fields},
        synthetic=query.synthetic,
        previous=span(view, before(query), costs, now),
        daily=_daily(view, query, costs, whole.until),
        formulas=formulas_in(RecurringRevenue, MrrMovement, FinanceTotals),
        generated_at=now,
    )


def _daily(view: View, query: ReportQuery, costs: DayCosts, until: datetime) -> list[FinanceDay]:
    window, bounds = query.window, begun(query.window, until)
    if len(bounds) == 1:
        return []
    ends = [moment(end) - 1 for end in bounds[1:]]
    mrr = view.recurring.by_day(ends, scope_of(query), window.zone)
    found = []
    for day, recognised, recurring in zip(window.days, revenue_figures.by_day(view, query, until), mrr, strict=False):
        revenue, cost = usd_of_units(recognised), usd_of_units(costs.get(day.isoformat(), NOTHING).units)
        found.append(
            FinanceDay(
                day=day, recognised=revenue, cost=cost, margin=margin(revenue, cost), mrr=usd_of_units(recurring)
            )
        )
    return found
