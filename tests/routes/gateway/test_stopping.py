"""A server that is stopped while streams are open."""

import asyncio
from pathlib import Path

import httpx

from tests.routes.gateway.conftest import events_of, running

LONG = {"model": "gpt-4o--slow=20--tokens=2000", "messages": [{"role": "user", "content": "a b"}], "stream": True}


async def test_streams_that_do_not_end_in_time_are_cut_and_recorded(mongodb_uri: str, tmp_path: Path) -> None:
    async with running(mongodb_uri, tmp_path) as site:
        reading = asyncio.create_task(site.read(LONG))
        while not site.provider.requests or site.provider.requests[0].events < 3:  # noqa: ASYNC110 - of the stand-in
            await asyncio.sleep(0.01)

        await site.stop()

        received, error = await reading
        assert isinstance(error, httpx.TransportError)
        assert events_of(received)[-1]["error"]["code"] == "server_stopping"
        (entry,) = await site.entries()
        assert (entry["status"], entry["errorMessage"]) == ("error", "server_stopping")
        assert entry["estimatedUsage"] == "tokens"
