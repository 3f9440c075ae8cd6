"""What a process remembers of the exports that it has taken, for some minutes and up to a number."""

from collections.abc import Hashable
from threading import Lock

from cachetools import LRUCache, TTLCache

from app.otlp.answers import Answer
from app.otlp.calls import SpanCall

ANSWERS = 100_000
"""In all, whatever their ids: at most 1 kB each."""
ANSWER_SECONDS = 15 * 60
"""Two instrumentations export within seconds of each other; one that has to retry takes some minutes."""
SAME_ID = 10
"""Answers with one id in one trace: an agent's calls, one after another, of a server that has few ids."""
REASONS = 1_000


class ExportMemory:
    """The answers that were told of lately, for any thread, and what was logged, for the loop. One per process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: TTLCache[Hashable, tuple[tuple[Answer, str], ...]] = TTLCache(
            ANSWERS, ANSWER_SECONDS, getsizeof=len
        )
        self._logged: LRUCache[str, None] = LRUCache(REASONS)

    def request_id(self, call: SpanCall, client_id: str, user_id: str | None) -> str:
        """What makes the call itself: that of the span which told of the same answer before, if any did. What a user
        (`user_id`) exports with a token of their own is remembered for that user alone.

        An answer whose id is unique needs no memory: its call's own request id says so, in every process.
        """
        own: str = call.fields["request_id"]
        answer = call.answer
        if answer is None or answer.is_unique:
            return own
        key = (client_id, user_id, *answer.key)
        with self._lock:
            told = self._answers.get(key, ())
            for before, request_id in told:
                if answer.is_that_of(before):
                    return request_id
            self._answers[key] = (*told, (answer, own))[-SAME_ID:]
        return own

    def is_new(self, reason: str) -> bool:
        """Whether `reason` is not among those of late, of which each is logged once."""
        known = reason in self._logged
        self._logged[reason] = None
        return not known
