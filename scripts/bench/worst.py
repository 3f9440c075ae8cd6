"""The worst that a client can send to each route: what is largest, widest, deepest or most, within the limits.

A route of the application that has no entry here fails the test of the loop's lag.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import NamedTuple

from scripts.bench.routes_of_limits import CHANGES, READS, READS_OF_A_USER
from scripts.bench.worst_bodies import (
    CALL,
    JSON,
    OWN_PAGE,
    ROWS,
    Body,
    batches,
    calls,
    changes,
    dumped,
    event_batches,
    events,
    exports,
    revenue,
)

YEAR = 366
DAYS = 90


class Worst(NamedTuple):
    """One request, and a name for it."""

    name: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


Requests = Callable[[], Iterable[Worst]]
"""The requests of a route, each made when it is wanted: their bodies are large, and take long to make."""
Bodies = Callable[[], Iterator[Body]]


def seed(count: int) -> Iterator[bytes]:
    """Batches that make reports as large as they get: days, clients, providers, models, features and conversations."""
    now = datetime.now(UTC)
    for batch in range(count):
        yield dumped(
            [
                {
                    **CALL,
                    "clientId": f"client-{number % 7}",
                    "userId": f"user-{number}-{batch}",
                    "conversationId": f"conversation-{number}-{batch}",
                    "contentType": f"content-{number % 300}",
                    "model": f"model-{number % 700}",
                    "provider": f"provider-{number % 60}",
                    "requestDuration": 10 * number,
                    "createdAt": (now - timedelta(days=(number * 7 + batch) % DAYS, hours=number % 24)).isoformat(),
                    "success": number % 9 > 0,
                    **({"cost": 0.001 * number} if number % 2 else {}),
                }
                for number in range(ROWS)
            ]
        )


@cache
def of_routes() -> dict[tuple[str, str], Requests]:
    """By method and route, as the application names it."""
    year = f"days={YEAR}&synthetic=include"
    month = "days=90&synthetic=include"
    admin = "/api/admin/ai"
    reads = {
        f"{admin}/calls": [f"?{year}&limit=200", f"?{year}&limit=200&minDuration=1"],
        f"{admin}/calls/{{call_id:str}}": ["/{call}"],
        f"{admin}/data-quality": [f"?{year}", f"?{month}&userId=user-1-0"],
        f"{admin}/explain": [f"?{month}", f"?{month}&compare=year", f"?{month}&userId=user-1-0"],
        f"{admin}/latency": [f"?{year}", f"?{month}&userId=user-1-0"],
        f"{admin}/models": [f"?{year}"],
        f"{admin}/overview": ["?synthetic=include"],
        f"{admin}/providers": [f"?{year}"],
        f"{admin}/search": ["?q=u", "?q=user-1-0&synthetic=include", f"?q={'x' * 200}"],
        f"{admin}/summary": ["", "?synthetic=include"],
        f"{admin}/retention": ["?weeks=52&synthetic=include"],
        f"{admin}/upgrades": [f"?{year}"],
        "/api/admin/stats": ["?synthetic=include"],
        f"{admin}/timeline": [
            f"?{year}&by=feature",
            "?days=14&synthetic=include&step=hour&by=feature",
            "?days=1&synthetic=include&step=minute&by=model",
        ],
        f"{admin}/usage": [f"?{year}&compare=previous", *(f"?{year}&series={by}" for by in ("model", "feature"))],
        f"{admin}/users": [f"?{year}&limit=100", f"?{year}&limit=100&sort=-cost"],
        f"{admin}/technical": [""],
        "/api/analytics": [f"?{year}&type=all", f"?{month}&type=all&userId=user-1-0"],
        "/api/admin/prices": [""],
        "/api/admin/keys": [""],
        "/api/admin/gateway/upstreams": [""],
        "/api/admin/gateway/cache": [""],
        "/api/admin/gateway/figures": [f"?{year}"],
        "/api/admin/finance/overview": [f"?{year}"],
        "/api/admin/finance/margins": [f"?{year}&by={by}" for by in ("plan", "client", "user", "feature", "model")],
        "/api/admin/finance/margins.csv": [f"?{year}&by=user"],
        "/api/admin/finance/loss-making": [f"?{year}"],
        "/api/admin/finance/forecast/budgets": ["?limit=50"],
        "/api/admin/finance/forecast": [f"?synthetic=include&by={by}" for by in ("client", "model", "feature")],
        "/api/admin/provider-invoices": [""],
        "/api/admin/billing/stripe": [""],
        "/health": [""],
        "/livez": [""],
        "/ready": [""],
        "/readyz": [""],
        "/metrics": [""],
        "/admin": [""],
        "/": [""],
        "/schema": [""],
        "/schema/openapi.json": [""],
        "/admin/session": [""],
        "/admin/sign-in": [f"?to=/admin/{'x' * 2_000}"],
        "/admin/sign-in/callback": [f"?code={'x' * 2_000}&state={'x' * 2_000}"],
        "/admin/sign-in/out": [""],
        "/docs": [""],
        **{route: ["?userId=user-1-0"] for route in READS_OF_A_USER},
    }
    gets = {
        route: [
            Worst(query or "as it is", (route.partition("/{")[0] if "{call_id" in route else route) + query)
            for query in queries
        ]
        for route, queries in reads.items()
    }
    tables = ("calls", "users", "conversations", "models", "features", "daily", "providers", "data-quality")
    gets[f"{admin}/download/{{file:str}}"] = [Worst(table, f"{admin}/download/{table}.csv?{year}") for table in tables]
    this_month = f"/api/admin/reports/month/{datetime.now(UTC):%Y-%m}"
    gets["/api/admin/reports/month/{report:str}"] = [
        Worst(form, f"{this_month}.{form}?preview=true&synthetic=include") for form in ("json", "html", "pdf", "csv")
    ]
    gets["/admin/{place:str}"] = [Worst("a place", "/admin/reliability"), Worst("none", f"/admin/{'x' * 20_000}")]
    gets["/admin/{place:str}/{view:str}"] = [
        Worst("a view", "/admin/cost/margins"),
        Worst("none", f"/admin/cost/{'x' * 20_000}"),
    ]
    gets["/admin/static/{version:str}/{name:path}"] = [
        Worst("the charts", "{asset}"),
        Worst("none", "/admin/static/x/" + "../" * 5_000),
    ]
    gets["/schema/{path:str}"] = [Worst("none", "/schema/" + "x" * 20_000)]
    gets[f"{admin}/live"] = [Worst("a stream", f"{admin}/live")]
    gets |= {route: [Worst("as it is", _named(route))] for route in READS}
    found: dict[tuple[str, str], Requests] = {
        ("GET", route): partial(iter, requests) for route, requests in gets.items()
    }
    found["DELETE", "/admin/session"] = partial(iter, [Worst("as it is", "/admin/session", headers=OWN_PAGE)])
    found["DELETE", "/api/admin/gateway/cache"] = partial(iter, [Worst("as it is", "/api/admin/gateway/cache")])
    for path, bodies, headers in (
        ("/api/ai/track", calls, JSON),
        ("/api/ai/track/batch", batches, JSON),
        ("/v1/traces", exports, {}),
        ("/api/events", events, JSON),
        ("/api/events/batch", event_batches, JSON),
    ):
        found["POST", path] = partial(_posts, path, bodies, headers)
    for route, valid in (
        ("/api/admin/prices", {"model": "m", "prices": {"inputMtok": 1}}),
        ("/api/admin/prices/{override_id:str}/end", {}),
        ("/api/admin/keys", {"name": "n", "scopes": ["ingest"]}),
        ("/api/admin/keys/{key_id:str}/revoke", {}),
        ("/admin/session", {"credential": "x"}),
        ("/api/billing/stripe/webhook", {"id": "evt_1", "object": "event"}),
    ):
        found["POST", route] = partial(_posts, _named(route), partial(changes, valid), JSON | OWN_PAGE)
    for (method, route), valid in CHANGES.items():
        found[method, route] = partial(_posts, _named(route), partial(changes, valid), JSON)
    found["POST", "/api/admin/revenue"] = partial(_posts, "/api/admin/revenue", revenue, JSON)
    return found


def _named(route: str) -> str:
    """A path of the route, with a name for what it wants named."""
    return re.sub(r"\{\w+:str\}", "x", route)


def _posts(path: str, bodies: Bodies, headers: dict[str, str]) -> Iterator[Worst]:
    return (Worst(name, path, body, {**headers, **more}) for name, body, more in bodies())
