"""The cache's part in one call: whether its answer is there, and whether the one that comes is kept."""

from typing import Any, Literal

from app.gateway.account import Whose
from app.gateway.cache.cache import ResponseCache
from app.gateway.cache.complete import is_worth_keeping
from app.gateway.cache.questions import key_of, question_of
from app.gateway.cache.recording import Recording
from app.gateway.cache.stored import Stored
from app.gateway.cache.wishes import Wish, may_be_kept, wish_of
from app.gateway.formats.base import Headers, Reading, Wanted
from app.gateway.requests import Incoming, passed_on
from app.gateway.upstreams.upstreams import Target

_OF_THE_BODY = (b"content-type", b"content-encoding", b"content-language", b"content-disposition")
_SUCCESS = 200


class Caching:
    """Of one call. Without a question, nothing is looked for or kept."""

    def __init__(self, cache: ResponseCache | None = None, wish: Wish | None = None, question: bytes = b"") -> None:
        self.found: Stored | None = None
        self._cache = cache if wish is not None and question else None
        self._wish = wish
        self._question = question
        self._generation = 0 if cache is None else cache.generation
        self._recording: Recording | None = None

    @property
    def word(self) -> Literal["hit", "miss", "off"]:
        """What the client is told."""
        return "off" if self._cache is None else "miss" if self.found is None else "hit"

    @property
    def age(self) -> int:
        """In seconds, of an answer that was found."""
        return 0 if self.found is None or self._cache is None else int(self.found.age(self._cache.clock()))

    async def look(self, target: Target) -> Stored | None:
        """The answer of this target, where it is there."""
        if self._cache is not None and self._wish is not None and self._wish.takes:
            self.found = await self._cache.get(key_of(self._question, target), self._wish.seconds)
        return self.found

    def recorded(self, reading: Reading) -> Reading:
        """The same reading; what it lets pass is recorded, where that may be kept."""
        if self._cache is None:
            return reading
        self._recording = Recording(reading, self._cache)
        return self._recording

    def keep(self, target: Target, status: int, headers: Headers, wanted: Wanted, reported: dict[str, Any]) -> None:
        """Keep what was recorded, if it is whole and good."""
        recording, cache, wish = self._recording, self._cache, self._wish
        if recording is None or cache is None or wish is None or status != _SUCCESS:
            return
        if (content := recording.content()) is None or not is_worth_keeping(wanted, content, reported):
            return
        now = cache.clock()
        of_the_body = [each for each in headers if each[0] in _OF_THE_BODY]
        stored = Stored(status, of_the_body, *content, reported, now, now + wish.seconds)
        cache.put(key_of(self._question, target), stored, self._generation)

    def close(self) -> None:
        """Nothing more of this call is kept."""
        if self._recording is not None:
            self._recording.drop()


def caching_of(cache: ResponseCache | None, incoming: Incoming, wanted: Wanted, whose: Whose) -> Caching:
    """What the cache has to do with a call. `wanted` has its body. Raises GatewayError for a header that is no wish."""
    wish = wish_of(incoming.headers, incoming.policy)
    if cache is None or wish is None or not may_be_kept(wanted, wish, incoming.policy, len(incoming.body)):
        return Caching()
    return Caching(cache, wish, question_of(whose, wanted, passed_on(incoming, wanted)))
