"""The asking client's end of a call, and for how long a call goes on without it."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from litestar.types import Message, Receive, Send

from app.gateway.formats.base import Headers
from app.gateway.holding import AllButTheEnd, Outlet

Answer = TypeVar("Answer")


class ClientGoneError(Exception):
    """The client has left, and nobody waits for the answer any longer."""


class Drains:
    """How far answers are read on after their clients have left, so that their usage is known."""

    def __init__(self, most: int = 64, seconds: float = 30.0, most_bytes: int = 8 * 1024 * 1024) -> None:
        """Of how many clients at once, and for how long and how much of each. A model says less in that time."""
        self._most = most
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._clients: set[Client] = set()

    @property
    def open(self) -> int:
        """How many are read on just now."""
        return len(self._clients)

    def take(self, client: "Client") -> float:
        """For how many seconds this one's answer is read on: 0 where so many are already. `leave` gives it back."""
        if len(self._clients) >= self._most:
            return 0.0
        self._clients.add(client)
        return self._seconds

    def may_read(self, read: int) -> bool:
        """Whether so many bytes are not too many for somebody who has left."""
        return read <= self._most_bytes

    def leave(self, client: "Client") -> None:
        """Give back a place."""
        self._clients.discard(client)

    def end(self) -> None:
        """Let all of them go: the server stops."""
        for client in self._clients:
            client.give_up()


class Client:
    """The connection of who asks, from when its request has been read: nobody else may call `receive` any more."""

    def __init__(self, receive: Receive, send: Send, drains: Drains | None = None) -> None:
        """`drains` is for those whose answers are read on after they have left; None for those whose are not."""
        self.gone = asyncio.Event()
        """Set as soon as it has left."""
        self.begun = False
        """Whether an answer has begun."""
        self.outlet: Outlet = AllButTheEnd()
        self._receive = receive
        self._send = send
        self._drains = drains
        self._drained = 0
        self._over = False
        """Whether the answer has ended: what is heard of the connection then is no departure."""
        self._loop = asyncio.get_running_loop()
        self._deadline: float | None = None
        """Until when it is waited for, once it has gone."""
        self._scope: asyncio.Timeout | None = None
        self._watcher = self._loop.create_task(self._watch())

    async def send_start(self, status: int, headers: Headers) -> None:
        """Begin the answer."""
        self.begun = True
        await self._tell({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, content: bytes) -> None:
        """Send on a piece; waits while the client reads nothing."""
        await self._tell({"type": "http.response.body", "body": content, "more_body": True})

    async def finish(self, content: bytes = b"") -> None:
        """What was held back of an answer that was relayed, the last piece, and the proper end."""
        self._over = True
        await self._tell({"type": "http.response.body", "body": self.outlet.rest() + content, "more_body": False})

    async def cut(self, event: bytes = b"") -> None:
        """End an answer so that nobody takes it for a whole one: `event` says why, where its form has one for that.

        The handler then returns: uvicorn closes a connection whose answer has no end.
        """
        self._over = True
        if event:
            await self.send(event)

    async def unless_gone(self, awaited: Awaitable[Answer]) -> Answer:
        """What it gives. Raises ClientGoneError where the client has left and its answer is not read on for it."""
        try:
            async with asyncio.timeout_at(self._deadline) as self._scope:
                return await awaited
        except TimeoutError:
            if self._scope is not None and self._scope.expired():
                raise ClientGoneError from None
            raise
        finally:
            self._scope = None

    def drain(self, read: int) -> None:
        """So many bytes were read for nobody."""
        self._drained += read
        if self._drains is None or not self._drains.may_read(self._drained):
            self.give_up()

    def give_up(self) -> None:
        """Wait no longer for one that has gone."""
        self._wait_until(self._loop.time())

    def close(self) -> None:
        """Watch it no more."""
        self._over = True
        self._watcher.cancel()
        if self._drains is not None:
            self._drains.leave(self)

    async def _tell(self, message: Message) -> None:
        if not self.gone.is_set():
            await self._send(message)

    async def _watch(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        finally:
            if not self._over:
                self.gone.set()
                seconds = 0.0 if self._drains is None else self._drains.take(self)
                self._wait_until(self._loop.time() + seconds)

    def _wait_until(self, deadline: float) -> None:
        self._deadline = deadline
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(deadline)
