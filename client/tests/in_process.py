"""What the server's own `track_ai_call` records, to compare with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from typing import Any, Callable

import pytest
from app.settings import Settings
from app.tracking import track_ai_call, tracking
from client.tests.ledger import entries
from tests.real_clients.conftest import Account, Deployment

_OWN = frozenset(
    {"_id", "createdAt", "recordedAt", "requestId", "requestDuration", "timeToFirstToken", "userId", "keyId"}
)
"""What is of each call alone."""


class InProcess:
    """An open tracker, of the database of a running server."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deployment: Deployment) -> None:
        self._loop = loop
        self._deployment = deployment

    def call(self, account: Account, made: Callable[[Any], Awaitable[None]], **known: Any) -> None:
        """Run `made(call)` in a block of `track_ai_call`; what it raises is part of the call."""

        async def run() -> None:
            try:
                async with track_ai_call(client_id=account.client, **known) as call:
                    await made(call)
            except (Exception, asyncio.CancelledError):
                pass

        asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def recorded(self, account: Account, user: str) -> list[dict[str, Any]]:
        """The entries of one user, without what is of each call alone; whether there is such a time is told."""
        found = [entry for entry in entries(self._deployment, account) if entry["userId"] == user]
        return [
            {
                **{name: value for name, value in entry.items() if name not in _OWN},
                "was timed": entry.get("requestDuration") is not None,
                "had a first token": entry.get("timeToFirstToken") is not None,
            }
            for entry in sorted(found, key=lambda entry: str(entry["createdAt"]))
        ]


@pytest.fixture(scope="module")
def by_hand(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    settings = Settings(
        _env_file=None,
        mongodb_uri=deployment.mongodb_uri,
        database=deployment.database,
        data_dir=tmp_path_factory.mktemp("in_process"),
        jwt_secret="0123456789abcdef0123456789abcdef",
        track_deadline_ms=20_000,
    )
    opened = tracking(settings)
    asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result()
    yield InProcess(loop, deployment)
    asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
