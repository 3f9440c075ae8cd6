"""A stand-in that runs: in the caller's event loop, or in a thread of its own."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from scripts.provider.server import Connection, Received, State

_BETWEEN_LOOKS = 0.002


class Provider:
    """One stand-in. Its log and its faults may be used from any thread."""

    def __init__(self, *, keeps_log: bool = True) -> None:
        self._state = State(keeps_log)
        self._server: asyncio.Server | None = None
        self.address = ""
        """As in `http://127.0.0.1:1234`, without a path."""

    @property
    def base_url(self) -> str:
        """Where clients of OpenAI are sent."""
        return f"{self.address}/v1"

    @property
    def requests(self) -> list[Received]:
        """What came, oldest first; the latest thousand."""
        return list(self._state.requests)

    @property
    def opened(self) -> int:
        """How many connections there ever were."""
        return self._state.opened

    @property
    def connected(self) -> int:
        """How many connections there are."""
        return len(self._state.connections)

    def fail(self, fault: str, times: int = 1) -> None:
        """The next requests get this: see `scripts.provider.faults`."""
        self._state.faults.extend([fault] * times)

    def forget(self) -> None:
        """Empty the log, and take back what was to fail."""
        self._state.requests.clear()
        self._state.faults.clear()

    def until(self, condition: Callable[[list[Received]], object], seconds: float = 30) -> list[Received]:
        """The log once it fulfils a condition; TimeoutError if it never does. Blocks: not for an event loop."""
        patient = time.monotonic() + seconds
        while not condition(found := self.requests):
            if time.monotonic() > patient:
                raise TimeoutError(found)
            time.sleep(_BETWEEN_LOOKS)
        return found

    async def start(self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._state), host, port, ssl=tls, backlog=1_024)
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"http{'s' if tls else ''}://{host}:{port}"
        return self

    async def stop(self) -> None:
        """Accept nothing any more, and drop who is connected."""
        if self._server:
            self._server.close()
            for connection in list(self._state.connections):
                connection.drop()
            await self._server.wait_closed()


@contextmanager
def provider(*, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Provider]:
    """One that serves in a thread of its own while this lasts."""
    stand_in = Provider()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="provider", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(stand_in.start(port=port, tls=tls), loop).result()
        yield stand_in
    finally:
        asyncio.run_coroutine_threadsafe(stand_in.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
