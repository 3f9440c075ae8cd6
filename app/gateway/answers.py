"""An upstream's answer, as aiohttp receives it."""

import asyncio
from collections.abc import Sequence

import aiohttp

from app.gateway.failures import BREAKS, failure_of
from app.gateway.transport import UpstreamError

TURN_BYTES = 16 * 1024
"""What is handed out at once. All that is done with a piece is done in one turn of the event loop."""
_GRACE_SECONDS = 0.1
"""How long after its time an upstream still has, for what may have come already."""

_UNPACKED = frozenset({b"gzip", b"deflate", b"br", b"zstd"})


class Answer:
    """An answer of which the head has come. A slow reader slows the upstream down: little of it waits here."""

    def __init__(
        self, response: aiohttp.ClientResponse, silence_seconds: float, ended: asyncio.Future[None] | None
    ) -> None:
        """`ended` is done when the connection has ended."""
        self.status = response.status
        self.headers: Sequence[tuple[bytes, bytes]] = _as_read(response.raw_headers)
        self._response = response
        self._ended = ended
        if ended is not None:
            ended.add_done_callback(self._lost)
        self._content = response.content
        self._silence_seconds = silence_seconds
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._came: int | None = None
        """How many bytes there were when the upstream was first found silent."""
        self._silent = False

    async def chunk(self) -> bytes:
        """The next piece as soon as there is one; empty at the end.

        Raises UpstreamError where it breaks off, after all that came before.
        """
        self._waiting_since = self._loop.time()
        if self._timer is None:  # one for the whole answer, not one for each piece
            self._look_again(self._silence_seconds, None)
        try:
            piece = await self._content.read(TURN_BYTES)
        except BREAKS as error:
            # aiohttp raises before it hands out what came in one go with the end of the connection
            if piece := self._content._read_nowait(-1):  # noqa: SLF001
                return piece
            self.close()
            raise self._failure(error) from None
        finally:
            self._waiting_since = None
        if not piece:
            self._check_end()
            self.close()
        return piece

    def close(self) -> None:
        """Let it go: a connection whose answer was not read to its end is closed."""
        if self._timer is not None:
            self._timer.cancel()
        if self._ended is not None:
            self._ended.remove_done_callback(self._lost)
        self._response.close()

    def _lost(self, _: asyncio.Future[None]) -> None:
        """The connection has ended. Where aiohttp closed it, for bytes that are no HTTP, it does not tell who reads."""
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError())

    def _check_end(self) -> None:
        """An answer that says nothing of its length ends with its connection: to aiohttp, also where that was reset."""
        if self._ended is None or not self._ended.done() or self._ended.exception() is None:
            return
        if not any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers):
            raise failure_of(aiohttp.ClientPayloadError())

    def _look(self) -> None:
        """Whether the upstream has been silent for too long. While nobody waits for a piece, that is not its doing."""
        now = self._loop.time()
        left = (
            self._silence_seconds if self._waiting_since is None else self._waiting_since + self._silence_seconds - now
        )
        if left > 0:
            self._look_again(left, None)
        elif self._came != self._content.total_bytes:
            # where this process was held up, all that has come is yet to be read
            self._look_again(_GRACE_SECONDS, self._content.total_bytes)
        else:
            self._silent = True
            self._response.close()

    def _look_again(self, seconds: float, came: int | None) -> None:
        self._came = came
        self._timer = self._loop.call_later(seconds, self._look)

    def _failure(self, error: Exception) -> UpstreamError:
        if self._silent:
            return UpstreamError("timeout", f"the upstream sent nothing for {self._silence_seconds:g} seconds")
        return failure_of(error)


def _as_read(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of a body that was unpacked, where it was packed: nobody else has to, and its length is another."""
    lower = [(name.lower(), value) for name, value in headers]
    if not any(name == b"content-encoding" and value.lower() in _UNPACKED for name, value in lower):
        return lower
    return [header for header in lower if header[0] not in {b"content-encoding", b"content-length"}]
