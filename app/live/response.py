"""The streaming response: events, as long as the caller listens."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from app.live.frames import frames
from app.live.hub import Hub
from app.live.listener import Listener
from app.observability.logs import Log

log = Log(__name__)

MEDIA_TYPE = "text/event-stream"
HEADERS = {
    # no-transform, because a proxy that compresses also collects
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
}
SEND_SECONDS = 30.0
"""How long a caller may stall, once all buffers on the way are full. Then it has to reconnect."""


class EventStream(ASGIResponse):
    """The events of a hub about a client, or about all (None)."""

    _should_set_content_length = False

    def __init__(
        self, hub: Hub, client: str | None, said: str | None, is_welcome: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers=HEADERS)
        self._hub = hub
        self._client = client
        self._said = said
        self._is_welcome = is_welcome

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Raises, before anything is sent, what `Hub.listening` does."""
        async with self._hub.listening(self._client) as listener:
            await self.start_response(send)
            either = [asyncio.create_task(work) for work in (self._tell(listener, send), _gone(receive))]
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in either:
                    task.cancel()
                await asyncio.gather(*either, return_exceptions=True)

    async def _tell(self, listener: Listener, send: Send) -> None:
        try:
            async with aclosing(frames(self._hub, listener, self._said, self._is_welcome)) as events:
                async for written in events:
                    await _send(send, written, more=True)
            await _send(send, b"", more=False)
        except TimeoutError:
            log.info("live.stalled", client=self._client)
        except Exception:
            log.exception("live.failed")  # the status is sent: the error cannot be reported any other way


async def _send(send: Send, body: bytes, *, more: bool) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _gone(receive: Receive) -> None:
    """Wait until the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
