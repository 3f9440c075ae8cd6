"""Reports of months made up for tests of how they are printed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.finance.months.reconciliation import Cause, Invoiced, Recorded, reconciled
from app.finance.months.report import (
    Budget,
    Changed,
    ModelShare,
    MonthReport,
    MonthStatus,
    PriceVersion,
    RevenueOfMonth,
    Saved,
    Share,
)
from app.reports.explained import (
    Effects,
    Explained,
    ExplainedModel,
    ExplainedPart,
    ExplainReport,
    OtherUsers,
    Side,
    Status,
)
from app.reports.parts.series import SeriesPoint
from app.reports.quality import UnpricedCalls
from app.reports.query import Synthetic
from app.reports.rows import DayTotals, Totals, UserFigures, Window
from models.money import ZERO

ODD_NAMES = (
    "#let x = 1 *bold* _it_ $x$ @ref `code` // no /* comment */",
    "<script>alert(1)</script> &amp; <b>bold</b>",
    "=cmd|' /C calc'!A1",
    "שלום",
    "نموذج",
    "smile 😀",
    "x" * 256,
    "\\u{0} #{ panic() } ]] [[",
)
FIRST = date(2024, 10, 1)
COST = Decimal("1234.567890123456789").quantize(Decimal("1e-15"))


def totals(requests: int = 1_000, cost: Decimal = COST) -> dict[str, Any]:
    """As MongoDB sums them."""
    return {
        "requests": requests,
        "cost": cost,
        "savedCost": Decimal("1.5"),
        "successes": requests,
        "cached": 7,
        "inputTokens": requests * 90,
        "outputTokens": requests * 10,
        "tokensUsed": requests * 100,
        "unpriced": 12,
    }


def share(place: int, **more: Any) -> dict[str, Any]:
    """A row of which the first are the dearest."""
    cost, before = Decimal(2_000 - place), Decimal(1_000)
    figures = {"requests": 10, "cost": cost, "tokens": 1_000, "saved_cost": 0, "unpriced": 0}
    return {**figures, "cost_before": before, "change": cost - before, **more}


def window(first: date, days: int) -> Window:
    last = first + timedelta(days=days - 1)
    return Window.model_validate({"from": first, "to": last, "days": days, "timezone": "Europe/Berlin"})


def explained(now: Totals, before: Totals) -> ExplainReport:
    """That all of the change is because features were used more."""

    def side(of: Totals) -> Side:
        return Side(requests=of.requests, cost=of.cost, tokens=of.tokens.total, cached=of.cached, unpriced=of.unpriced)

    change = now.cost - before.cost
    nothing = dict.fromkeys(Effects.model_fields, ZERO)
    group = {
        "status": Status.BOTH,
        "now": side(now),
        "earlier": side(before),
        "change": change,
        "effects": Effects(**{**nothing, "volume": change}),
        "largest": "volume",
    }
    model = {"provider": "openai", "model": "gpt-4o"}
    return ExplainReport(
        window=window(FIRST, 31),
        earlier=window(date(2024, 9, 1), 30),
        compared="2024-10-01 to 2024-10-31 against 2024-09-01 to 2024-09-30",
        synthetic=Synthetic.EXCLUDE,
        totals=Explained(name="all calls", **group),
        by_feature=[Explained(name="chat", **group)],
        by_model=[ExplainedModel(name="gpt-4o", **model, **group)],
        by_provider=[Explained(name="openai", **group)],
        top=[ExplainedPart(name="gpt-4o in chat", service_type="chat", feature="chat", **model, **group)],
        rest=Explained(name="everything else", **group),
        by_user=[],
        other_users=OtherUsers(users=2, change=change),
        generated_at=datetime(2024, 11, 5, 12, tzinfo=UTC),
    )


def made_up(names: tuple[str, ...] = ODD_NAMES, **more: Any) -> MonthReport:
    """A report with models of these names, and something in each of its parts."""
    days = [FIRST + timedelta(days=n) for n in range(31)]
    now, before = Totals.from_stored(totals()), Totals.from_stored(totals(900, Decimal(1_100)))
    shares = [ModelShare(provider="openai", name=name, **share(place)) for place, name in enumerate(names)]
    invoices = {"openai": Invoiced(2, COST + 50)}
    report = MonthReport(
        month="2024-10",
        window=window(FIRST, 31),
        client_id="acme",
        user_id=None,
        synthetic=Synthetic.EXCLUDE,
        status=MonthStatus.PREVIEW,
        closed_at=None,
        closed_by=None,
        totals=now,
        active_users=20_000,
        changed=Changed.between(now, before, window(date(2024, 9, 1), 30)),
        explained=explained(now, before),
        daily=[DayTotals.from_stored(totals(30, Decimal(n + 1)), day=day) for n, day in enumerate(days)],
        series=[
            SeriesPoint(day=day, name=name, requests=3, cost=Decimal(place + 1))
            for place, name in enumerate([*names[:10], "other"])
            for day in days
        ],
        by_model=shares,
        by_feature=[Share(name="chat", **share(0)), Share(name="haiku", **share(1, cost=Decimal("0.0000001")))],
        by_provider=[Share(name="openai", **share(0, unpriced=2))],
        top_users=[
            UserFigures(user_id="u1", requests=3, cost=COST, saved_cost=Decimal(0), tokens=7, success_rate=None)
        ],
        saved=Saved(calls=7, saved_cost=Decimal("1.5"), gateway_calls=0, gateway_saved_cost=Decimal(0)),
        unpriced=[
            UnpricedCalls.from_stored(totals(12), reason="model_unknown", provider="acme", model="unheard-of"),
        ],
        estimated=[],
        price_versions=[PriceVersion(version="genai-prices 0.2.3", calls=900, cost=COST)],
        budgets=[
            Budget(
                limit="l1",
                name="October",
                scope="client acme",
                user_id=None,
                kind="hard",
                amount=Decimal(1_000),
                spent=COST,
                percent=Decimal("123.46"),
                timezone="UTC",
            )
        ],
        revenue=RevenueOfMonth(
            recognised=Decimal(5_000),
            billed=Decimal(6_000),
            cost=COST,
            margin=5_000 - COST,
            margin_percent=Decimal("75.31"),
            return_on_cost=Decimal("4.05"),
        ),
        reconciliation=reconciled(
            [Recorded("openai", COST, (Cause("unpriced", 2, Decimal(20)), Cause("tiers", 5, Decimal(3))))], invoices
        ),
        drift=None,
        generated_at=datetime(2024, 11, 5, 12, tzinfo=UTC),
    )
    return report.model_copy(update=more)
