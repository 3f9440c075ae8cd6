"""Asking the server while somebody waits: in threads of ours, so that a caller waits as long as he is told to, and an
event loop not at all.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING, Callable

from twinmeter.circuit import Circuit
from twinmeter.clock import Clock
from twinmeter.configuration import ALLOW, Configuration
from twinmeter.decisions import Away
from twinmeter.life import expect_end, undivided
from twinmeter.notices import Notices
from twinmeter.questions import ASKS, Answered, Outcome, Question, outcome_of
from twinmeter.tally import Tally

if TYPE_CHECKING:
    from queue import SimpleQueue

    from twinmeter.transport import Transport

MOST_THREADS = 32
IDLE_SECONDS = 30.0
"""After which a thread ends: its connection would not be used again."""
LATE_SECONDS = 10.0
"""How long an answer is waited for that nobody wants any more: what it grants has to be given back."""
MOST_ERRANDS = 1_000
"""That wait until the server answers again."""
ERRAND_SECONDS = 600.0
"""After which a reservation that could not be given back has ended by itself."""
POLL_SECONDS = 0.002

Undo = Callable[[Answered], object]


class Asker:
    """Asks one server, by as many threads as there are questions at once. Nothing here raises, or takes a lock."""

    def __init__(self, configuration: Configuration, clock: Clock, notices: Notices) -> None:
        self._configuration = configuration
        self._clock = clock
        self._notices = notices
        self._seconds = configuration.limits_timeout
        self._circuit = Circuit()
        self._questions: SimpleQueue[Question] = queue.SimpleQueue()
        self._free: deque[None] = deque()
        """One for each thread that waits for a question, and that nobody counts on yet."""
        self._threads: set[threading.Thread] = set()
        self._errands: deque[Question] = deque(maxlen=MOST_ERRANDS)
        self._sent, self._ended = Tally(), Tally()
        """Errands."""

    def ask(self, path: str, body: bytes, undo: Undo | None = None) -> Outcome:
        """What the server says, within `limits_timeout`. `undo` is handed what it says later."""
        question = self._asked(path, body, undo)
        if isinstance(question, Away):
            return question
        try:
            question.wait(self._seconds)
        except BaseException:
            self._forget(question)
            raise
        return self._outcome(question)

    async def ask_later(self, path: str, body: bytes, undo: Undo | None = None) -> Outcome:
        """The same, while the event loop goes on."""
        question = self._asked(path, body, undo)
        if isinstance(question, Away):
            return question
        try:
            await question.waited(self._seconds)
        except BaseException:
            self._forget(question)
            raise
        return self._outcome(question)

    def run(self, method: str, path: str) -> None:
        """An errand: nobody waits for it, and where the server is away it is run once that answers again."""
        errand = Question(method, path)
        if not self._circuit.is_closed or not self._put_errand(errand):
            self._errands.append(errand)

    def settle(self, seconds: float) -> None:
        """Wait until no errand is under way, or so many seconds are over."""
        until = time.monotonic() + seconds
        while self._ended.value < self._sent.value and self._threads and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    def _asked(self, path: str, body: bytes, undo: Undo | None) -> Question | Away:
        question = Question(ASKS, path, body, undo)
        question.turn = self._circuit.turn
        if (away := self._circuit.away()) is not None:
            return away
        return question if self._put(question) else Away("no thread can be started")

    def _outcome(self, question: Question) -> Outcome:
        away = Away(f"no answer within {self._seconds:g} s")
        if question.end(away):
            self._failed(away, question.turn)
        return question.outcome or away

    @staticmethod
    def _forget(question: Question) -> None:
        """Who has asked was cancelled, perhaps when the answer had come already."""
        if not question.end(Away("cancelled")) and question.undo is not None and isinstance(question.outcome, Answered):
            question.undo(question.outcome)

    def _failed(self, away: Away, turn: int) -> None:
        self._circuit.failed(away, turn)
        calls = "go on without" if self._configuration.limits_when_away == ALLOW else "are refused"
        self._notices.once(f"limits {away.reason}", f"limits cannot be checked, and calls {calls}: {away.reason}")

    def _put_errand(self, errand: Question) -> bool:
        self._sent.add()
        if self._put(errand):
            return True
        self._ended.add()
        return False

    def _put(self, question: Question) -> bool:
        """Give it to a thread. False where there is none, as at the end of an interpreter."""
        try:
            self._free.pop()
        except IndexError:
            if self._start(question):
                return True
            if not self._threads:
                return False
        self._questions.put(question)
        return True

    def _start(self, question: Question) -> bool:
        if len(self._threads) >= MOST_THREADS:
            return False
        thread = threading.Thread(target=self._run, args=(question,), name="twinmeter-limits", daemon=True)
        self._threads.add(thread)
        try:
            expect_end()
            thread.start()
        except Exception:
            self._threads.discard(thread)
            return False
        return True

    def _run(self, first: Question) -> None:
        transport: Transport | None = None
        try:
            with undivided():
                from twinmeter.transport import Transport  # noqa: PLC0415 - most processes never ask
            transport = Transport(self._configuration.url, self._configuration.key, self._clock)
            transport.answer_seconds = max(LATE_SECONDS, self._seconds)
            question: Question | None = first
            while question is not None:
                self._answer(transport, question)
                question = self._next()
        except Exception as error:  # of ours: who has asked goes on without an answer
            self._notices.once("limits bug", "asking has failed", error=error)
        finally:
            self._threads.discard(threading.current_thread())
            if transport is not None:
                transport.close()

    def _next(self) -> Question | None:
        """The next question; None where there was none for long."""
        try:
            return self._questions.get_nowait()
        except Empty:
            self._free.append(None)
        while (question := self._waited()) is None:
            with suppress(IndexError):  # else somebody counts on this thread: his question comes in a moment
                self._free.pop()
                return None
        return question

    def _waited(self) -> Question | None:
        try:
            return self._questions.get(timeout=IDLE_SECONDS)
        except Empty:
            return None

    def _answer(self, transport: Transport, question: Question) -> None:
        if not question.is_open:  # it waited for a thread for too long: nothing was asked
            return
        outcome = _outcome(transport, question)
        if question.method != ASKS:
            self._ran(question, outcome)
            return
        if isinstance(outcome, Away) and not outcome.is_of_one:
            self._failed(outcome, question.turn)
        is_in_time = question.end(outcome)
        if isinstance(outcome, Answered) and is_in_time:
            self._is_there()
        elif isinstance(outcome, Answered) and question.undo is not None:
            question.undo(outcome)

    def _ran(self, errand: Question, outcome: Outcome) -> None:
        if isinstance(outcome, Away) and not outcome.is_of_one:
            self._errands.append(errand)
        self._ended.add()

    def _is_there(self) -> None:
        """The server has answered in time: what has waited for that is done."""
        self._circuit.answered()
        self._notices.over("limits", "limits can be checked again")
        with suppress(IndexError):
            while True:
                errand = self._errands.popleft()
                if time.monotonic() - errand.since < ERRAND_SECONDS:
                    self._put_errand(errand)


def _outcome(transport: Transport, question: Question) -> Outcome:
    from twinmeter.transport import UnreachableError  # noqa: PLC0415 - loaded by who has made the transport

    try:
        return outcome_of(transport.ask(question.method, question.path, question.body), question.method)
    except UnreachableError as error:
        return Away(f"the server cannot be reached: {error}")
