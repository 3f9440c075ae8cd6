"""Latency of finance's answers beside a large ledger: 20,000 subscriptions with three years of revenue."""

import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any, NamedTuple

import httpx

from app.settings import Settings
from scripts.bench.finance_history import subscribed
from scripts.bench.lag_server import LAG
from scripts.bench.reads import client_of, history, live_writers, settled
from scripts.bench.serving import serving
from scripts.toolkit.command import progress

REQUESTS = 40
SUBSCRIPTIONS = 20_000
ADMIN = "/api/admin"
LIMIT_MS = 300.0

Figures = dict[str, float]


def paths(now: datetime, days: int = 30) -> dict[str, str]:
    """What is asked for."""
    month = f"/reports/month/{now:%Y-%m}"
    margins = {
        f"margins_by_{by}": f"/finance/margins?days={days}&by={by}"
        for by in ("plan", "client", "user", "feature", "model", "campaign")
    }
    return {
        "overview": f"/finance/overview?days={days}",
        "overview_of_a_year": "/finance/overview?days=365",
        "overview_of_a_client": f"/finance/overview?days={days}&clientId=client-1",
        **margins,
        "margins_by_user_last_page": f"/finance/margins?days={days}&by=user&sort=-cost&limit=500",
        "margins_by_plan_of_a_year": "/finance/margins?days=365&by=plan",
        "loss_making": f"/finance/loss-making?days={days}",
        "revenue": f"/revenue?days={days}",
        "forecast": "/finance/forecast",
        "forecast_by_model": "/finance/forecast?by=model",
        "explain": "/ai/explain?days=14",
        "retention": "/ai/retention",
        "upgrades": "/ai/upgrades?days=30",
        "campaigns": "/campaigns",
        "experiments": "/experiments",
        "month_report": f"{month}.json?preview=true",
        "month_report_as_page": f"{month}.html?preview=true",
    }


class Ledger(NamedTuple):
    """Beside what is asked."""

    calls: int
    keep: str | None
    """The database that is kept."""
    subscriptions: int = SUBSCRIPTIONS
    live: bool = False
    """Whether writers report meanwhile, at a fixed rate: their calls hold the loop, too."""


async def measure(settings: Settings, uri: str, ledger: Ledger) -> Figures:
    """Ms over HTTP, of the first request and of the others; ms that the server worked for one of these (MongoDB's work
    comes on top), and for which the event loop was held meanwhile.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    found: Figures = {}
    async with history(settings, uri, ledger.calls, zipf=True, keep=ledger.keep) as database:
        with progress("subscriptions", ledger.subscriptions) as advance:
            async with (
                subscribed(database, ledger.subscriptions, now, advance) as counted,
                serving(settings, uri, database.writes.name, module="scripts.bench.lag_server") as address,
                client_of(settings, address) as client,
            ):
                await settled(database)
                async with live_writers(client) if ledger.live else nullcontext():
                    for name, path in paths(now).items():
                        found |= await _asked(client, name, path)
                found |= counted | {"calls": await database.ledger.estimated_document_count()}
    return {name: round(value, 1) for name, value in found.items()}


async def _asked(client: httpx.AsyncClient, name: str, path: str) -> Figures:
    """Requests one after the other; nothing where there is no such route."""
    await client.get(LAG)
    times: list[float] = []
    for number in range(REQUESTS):
        started = time.perf_counter()
        answer = await client.get(f"{ADMIN}{path}")
        times.append((time.perf_counter() - started) * 1000)
        if answer.status_code == httpx.codes.NOT_FOUND:
            sys.stderr.write(f"{name}: not there\n")
            return {}
        answer.raise_for_status()
        if number == 0:
            first: dict[str, Any] = (await client.get(LAG)).json()
    held: dict[str, Any] = (await client.get(LAG)).json()
    rest = times[1:]
    p95 = quantiles(rest, n=20)[-1]
    cpu = held["cpu"] / len(rest)
    verdict = "" if p95 <= LIMIT_MS else f"  MORE THAN {LIMIT_MS:,.0f}"
    sys.stderr.write(
        f"{name}: first {times[0]:,.0f} ms, then p50 {median(rest):,.0f}, p95 {p95:,.0f} ms, cpu {cpu:,.0f} ms;"
        f" loop held {first['busy_max']:.0f}, then {held['busy_max']:.0f} ms{verdict}\n"
    )
    return {
        f"{name}_first_ms": times[0],
        f"{name}_p50_ms": median(rest),
        f"{name}_p95_ms": p95,
        f"{name}_cpu_ms": cpu,
        f"{name}_first_loop_ms": first["busy_max"],
        f"{name}_loop_ms": held["busy_max"],
    }
