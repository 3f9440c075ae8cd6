"""Keys by id, looked up together: whatever number is made up, MongoDB is asked a few times a second."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from app.errors import TooManyRequestsError
from models.documents import Document

PAUSE_SECONDS = 0.05
"""Between two queries, and so how long an unknown key waits at most; the first after a pause waits for none."""
MOST_AT_ONCE = 1_000

Query = Callable[[Sequence[str]], Awaitable[Mapping[str, Document]]]


class KeyLookup:
    """One query, with all ids that have gathered, at a time. `query` gives the stored keys among them, by id."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._gathered: set[str] = set()
        self._answer: asyncio.Future[Mapping[str, Document]] | None = None
        """Of the next query, once anybody waits for it."""
        self._one_at_a_time = asyncio.Lock()
        self._asked_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def find(self, key_id: str) -> Document | None:
        """The stored key. Raises what the query raises, and TooManyRequestsError where too many are asked for."""
        if len(self._gathered) >= MOST_AT_ONCE:
            raise TooManyRequestsError("too many unknown API keys are being looked up; try again in a second")
        self._gathered.add(key_id)
        if (answer := self._answer) is None:
            answer = self._answer = asyncio.get_running_loop().create_future()
            self._tasks.add(task := asyncio.create_task(self._ask(answer), name="twinmeter-key-lookup"))
            task.add_done_callback(self._tasks.discard)
        # who gives up must not take the answer from the others
        return (await asyncio.shield(answer)).get(key_id)

    async def _ask(self, answer: "asyncio.Future[Mapping[str, Document]]") -> None:
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            await asyncio.sleep(self._asked_at + PAUSE_SECONDS - loop.time())
            ids, self._gathered, self._answer = list(self._gathered), set(), None
            self._asked_at = loop.time()
            try:
                answer.set_result(await self._query(ids))
            except Exception as error:  # noqa: BLE001 - those who wait get it
                answer.set_exception(error)
                answer.exception()  # they may all have left
