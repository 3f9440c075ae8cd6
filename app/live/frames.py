"""What is written to one page: server-sent events (the HTML standard, 9.2), and comments as heartbeats.

`hello` comes first, and again after an interruption; `down` when one begins; `committed` when figures have changed. The
id of an event is the version up to which the page has been notified.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from app.http.serialization import encode
from app.live.changes import News, is_version
from app.live.hub import Hub
from app.live.listener import Listener

HEARTBEAT_SECONDS = 14.0
"""With the second below, a comment is sent at least every 15 seconds."""
CHECK_SECONDS = 1.0
"""How often the caller's credentials are rechecked. A revoked key is known within four seconds."""
HEARTBEAT = b": still here\n\n"
RETRY = b"retry: 2000\n"
"""After how many milliseconds a browser reconnects."""


async def frames(
    hub: Hub, listener: Listener, said: str | None, is_welcome: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes, None]:
    """Until the server stops or the caller is no longer authorized. `said` is the Last-Event-ID that it sent."""
    loop, up, told = asyncio.get_running_loop(), True, hub.version(listener.client)
    yield RETRY + _hello(told, said)
    spoke = loop.time()
    while True:
        news = await listener.next(CHECK_SECONDS)
        if listener.ended or not await is_welcome():
            return
        written = b""
        if hub.up != up:
            up, now = hub.up, hub.version(listener.client)
            written = _hello(now, told) if up else _frame("down", told, {"version": told})
        if news is not None:
            written, told = written + _committed(news), news.version
            hub.told()
        if not written and loop.time() - spoke >= HEARTBEAT_SECONDS:
            written = HEARTBEAT
        if written:
            yield written
            spoke = loop.time()


def _hello(version: str, said: str | None) -> bytes:
    """`behind` is null for a page without notifications yet: only it knows when it requested its figures."""
    behind = None if said is None else not is_version(said) or said < version
    return _frame("hello", version, {"version": version, "behind": behind})


def _committed(news: News) -> bytes:
    data = {"version": news.version, "committedAt": news.at, "real": news.real, "synthetic": news.synthetic}
    return _frame("committed", news.version, data)


def _frame(event: str, version: str, data: dict[str, Any]) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (version.encode(), event.encode(), encode(data))
