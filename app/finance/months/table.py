"""The report of a month as one table: a row for each figure of each part, with every decimal. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass
from decimal import Decimal
from typing import Any

from app.finance.months.report import MonthReport, Share
from app.reports.csv import text_of
from app.reports.rows import Totals
from models.base import camel


@dataclass(frozen=True)
class Line:
    """One row. What a part does not have is empty."""

    section: str
    name: str = ""
    provider: str = ""
    requests: int | None = None
    tokens: int | None = None
    cost: Decimal | None = None
    saved_cost: Decimal | None = None
    unpriced: int | None = None
    cost_before: Decimal | None = None
    amount: Decimal | None = None
    """USD: a budget, revenue, an invoice, what is explained; of `margin percent` and `return on cost` that ratio."""
    note: str = ""


COLUMNS = ["month", "clientId", "userId", "status", *(camel(name) for name in asdict(Line("")))]


def as_csv(report: MonthReport) -> str:
    """RFC 4180, with texts that no spreadsheet runs."""
    whose = [report.month, report.client_id, report.user_id, report.status.value]
    rows: list[list[Any]] = [COLUMNS]
    rows += [[*whose, *astuple(line)] for line in lines(report)]
    return text_of(rows)


def lines(report: MonthReport) -> Iterator[Line]:
    """Every row, in the order of the report."""
    yield _totals("total", report.totals, cost_before=report.changed.totals.cost)
    yield _totals("month before", report.changed.totals)
    yield from (_totals("day", day, name=day.day.isoformat()) for day in report.daily)
    for cause, amount in report.explained.totals.effects:
        yield Line("change by", camel(cause), amount=amount)
    for section, shares in (("feature", report.by_feature), ("provider", report.by_provider)):
        yield from (_share(section, share) for share in shares)
    yield from (_share("model", share, provider=share.provider) for share in report.by_model)
    for user in report.top_users:
        yield Line("user", user.user_id, "", user.requests, user.tokens, user.cost, user.saved_cost)
    for each in report.unpriced:
        yield Line("unpriced", each.model, each.provider, each.requests, each.tokens.total, note=each.reason)
    for model in report.estimated:
        yield Line("estimated", model.model, model.provider, model.requests, model.tokens.total, model.cost)
    for version in report.price_versions or ():
        yield Line("price version", version.version or "", requests=version.calls, cost=version.cost)
    yield from _money(report)


def _money(report: MonthReport) -> Iterable[Line]:
    for budget in report.budgets:
        yield Line("budget", budget.name or budget.of, cost=budget.spent, amount=budget.amount, note=budget.of)
    if (revenue := report.revenue) is not None:
        yield Line("recognised revenue", cost=revenue.cost, amount=revenue.recognised)
        yield Line("billed", amount=revenue.billed)
        yield Line("margin", amount=revenue.margin)
        yield from _ratio("margin percent", revenue.margin_percent)
        yield from _ratio("return on cost", revenue.return_on_cost)
    for each in report.reconciliation or ():
        yield Line("invoiced", each.provider, cost=each.recorded, amount=each.invoiced)
        if each.invoiced is None:
            continue
        for cause in each.explanations:
            yield Line("explained", each.provider, requests=cause.calls, amount=cause.explained, note=cause.cause)
        yield Line("unexplained", each.provider, amount=each.unexplained)
    if (drift := report.drift) is not None:
        yield Line("changed since the closing", requests=drift.requests, cost=drift.cost)
        if drift.late_cost is not None:
            yield Line("changed since the closing", "late calls", requests=drift.late_calls, cost=drift.late_cost)
            yield Line("changed since the closing", "repriced", requests=drift.repriced_calls, cost=drift.repriced_cost)
            yield Line("changed since the closing", "other", cost=drift.other_cost)


def _ratio(section: str, value: Decimal | None) -> Iterator[Line]:
    """One that nothing can be divided by is not there."""
    if value is not None:
        yield Line(section, amount=value)


def _totals(section: str, of: Totals, *, name: str = "", cost_before: Decimal | None = None) -> Line:
    tokens, saved = of.tokens.total, of.saved_cost
    return Line(section, name, "", of.requests, tokens, of.cost, saved, of.unpriced, cost_before=cost_before)


def _share(section: str, of: Share, provider: str = "") -> Line:
    figures = (of.requests, of.tokens, of.cost, of.saved_cost, of.unpriced, of.cost_before)
    return Line(section, of.name, provider, *figures)
