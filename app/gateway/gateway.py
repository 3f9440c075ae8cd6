"""The gateway of a process: what a call passes through, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.database import Database
from app.gateway.cache.cache import ResponseCache, open_cache
from app.gateway.calls import Calls
from app.gateway.counters import GatewayCounters
from app.gateway.streams import Drains
from app.gateway.upstreams.hops import Hops
from app.gateway.upstreams.upstreams import Upstreams, open_upstreams
from app.http.bodies import BodyBudget
from app.observability.troubles import Troubles
from app.settings import Settings
from app.tracking.tracker import Tracker

BODY_BYTES = 256_000_000
"""Of requests whose answers have not begun: until then another upstream may have to be sent them."""


@dataclass(slots=True)
class Gateway:
    """One per process."""

    settings: Settings
    upstreams: Upstreams
    calls: Calls
    bodies: BodyBudget
    drains: Drains
    cache: ResponseCache | None
    """None where it has no room."""
    counters: GatewayCounters


@asynccontextmanager
async def open_gateway(
    settings: Settings, database: Database, tracker: Tracker, troubles: Troubles
) -> AsyncIterator[Gateway | None]:
    """The gateway of a deployment, None where it has none. Raises ConfigurationError for a file that cannot be used."""
    if settings.gateway_file is None:
        yield None
        return
    # imported here: its HTTP client adds a tenth of a second to every start, and few deployments need it
    from app.gateway.connections import Connections, trusted  # noqa: PLC0415

    async with (
        open_upstreams(settings, troubles, tracker.counters) as upstreams,
        open_cache(settings, database, tracker.counters) as cache,
    ):
        connections = Connections(trusted(settings.gateway_ca_file), proxies=settings.gateway_use_proxies)
        drains = Drains()
        counters = GatewayCounters(tracker.counters)
        calls = Calls(
            tracker, upstreams, connections, hops=Hops(settings.signing_secret), cache=cache, counters=counters
        )
        tracker.counters.watch("twinmeter_gateway_open_calls", "Calls under way", lambda: calls.open, added=True)
        about = "Calls that are read to their end for clients that have left"
        tracker.counters.watch("twinmeter_gateway_drains", about, lambda: drains.open, added=True)
        try:
            yield Gateway(settings, upstreams, calls, BodyBudget(BODY_BYTES), drains, cache, counters)
        finally:
            drains.end()
            await calls.close()
            await connections.close()
