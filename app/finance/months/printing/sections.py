"""The sections of a printed report, in order. Pure."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from app.finance.months.printing.shapes import Column, Section
from app.finance.months.printing.words import ROUNDED, UNKNOWN, count, more, percent, reason, usd
from app.finance.months.report import Drift, ModelShare, MonthReport, ReconciledProvider, Share
from models.money import ZERO

MOST_CHANGES = 5
WORDS_OF_EFFECTS = {
    "days": "Days: the months are of different length",
    "volume": "Volume: features were used more or less",
    "mix": "Mix: other models answered",
    "tokens": "Tokens: a call used more or less",
    "price": "Price: the same usage cost more or less",
    "caching": "Caching: caches saved more or less of it",
}
MOST_ROWS = 30
"""Of a table; the rest is one row, and whole in CSV and JSON."""
REST = "other"

NAME, PROVIDER = Column("Name", width=3), Column("Provider")
REQUESTS, COST, BEFORE = Column("Calls", right=True), Column("Cost", right=True), Column("Month before", right=True)
CHANGE, TOKENS = Column("Change", right=True), Column("Tokens", right=True)


def sections(report: MonthReport) -> Iterable[Section | None]:
    yield _drift(report.drift)
    yield _change(report)
    yield Section("Cost by day", chart="days", columns=[Column("Day"), REQUESTS, TOKENS, COST], rows=_days(report))
    yield _shares("Cost by model", report.by_model, "models", [NAME, PROVIDER])
    yield _shares("Cost by feature", report.by_feature, "features", [NAME])
    yield _shares("Cost by provider", report.by_provider, None, [NAME])
    yield _users(report)
    yield _unpriced(report)
    yield _estimated(report)
    yield _budgets(report)
    yield _revenue(report)
    yield from _reconciliation(report.reconciliation)
    yield _prices(report)


def _change(report: MonthReport) -> Section:
    explained = report.explained
    rows = [[WORDS_OF_EFFECTS[name], more(amount)] for name, amount in explained.totals.effects if amount]
    largest = [
        f"{part.name}: {more(part.change)}, mostly {part.largest}"
        for part in explained.top[:MOST_CHANGES]
        if part.change and part.largest
    ]
    return Section(
        "What changed, and why",
        notes=[
            f"{explained.compared}: {more(explained.totals.change)} USD. The causes sum to the change exactly.",
            *largest,
        ],
        columns=[Column("Cause"), Column("USD", right=True)],
        rows=rows,
        empty="Nothing changed.",
    )


def _days(report: MonthReport) -> list[list[str]]:
    return [[str(day.day), count(day.requests), count(day.tokens.total), usd(day.cost)] for day in report.daily]


def _shares(title: str, shares: Sequence[Share], chart: str | None, names: list[Column]) -> Section:
    rows = [_share(share) for share in shares[:MOST_ROWS]]
    if rest := shares[MOST_ROWS:]:
        figures = [sum(each) for each in zip(*((s.requests, s.tokens) for s in rest), strict=True)]
        amounts = [sum(each, ZERO) for each in zip(*((s.cost, s.cost_before, s.change) for s in rest), strict=True)]
        name = [f"{REST} ({count(len(rest))})", *[""] * (len(names) - 1)]
        rows.append([*name, count(figures[0]), count(figures[1]), usd(amounts[0]), usd(amounts[1]), more(amounts[2])])
    return Section(
        title,
        chart=chart if any(share.cost or share.cost_before for share in shares) else None,
        columns=[*names, REQUESTS, TOKENS, COST, BEFORE, CHANGE],
        rows=rows,
        empty="No call in this month or the one before.",
    )


def _share(share: Share) -> list[str]:
    names = [share.name, share.provider] if isinstance(share, ModelShare) else [share.name]
    figures = [count(share.requests), count(share.tokens), usd(share.cost), usd(share.cost_before), more(share.change)]
    return [*names, *figures]


def _users(report: MonthReport) -> Section | None:
    if report.user_id is not None:
        return None
    return Section(
        "Users with the most calls",
        columns=[Column("User"), REQUESTS, TOKENS, COST],
        rows=[[each.user_id, count(each.requests), count(each.tokens), usd(each.cost)] for each in report.top_users],
        empty="No user has a call in this month.",
    )


def _unpriced(report: MonthReport) -> Section:
    shown = sum(each.requests for each in report.unpriced)
    left = report.totals.unpriced - shown
    return Section(
        "Calls without a price",
        notes=["Their cost is not known, and in no figure of this report."] if report.unpriced else [],
        columns=[Column("Model", width=3), PROVIDER, Column("Why", width=2), REQUESTS, TOKENS],
        rows=[
            [each.model, each.provider, reason(each.reason), count(each.requests), count(each.tokens.total)]
            for each in report.unpriced
        ]
        + ([[REST, "", "", count(left), ""]] if left else []),
        empty="Every call has a price.",
    )


def _estimated(report: MonthReport) -> Section:
    return Section(
        "Calls whose tokens were estimated",
        columns=[Column("Model", width=3), PROVIDER, REQUESTS, TOKENS, COST],
        rows=[
            [each.model, each.provider, count(each.requests), count(each.tokens.total), usd(each.cost)]
            for each in report.estimated
        ],
        empty="No call was estimated.",
    )


def _budgets(report: MonthReport) -> Section:
    return Section(
        "Budgets",
        notes=["Limits in USD per month: what was spent of them, demo data aside."] if report.budgets else [],
        columns=[
            Column("Of", width=5),
            Column("Kind"),
            Column("Budget", right=True),
            Column("Spent", right=True),
            Column("Used", right=True),
        ],
        rows=[
            [
                f"{each.name} ({each.of})" if each.name else each.of,
                each.kind,
                usd(each.amount),
                usd(each.spent),
                percent(each.percent),
            ]
            for each in report.budgets
        ],
        empty="There is no limit in USD per month.",
    )


def _revenue(report: MonthReport) -> Section | None:
    if (revenue := report.revenue) is None:
        return None
    return Section(
        "Revenue and margin",
        notes=["Revenue and cost are of the same days. Margin = recognised revenue \N{MINUS SIGN} cost."],
        columns=[Column("Figure"), Column("USD", right=True)],
        rows=[
            ["Recognised revenue", usd(revenue.recognised)],
            ["Billed", usd(revenue.billed)],
            ["AI cost", usd(revenue.cost)],
            ["Margin", usd(revenue.margin)],
            ["Margin of revenue", percent(revenue.margin_percent)],
            ["Return on AI cost", UNKNOWN if revenue.return_on_cost is None else f"{revenue.return_on_cost:,.4f}"],
        ],
    )


def _reconciliation(providers: Sequence[ReconciledProvider] | None) -> Iterable[Section]:
    if providers is None:
        return
    yield Section(
        "Providers' invoices against the ledger",
        notes=["Difference = invoiced \N{MINUS SIGN} recorded. What nothing here explains is unexplained."],
        columns=[
            Column("Provider"),
            *(
                Column(title, right=True)
                for title in ("Invoiced", "Recorded", "Difference", "Explained", "Unexplained")
            ),
        ],
        rows=[
            [
                each.provider,
                "no invoice entered" if each.invoiced is None else usd(each.invoiced),
                usd(each.recorded),
                usd(each.difference),
                usd(None if each.invoiced is None else sum((e.explained for e in each.explanations), ZERO)),
                usd(each.unexplained),
            ]
            for each in providers
        ],
        empty="No provider has a call or an invoice.",
    )
    causes = [(each.provider, e) for each in providers if each.invoiced is not None for e in each.explanations]
    if causes:
        yield Section(
            "What may explain the differences",
            columns=[
                Column("Provider"),
                Column("Cause", width=4),
                *(Column(title, right=True) for title in ("Calls", "At most", "Explained")),
            ],
            rows=[[name, e.words, count(e.calls), usd(e.up_to), usd(e.explained)] for name, e in causes],
        )


def _prices(report: MonthReport) -> Section:
    return Section(
        "Price versions",
        notes=[ROUNDED],
        columns=[Column("Version"), REQUESTS, COST],
        rows=[
            [each.version or "none: cost reported by the caller, or none", count(each.calls), usd(each.cost)]
            for each in report.price_versions or ()
        ],
        empty="The month has too many calls to look at each; they are counted when it is closed.",
    )


def _drift(drift: Drift | None) -> Section | None:
    if drift is None:
        return None
    rows: list[tuple[str, int | None, Decimal | None]] = [
        ("Calls recorded after the closing", drift.late_calls, drift.late_cost),
        ("Calls priced again", drift.repriced_calls, drift.repriced_cost),
        ("Other changes", None, drift.other_cost),
    ]
    return Section(
        "Changed since the closing",
        notes=[
            f"Against the closing, the ledger has {drift.requests:+,} calls and {more(drift.cost)} USD.",
            "This report shows what was kept then.",
        ],
        columns=[Column("Why"), REQUESTS, COST],
        rows=[[why, UNKNOWN if calls is None else count(calls), usd(cost)] for why, calls, cost in rows],
    )
