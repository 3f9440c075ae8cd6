"""Which figure of which JSON route each tab shows, and where."""

from collections.abc import Callable
from typing import Any

from tests.browser.expected import SHOWN, Answers, Rest, Tab, Table, counted, key_of, quality

ADMIN = "/api/admin/ai"
USAGE = (f"{ADMIN}/usage", {"compare": "previous"})
OVERVIEW: tuple[str, Answers] = (f"{ADMIN}/overview", {})
FINANCE = "/api/admin/finance"
MARGIN = ("recognised", "cost", "margin")
DAY, MODEL, PAIR = key_of("day"), key_of("provider", "model"), key_of("reportedProvider", "provider", "model")
TOTALS = ("requests", "cost", "successRate")
SPEEDS = ("p50", "p95", "p99", "firstToken", "tokensPerSecond")
OF_USAGE: dict[str, str | Callable[[Answers], Any]] = {
    "requests": "usage.totals.requests",
    "cost": "usage.totals.cost",
    "cost.quality": quality("usage.totals"),
    "savedCost": "usage.totals.savedCost",
    "successRate": "usage.totals.successRate",
    "p95": "usage.latency.p95",
    "activeUsers": "usage.activeUsers",
}


def _of_usage(*names: str) -> dict[str, str | Callable[[Answers], Any]]:
    return {name: OF_USAGE[name] for name in names}


def _daily(*columns: str) -> Table:
    return Table("usage.daily", DAY, columns)


