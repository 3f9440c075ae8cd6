"""One question to the server that somebody waits for, and what comes of it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Union

from twinmeter.decisions import Away, is_refusal, told_of
from twinmeter.waiting import waited

if TYPE_CHECKING:
    from twinmeter.transport import Answer

ASKS, ENDS = "POST", "DELETE"
SHORTLY = 0.1
"""Seconds: more than two statements take."""
TOO_MANY_REQUESTS, FORBIDDEN = 429, 403
_LATER = frozenset({408, 425, TOO_MANY_REQUESTS})
_SLOWLY = frozenset({401, 404, 405})


class Answered(NamedTuple):
    """What the server says."""

    status: int
    told: dict[str, Any]
    retry_after: float | None = None
    """Seconds."""


Outcome = Union[Answered, Away]


class Question:
    """On its way. It comes to an end once: by an answer, or because nobody waits any more."""

    __slots__ = ("_ended", "_listener", "_open", "body", "method", "outcome", "path", "since", "turn", "undo")

    def __init__(
        self, method: str, path: str, body: bytes | None = None, undo: Callable[[Answered], object] | None = None
    ) -> None:
        """`undo` takes back what was answered too late."""
        self.method = method
        self.path = path
        self.body = body
        self.undo = undo
        self.outcome: Outcome | None = None
        self.turn = 0
        """Of the circuit, when it was asked."""
        self.since = time.monotonic()
        self._open = [True]
        self._ended = threading.Event()
        self._listener: Callable[[], object] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not come to an end."""
        return bool(self._open)

    def end(self, outcome: Outcome) -> bool:
        """Take what came of it. False where it has ended before."""
        try:
            self._open.pop()  # atomic: who answers and who gives up are two threads
        except IndexError:
            self._ended.wait(SHORTLY)  # the other one is about to tell
            return False
        self.outcome = outcome
        self._ended.set()
        if self._listener is not None:
            self._listener()
        return True

    def wait(self, seconds: float) -> None:
        """Until it has ended, or so many seconds are over."""
        self._ended.wait(seconds)

    async def waited(self, seconds: float) -> None:
        """The same, while the event loop goes on."""
        if not await waited(self._ended, self._listen, seconds):
            self.wait(seconds)

    def _listen(self, listener: Callable[[], object]) -> None:
        self._listener = listener


def outcome_of(answer: Answer, method: str) -> Outcome:
    """What an answer says; Away where it says nothing of what was asked."""
    status, told = answer.status, told_of(answer.content)
    if status == TOO_MANY_REQUESTS and is_refusal(told):
        return Answered(status, told, answer.retry_after)
    if status in _LATER or status >= 500:  # noqa: PLR2004 - a class of statuses
        return Away(f"the server answers {status}", answer.retry_after)
    if status == FORBIDDEN:
        return Away("the server does not let this key, or token, ask for this user (403)", is_of_one=True)
    if status in _SLOWLY or answer.location or (method == ASKS and not told):
        advice = "see whether TWINMETER_URL and TWINMETER_KEY are right, and the server not too old"
        return Away(f"the server answers {status}: {advice}", answer.retry_after, slowly=True)
    return Answered(status, told, answer.retry_after)
