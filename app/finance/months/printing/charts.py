"""Charts of a printed report, as specifications of Vega-Lite. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from app.finance.months.report import MonthReport, Share
from models.money import ZERO

FONT = "DejaVu Sans"
WIDTH = 640
HEIGHT = 170
MOST_NAMES = 7
"""Of a stack; colours of more are hard to tell apart."""
MOST_BARS = 10
LONG = 10_000
LABEL = 34
"""Characters of a name beside a bar: the table has all of it."""
COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed", "#db2777", "#0891b2", "#65a30d")
REST, PALE, INK, LINE = "#9ca3af", "#c7d2fe", "#374151", "#e5e7eb"

Spec = dict[str, Any]


def charts(report: MonthReport) -> dict[str, Spec]:
    """By name. One without any cost to show is left out."""
    found = {
        "days": _days(report),
        "models": _bars(report.by_model),
        "features": _bars(report.by_feature),
    }
    return {name: spec for name, spec in found.items() if spec is not None}


def _days(report: MonthReport) -> Spec | None:
    """Cost by day as bars of models that add up; those beyond the first few are one."""
    names = list(dict.fromkeys(point.name for point in report.series))
    shown = [name for name in names if name != "other"][:MOST_NAMES]
    costs: dict[tuple[str, str], Decimal] = {}
    for point in report.series:
        # a space before it tells the rest from a model that is called so
        name = short(point.name) if point.name in shown else " other"
        key = point.day.isoformat(), name
        costs[key] = costs.get(key, ZERO) + point.cost
    if not any(costs.values()):
        return None
    domain = [*dict.fromkeys(short(name) for name in shown)]
    colours = [*COLOURS[: len(domain)]]
    if any(name == " other" for _, name in costs):
        domain, colours = [*domain, " other"], [*colours, REST]
    most = max(float(day.cost) for day in report.daily)
    rank = {name: place for place, name in enumerate(domain)}
    rows = [{"day": day, "name": name, "cost": float(cost), "rank": rank[name]} for (day, name), cost in costs.items()]
    return _spec(
        rows,
        height=HEIGHT,
        mark={"type": "bar", "width": {"band": 0.8}},
        encoding={
            "x": {
                "field": "day",
                "type": "ordinal",
                "axis": {"title": None, "labelAngle": 0, "labelExpr": "slice(datum.value, 8)", "labelOverlap": True},
            },
            "y": {"field": "cost", "type": "quantitative", "stack": "zero", "axis": _money_axis(most)},
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": domain, "range": colours},
                "legend": {"title": None, "orient": "bottom", "columns": 3, "symbolType": "square", "labelLimit": 170},
            },
            "order": {"field": "rank", "type": "quantitative"},
        },
    )


def _bars(shares: Sequence[Share]) -> Spec | None:
    """Cost by name, above the month before."""
    rows: list[dict[str, Any]] = []
    for place, share in enumerate(shares[:MOST_BARS]):
        # a number that is cut off keeps names apart that begin alike
        name = f"{short(share.name)}\u200b{place}"
        rows += [
            {"name": name, "place": place, "month": "this month", "cost": float(share.cost)},
            {"name": name, "place": place, "month": "month before", "cost": float(share.cost_before)},
        ]
    if not any(row["cost"] for row in rows):
        return None
    return _spec(
        rows,
        height=max(60, 26 * len(shares[:MOST_BARS])),
        mark={"type": "bar"},
        encoding={
            "y": {
                "field": "name",
                "type": "nominal",
                "sort": {"field": "place"},
                "axis": {"title": None, "labelExpr": "split(datum.value, '\u200b')[0]", "labelLimit": 220},
            },
            "yOffset": {"field": "month", "sort": ["this month", "month before"]},
            "x": {"field": "cost", "type": "quantitative", "axis": _money_axis(max(row["cost"] for row in rows))},
            "color": {
                "field": "month",
                "type": "nominal",
                "scale": {"domain": ["this month", "month before"], "range": [COLOURS[0], PALE]},
                "legend": {"title": None, "orient": "bottom", "symbolType": "square"},
            },
        },
    )


def _money_axis(most: float) -> Spec:
    """Of amounts up to this one: `0.25` and `1,500`, and `12k` of what is long."""
    return {"title": "USD", "tickCount": 4, "format": "~s" if most >= LONG else ",.6~f", "grid": True}


def short(name: str) -> str:
    """What of a name fits beside a bar."""
    return name if len(name) <= LABEL else name[: LABEL - 1] + "…"


def _spec(rows: list[dict[str, Any]], *, height: int, mark: Spec, encoding: Spec) -> Spec:
    axis = {"labelColor": INK, "titleColor": INK, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE}
    sizes = {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelPadding": 4}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 4,
        "data": {"values": rows},
        "mark": mark,
        "encoding": encoding,
        "config": {
            "background": "transparent",
            "font": FONT,
            "view": {"stroke": None},
            "axis": {**axis, **sizes, "ticks": False, "domain": False},
            "axisY": {"minExtent": 40},
            "legend": {"labelColor": INK, "labelFontSize": 11},
        },
    }