TABS = {
    "overview": Tab(
        {"summary": (f"{ADMIN}/summary", {}), "overview": OVERVIEW},
        {
            "month.cost": "summary.month.totals.cost",
            "month.requests": "summary.month.totals.requests",
            "today.cost": "summary.today.totals.cost",
            "health.score": "overview.health.score",
        },
        {
            "features": Table("summary.features", key_of("feature"), ("cost",)),
            "models": Table("summary.models", MODEL, ("cost",)),
            "users": Table("summary.users", key_of("userId"), ("cost",)),
            "failures": Table("summary.failures", key_of("id"), ("status", "model", "feature", "userId")),
        },
    ),
    "usage": Tab(
        {"usage": USAGE},
        OF_USAGE,
        {
            "requests": _daily(*TOTALS, "tokensTotal"),
            "cost": _daily("cost", "unpriced", "estimated", "savedCost"),
            "features": Table("usage.byFeature", key_of("feature"), (*TOTALS, "unpriced"), rest=Rest(None)),
            "hours": Table("usage.byHour", lambda row: f"{row['hour']:02}:00", ("requests", "cost")),
            "users": Table("usage.topUsers", key_of("userId"), (*TOTALS, "tokensTotal"), SHOWN, Rest("usage.totals")),
        },
    ),
    "reliability": Tab(
        {"usage": USAGE, "providers": (f"{ADMIN}/providers", {}), "latency": (f"{ADMIN}/latency", {})},
        {
            **_of_usage("requests", "successRate", "p95"),
            "errors": "usage.totals.errors",
            "providers": lambda of: len(of["usage"]["byProvider"]),
        },
        {
            "providers": Table(
                "providers.providers",
                key_of("provider"),
                (*TOTALS, "errors", "averageDuration", "p50", "p95", "p99", "unpriced"),
                rest=Rest(None),
            ),
            "outcomes": _daily("requests", "successRate", "errors", "averageDuration"),
        },
    ),
    "reliability/latency": Tab(
        {"latency": (f"{ADMIN}/latency", {})},
        {
            **{name: f"latency.latency.{name}" for name in ("p50", "p95", "p99")},
            "measured": "latency.measured",
            "firstToken": "latency.timeToFirstToken.p50",
            "tokensPerSecond": "latency.tokensPerSecond.p50",
        },
        {
            "models": Table("latency.byModel", MODEL, (*SPEEDS, "measured"), rest=Rest(None, ("measured",))),
            "latency": Table(
                "latency.byProvider", key_of("provider"), (*SPEEDS, "measured"), rest=Rest(None, ("measured",))
            ),
            "features": Table(
                "latency.byFeature", key_of("feature"), (*SPEEDS, "measured"), rest=Rest(None, ("measured",))
            ),
            "daily": Table("latency.daily", DAY, (*SPEEDS, "measured")),
            "model-days": Table("latency.modelDays", key_of("day", "provider", "model"), ("p50", "p95", "measured")),
            "distribution": Table("latency.buckets", lambda row: str(row["from"]), ("count",), empty="count"),
        },
    ),
    "usage/features": Tab(
        {"usage": (f"{ADMIN}/usage", {})},
        {},
        {"list": Table("usage.byFeature", key_of("feature"), (*TOTALS, "tokensTotal", "errors"), rest=Rest(None))},
    ),
    "usage/models": Tab(
        {"models": (f"{ADMIN}/models", {})},
        {
            "models": lambda of: len(of["models"]["models"]),
            "requests": counted("models.models"),
            "cost": counted("models.models", "cost"),
            "tokens": counted("models.models", "tokensTotal"),
        },
        {
            "models": Table("models.models", MODEL, (*TOTALS, "tokensTotal"), rest=Rest(None)),
            "list": Table(
                "models.models",
                MODEL,
                ("uniqueUsers", "inputTokens", "outputTokens", "inputCost", "outputCost", "cost", "averageCost"),
                rest=Rest(None),
            ),
            "speed": Table("models.models", MODEL, SPEEDS, empty="averageDuration"),
        },
    ),
    "usage/users": Tab(
        {"users": (f"{ADMIN}/users", {"limit": 20}), "usage": (f"{ADMIN}/usage", {})},
        _of_usage("activeUsers", "requests", "cost", "cost.quality"),
        {
            "ranking": Table(
                "users.users", key_of("userId"), (*TOTALS, "tokensTotal", "lastActive"), 20, Rest("usage.totals")
            )
        },
    ),
    "cost": Tab(
        {
            "usage": USAGE,
            "overview": OVERVIEW,
            "analytics": ("/api/analytics", {"type": "monthly"}),
            "forecast": (f"{FINANCE}/forecast", {}),
        },
        {
            **_of_usage("cost", "cost.quality", "savedCost"),
            "month.cost": "overview.month.cost",
            "monthEnd.cost": lambda of: (of["forecast"]["whole"]["monthEnd"] or {}).get("cost"),
        },
        {
            "cost": _daily("cost", "savedCost", "requests", "unpriced", "estimated"),
            "saved": _daily("savedCost", "cached", "requests"),
            "months": Table("analytics.monthly", key_of("month"), ("cost", "savedCost", "requests")),
            "providers": Table("usage.byProvider", key_of("provider"), ("cost", "savedCost", "unpriced")),
        },
    ),
    "usage/campaigns": Tab(
        {"campaigns": ("/api/admin/campaigns", {"limit": 50})},
        {},
        {"undefined": Table("campaigns.undefined", key_of("clientId", "campaignId"), ("requests", "cost"))},
    ),
    "usage/experiments": Tab(
        {"experiments": ("/api/admin/experiments", {"limit": 50})},
        {},
        {"undefined": Table("experiments.undefined", key_of("name"), ("name",))},
    ),
    "usage/retention": Tab(
        {"retention": (f"{ADMIN}/retention", {"weeks": 12}), "upgrades": (f"{ADMIN}/upgrades", {})},
        {},
        {
            "features": Table("retention.features", key_of("feature"), ("users", "usersBefore")),
            "upgrades": Table(
                "upgrades.features", key_of("feature"), ("newUsers", "observed", "upgraded", "cost", "costPerUpgrade")
            ),
        },
    ),
    "cost/months": Tab(
        {"analytics": ("/api/analytics", {"type": "monthly"})},
        {},
        {"months": Table("analytics.monthly", key_of("month"), ("cost", "savedCost", "requests"), empty="requests")},
    ),
    "reliability/system": Tab(
        {"technical": (f"{ADMIN}/technical", {})},
        {
            **{name: f"technical.{name}" for name in ("status", "room", "overloadRefused", "database")},
            **{name: f"technical.{name}" for name in ("spool.calls", "spool.bytes")},
            "breaker": "technical.breaker.open",
            "commits": "technical.commits.transactions",
            "lastCommit": "technical.freshness.lastCommit",
        },
        # how many pages listen changes with this page itself
        {"processes": Table("technical.processes", key_of("pid"), ("calls", "queued"))},
    ),
    "usage/conversations": Tab(
        {"analytics": ("/api/analytics", {"type": "all"})},
        {
            **{name: f"analytics.summary.{name}" for name in ("requests", "cost", "successRate", "activeUsers")},
            "cost.quality": quality("analytics.summary"),
            "tokens": "analytics.summary.tokens.total",
        },
        {
            "weeks": Table("analytics.weekly", key_of("week"), ("requests", "requestsChange", "cost", "tokensTotal")),
            "months": Table("analytics.monthly", key_of("month"), ("requests", "cost", "tokensTotal", "unpriced")),
            "days": Table("analytics.daily", DAY, (*TOTALS, "tokensTotal")),
            "conversations": Table(
                "analytics.byConversation", key_of("clientId", "conversationId"), ("requests", "cost", "tokensTotal")
            ),
        },
    ),
    "reliability/data-quality": Tab(
        {"quality": (f"{ADMIN}/data-quality", {})},
        {
            **{name: f"quality.totals.{name}" for name in ("unpriced", "estimated")},
            "impossible": counted("quality.impossiblePairs"),
            "unmapped": counted("quality.unmappedContentTypes"),
            "unreadableUsage": "quality.unreadableUsage",
        },
        {
            "unpriced": Table("quality.unpricedModels", MODEL, ("requests", "tokensTotal")),
            "estimated": Table("quality.estimatedModels", MODEL, ("requests", "tokensTotal", "cost")),
            "impossible": Table(
                "quality.impossiblePairs", key_of("reportedProvider", "provider", "model"), ("requests",)
            ),
            "unmapped": Table("quality.unmappedContentTypes", key_of("contentType"), ("requests",)),
        },
    ),
    "calls": Tab(
        {"calls": (f"{ADMIN}/calls", {"limit": 50})},
        {},
        {"calls": Table("calls.calls", key_of("id"), ("tokensUsed", "requestDuration", "cost", "userId", "model"))},
    ),
    "settings/gateway": Tab(
        {"upstreams": ("/api/admin/gateway/upstreams", {}), "gateway": ("/api/admin/gateway/figures", {})},
        {
            "requests": lambda of: sum(of["gateway"]["whole"]["calls"].values()),
            "refused": lambda of: sum(of["gateway"]["whole"]["refusals"].values()),
            **{name: f"gateway.whole.{name}" for name in ("fallbacks", "hits", "drained")},
            **{f"added.{name}": f"gateway.whole.added.{name}" for name in ("p50", "p95", "p99")},
            "saved": "gateway.saved.savedCost",
        },
        {
            "upstreams": Table("upstreams.upstreams", key_of("name"), ("name", "health", "p50", "p95", "provider")),
            "names": Table("upstreams.names", key_of("name"), ("name",)),
        },
    ),
    "settings/audit": Tab(
        {"audit": ("/api/admin/audit", {"limit": 50})},
        {},
        {"audit": Table("audit.entries", key_of("id"), ("at", "action"))},
    ),
    "settings/alerts": Tab(
        {
            "alerts": ("/api/admin/alerts", {}),
            "deliveries": ("/api/admin/deliveries", {}),
            "endpoints": ("/api/admin/endpoints", {"ended": "false"}),
            "mutes": ("/api/admin/alerts/mutes", {}),
        },
        {},
        {
            "alerts": Table("alerts.alerts", key_of("id"), ("at", "kind", "text")),
            # what is tried again may have been between the two looks
            "deliveries": Table("deliveries.deliveries", key_of("id"), ("endpointId", "kind")),
            "endpoints": Table("endpoints.endpoints", key_of("id"), ("name", "address", "state")),
            "mutes": Table("mutes.mutes", key_of("id"), ("kind", "clientId", "until")),
        },
    ),
    "cost/revenue": Tab(
        {"finance": (f"{FINANCE}/overview", {})},
        {
            **{name: f"finance.totals.{name}" for name in (*MARGIN, "marginPercent", "returnOnCost")},
            **{name: f"finance.recurring.{name}" for name in ("mrr", "arr", "arpu", "customers")},
            "customerChurn": "finance.movement.customerChurn",
        },
        {"margin-days": Table("finance.daily", DAY, MARGIN), "mrr-days": Table("finance.daily", DAY, ("mrr",))},
    ),
    "cost/margins?by=feature": Tab(
        {"margins": (f"{FINANCE}/margins", {"by": "feature"}), "losses": (f"{FINANCE}/loss-making", {})},
        {name: f"margins.totals.{name}" for name in MARGIN},
        {"margins": Table("margins.rows", key_of("name"), (*MARGIN, "marginPercent", "calls"))},
    ),
    "cost/forecast?by=model": Tab(
        {"forecast": (f"{FINANCE}/forecast", {"by": "model"})},
        {
            "monthToDate": "forecast.whole.monthToDate",
            **{f"{name}.cost": f"forecast.whole.{name}.cost" for name in ("monthEnd", "next30Days", "next90Days")},
        },
        {"parts": Table("forecast.parts", key_of("name"), ("monthToDate",))},
    ),
    "cost/changes": Tab(
        {"explain": (f"{ADMIN}/explain", {})},
        {
            "cost": "explain.totals.now.cost",
            "earlier.cost": "explain.totals.earlier.cost",
            "change": "explain.totals.change",
        },
        {
            "features": Table("explain.byFeature", key_of("name"), ("change",)),
            "models": Table("explain.byModel", MODEL, ("change",)),
        },
    ),
}
