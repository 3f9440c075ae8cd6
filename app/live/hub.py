"""Listeners of this process and their notifications: many pages, one change stream."""

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bson.timestamp import Timestamp

from app.database import Database
from app.database.connection import STANDALONE_ADVICE
from app.errors import DatabaseUnavailableError, NoLiveEventsError, TooManyRequestsError
from app.live.changes import Change, version_of
from app.live.listener import Listener
from app.live.stream import ChangeStream
from app.observability.metrics import Counters

MAX_LISTENERS = 1_000
"""Of one process. A page has one, and the tabs of a browser share it."""
OPEN_SECONDS = 3.0
"""How long a page waits for the change stream before it has to reconnect."""
MOST_CLIENTS = 10_000
"""How many clients' newest commits are known individually."""
STOP_SECONDS = 1.0


class Hub:
    """Opens its change stream for the first page, and keeps it."""

    def __init__(self, database: Database, counters: Counters) -> None:
        self.available = database.transactional
        """Whether the server has change streams at all."""
        self._stream = ChangeStream(database, self._began, self._heard, counters.live_opens)
        self._counters = counters
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._since = ""
        """For all other clients: no later commit was missed."""
        self._newest: OrderedDict[str | None, str] = OrderedDict()
        """The newest commit by client, and of all; the oldest is first."""
        counters.watch("twinmeter_live_listeners", "Open event streams", lambda: len(self._listeners), added=True)
        counters.watch("twinmeter_live_down", "1 while pages wait for the change stream", lambda: self._is_down)

    @property
    def up(self) -> bool:
        """Whether commits are observed now. If not, they are reported once they are again."""
        return self._stream.up.is_set()

    @property
    def _is_down(self) -> bool:
        return self._task is not None and not self.up

    def version(self, client: str | None) -> str:
        """Up to which moment the commits of a client, or of all, are reported: its newest one, where that is known."""
        return max(self._newest.get(client, ""), self._since)

    @asynccontextmanager
    async def listening(self, client: str | None) -> AsyncIterator[Listener]:
        """A listener for the length of a block. Raises NoLiveEventsError where there never are any,
        DatabaseUnavailableError where there are none now, and TooManyRequestsError.
        """
        await self._ready()
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyRequestsError(f"this process has {MAX_LISTENERS} open event streams, and accepts no more")
        listener = Listener(client)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def told(self) -> None:
        """Count an event that was sent."""
        self._counters.live_events.inc()

    def close(self) -> None:
        """End all listeners, and accept no new ones: the server is about to stop."""
        self._closing = True
        for listener in self._listeners:
            listener.end()

    async def stop(self) -> None:
        """Close, and let go of the change stream."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            # a server that does not answer must not hold up the stop
            await asyncio.wait({self._task}, timeout=STOP_SECONDS)

    async def _ready(self) -> None:
        if not self.available:
            raise NoLiveEventsError(f"no live events: {STANDALONE_ADVICE}")
        if self._task is None and not self._closing:
            # a context of its own: it outlives the request, and takes neither its log fields nor its time limits
            work, context = self._stream.run(), contextvars.Context()
            self._task = asyncio.create_task(work, name="twinmeter-live", context=context)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._stream.up.wait()
        except TimeoutError as error:
            raise DatabaseUnavailableError("commits cannot be observed now: MongoDB does not answer") from error
        if self._closing:
            raise DatabaseUnavailableError("the server is stopping")

    def _began(self, moment: Timestamp) -> None:
        first, self._since = not self._since, version_of(moment)
        if not first:
            self._publish(Change.of_everything(moment))

    def _heard(self, change: Change) -> None:
        if change.parts is None:
            self._since = change.version
        else:
            self._note(change)
        self._publish(change)

    def _note(self, change: Change) -> None:
        for client in (*change.clients(), None):
            self._newest[client] = change.version
            self._newest.move_to_end(client)
        while len(self._newest) > MOST_CLIENTS:
            _, forgotten = self._newest.popitem(last=False)
            self._since = max(self._since, forgotten)

    def _publish(self, change: Change) -> None:
        for listener in self._listeners:
            if (news := change.about(listener.client)) is not None:
                listener.tell(news)


@asynccontextmanager
async def open_hub(database: Database, counters: Counters) -> AsyncIterator[Hub]:
    """The hub of a process for the length of a block."""
    hub = Hub(database, counters)
    try:
        yield hub
    finally:
        await hub.stop()
