"""What a printed report says, from which page and PDF are set. Pure."""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from app.finance.months.printing.sections import sections
from app.finance.months.printing.shapes import Figure, Layout
from app.finance.months.printing.words import count, exactly, more, percent, usd
from app.finance.months.report import MonthReport, MonthStatus, PriceVersion

STATUS = {
    MonthStatus.PREVIEW: "Preview: the month is not over",
    MonthStatus.OPEN: "Over, not closed: late calls and new prices still change it",
    MonthStatus.CLOSED: "Closed",
}


def laid_out(report: MonthReport, deployment: str | None = None) -> Layout:
    """The report as it is printed. `deployment`: the address of its pages."""
    zone = ZoneInfo(report.window.timezone)
    made = f"{report.generated_at.astimezone(zone):%Y-%m-%d %H:%M} {zone.key}"
    title = f"AI usage and cost, {report.month}"
    status = STATUS[report.status]
    if report.closed_at is not None:
        status = f"Closed at {report.closed_at.astimezone(zone):%Y-%m-%d %H:%M} by {report.closed_by}"
    prices = _versions_in_short(report.price_versions)
    facts = [
        ("Whose", report.of),
        ("Days", f"{report.window.first} to {report.window.last}, as {zone.key} counts them"),
        ("State", status),
        ("Prices", prices),
        ("Made", made),
    ]
    if deployment is not None:
        facts.append(("Deployment", deployment))
    if report.synthetic != "exclude":
        facts.append(("Demo data", "only demo data" if report.synthetic == "only" else "included"))
    return Layout(
        title=title,
        of=report.of,
        mark=STATUS[MonthStatus.PREVIEW] if report.status is MonthStatus.PREVIEW else "",
        header=f"twinmeter · {report.month} · {report.of}",
        footer=f"Days of {zone.key} · made {made} · prices: {prices}",
        facts=facts,
        figures=list(_figures(report)),
        sections=[section for section in sections(report) if section is not None],
    )


def _figures(report: MonthReport) -> Iterable[Figure]:
    totals, changed = report.totals, report.changed
    against = f"against {changed.window.first} to {changed.window.last}"
    yield Figure("Cost, USD", usd(totals.cost), f"exactly {exactly(totals.cost)}")
    yield Figure("Change", more(changed.cost), f"{percent(changed.cost_percent, sign=True)} {against}")
    yield Figure("Calls", count(totals.requests), f"{percent(changed.requests_percent, sign=True)} {against}")
    yield Figure(
        "Tokens", count(totals.tokens.total), f"{count(totals.tokens.input)} in, {count(totals.tokens.output)} out"
    )
    yield Figure("Saved by caches", usd(report.saved.saved_cost), f"{count(report.saved.calls)} calls")
    yield Figure("Active users", count(report.active_users), f"{percent(totals.success_rate)} of calls succeeded")
    yield Figure("Without a price", count(totals.unpriced), "calls, whose cost is in no figure")
    yield Figure("Estimated", count(totals.estimated), "calls, whose cost is in every figure")
    if (revenue := report.revenue) is not None:
        yield Figure("Recognised revenue", usd(revenue.recognised), f"billed: {usd(revenue.billed)}")
        yield Figure("Margin", usd(revenue.margin), f"{percent(revenue.margin_percent)} of revenue")


def _versions_in_short(versions: Sequence[PriceVersion] | None) -> str:
    if versions is None:
        return "not counted yet"
    named = [each.version for each in versions if each.version is not None]
    lists = [name for name in named if not name.startswith("override ")]
    overrides = len(named) - len(lists)
    said = [*lists[:2], *([f"{len(lists) - 2} more"] if len(lists) > 2 else [])]  # noqa: PLR2004 - two fit
    if overrides:
        said.append(f"{overrides} own prices" if overrides > 1 else "1 own price")
    return ", ".join(said) or "none"
