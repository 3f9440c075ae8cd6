"""Our own server, and what its reports show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.settings import Settings
from scripts.bench.door import Server, server
from scripts.bench.peers.shown import Shown


async def shown(served: Server) -> Shown:
    """The totals of the usage report, as an administrator sees them."""
    answer = (await served.admin.get("/api/admin/ai/usage", params={"days": 2})).raise_for_status().json()
    totals = answer["totals"]
    return Shown(totals["requests"], totals["tokens"]["input"] + totals["tokens"]["output"], totals["cost"])


@asynccontextmanager
async def ours(settings: Settings, uri: str) -> AsyncIterator[Server]:
    """A server on a fresh database, whose rollups are ready to be shown."""
    async with server(settings, uri) as served:
        await shown(served)
        yield served
