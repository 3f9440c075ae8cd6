"""An answer on its way to who asks: each piece at once, as fast as it is read there, and never with a false end."""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

from app.gateway.client import Client, ClientGoneError, Drains
from app.gateway.formats.base import Reading
from app.gateway.holding import AllButTheEnd, Events
from app.gateway.transport import UpstreamAnswer, UpstreamError

__all__ = ["Client", "ClientGoneError", "Drains", "Relayed", "relay"]

KEEP_ALIVE_SECONDS = 15.0
"""How long a stream may be silent. What stands between it and the client gives up after 30 s or a minute."""
MUCH_BYTES = 8 * 1024
"""After a piece of this size it is others' turn: an upstream that is faster than we are would keep them waiting."""


@dataclass(slots=True)
class Relayed:
    """How the way of an answer ended."""

    ending: Literal["complete", "cut", "timeout", "gone"] = "complete"
    """`complete` says that the upstream ended it properly, and that the client has all but what is held back."""
    error: UpstreamError | None = None
    first_output_at: float | None = None
    """By `time.perf_counter`."""
    bytes: int = 0
    """Of the upstream's body."""
    keep_alives: int = 0
    drained: bool = False
    """Of a client that has gone: the answer was read to its end all the same, so its usage is known."""


async def relay(answer: UpstreamAnswer, reading: Reading, client: Client, *, keep_alive: bytes = b"") -> Relayed:
    """Send an answer that has been begun on to the client, up to what `reading` and `Client.finish` hold back.

    Never raises for what the upstream or the client does. `keep_alive` goes between the events of a stream while it is
    silent.
    """
    return await _Relay(answer, reading, client, keep_alive).run()


class _Relay:
    def __init__(self, answer: UpstreamAnswer, reading: Reading, client: Client, keep_alive: bytes) -> None:
        self._answer = answer
        self._reading = reading
        self._client = client
        self._keep_alive = keep_alive
        self._loop = asyncio.get_running_loop()
        self._relayed = Relayed()
        client.outlet = Events() if _is_stream_of_events(answer) else AllButTheEnd()
        self._sending = False
        self._sent_at = self._loop.time()
        self._nudge: asyncio.Task[None] | None = None
        """Sends a keep-alive."""
        self._timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._beat)

    async def run(self) -> Relayed:
        relayed, client = self._relayed, self._client
        try:
            await client.unless_gone(self._pass_on())
            relayed.drained = client.gone.is_set()
        except UpstreamError as error:
            relayed.error = error
            relayed.ending = "timeout" if error.kind == "timeout" else "cut"
        except ClientGoneError:
            relayed.ending = "gone"
        finally:
            self._timer.cancel()
            if self._nudge is not None:
                self._nudge.cancel()
            self._answer.close()
        if client.gone.is_set():
            relayed.ending = "gone"
        return relayed

    async def _pass_on(self) -> None:
        answer, reading, client, relayed = self._answer, self._reading, self._client, self._relayed
        pass_on = client.outlet.pass_on
        while piece := await answer.chunk():
            relayed.bytes += len(piece)
            content = pass_on(reading.feed(piece))
            if relayed.first_output_at is None and reading.output_begun:
                relayed.first_output_at = time.perf_counter()
            if client.gone.is_set():
                client.drain(len(piece))
            elif content:
                await self._send(content)
            if len(piece) >= MUCH_BYTES:
                await asyncio.sleep(0)

    async def _send(self, content: bytes) -> None:
        if self._nudge is not None:
            await self._nudge
            self._nudge = None
        await self._put(content)

    async def _put(self, content: bytes) -> None:
        self._sending = True
        await self._client.send(content)
        self._sending = False
        self._sent_at = self._loop.time()

    def _beat(self) -> None:
        """Now and then: whether the client needs a sign of life. One that has not taken the last piece does not."""
        now = self._loop.time()
        if now - self._sent_at >= KEEP_ALIVE_SECONDS and not self._sending:
            self._sent_at = now
            if self._keep_alive and self._client.outlet.between_events:
                self._relayed.keep_alives += 1
                self._nudge = self._loop.create_task(self._put(self._keep_alive))
        self._timer = self._loop.call_at(max(now, self._sent_at) + KEEP_ALIVE_SECONDS, self._beat)


def _is_stream_of_events(answer: UpstreamAnswer) -> bool:
    """Packed ones are not: nobody sees where an event ends in them."""
    said = dict(reversed(answer.headers))
    return said.get(b"content-type", b"").lower().startswith(b"text/event-stream") and b"content-encoding" not in said
