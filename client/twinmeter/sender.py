"""The thread that sends. Calls stay in hand until each has its outcome, or goes back to where it came from."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twinmeter.calls import Call
from twinmeter.clock import Clock
from twinmeter.configuration import Configuration
from twinmeter.life import expect_end, undivided
from twinmeter.notices import Notices
from twinmeter.outcomes import Outcomes
from twinmeter.pause import Pause
from twinmeter.queue import BATCH, Queue
from twinmeter.receipts import queued

if TYPE_CHECKING:
    from twinmeter.delivery import Delivery
    from twinmeter.spool import Spool

TOLD_AFTER = 3
"""Attempts in a row that fail before it is logged: a server that is restarted is not worth a line."""
LOOK_SECONDS = 1.0
"""How often a sender that may not send looks whether memory overflows."""

SHARE_OF_LAST_TURN = 0.2
"""Of the time of a close: for who sends to come to an end with what is in hand."""


class Sender:
    """Sends what is in the queue. `step` may be called by any thread, one at a time."""

    def __init__(
        self, configuration: Configuration, queue: Queue, outcomes: Outcomes, clock: Clock, notices: Notices
    ) -> None:
        self._configuration = configuration
        self._queue = queue
        self._outcomes = outcomes
        self._notices = notices
        self._clock = clock
        self._pause = Pause()
        self._delivery: Delivery | None = None
        self._spool: Spool | None = None
        self._turn = threading.Lock()
        self._whose_turn: int | None = None
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._watchers: list[threading.Event] = []
        self._is_closing = False
        self.trouble = ""
        """Why nothing can be sent just now; empty where it can."""

    @property
    def spooled(self) -> int:
        """Calls on the disk."""
        return self._spool.waiting if self._spool else 0

    @property
    def is_running(self) -> bool:
        return self._thread is not None

    @property
    def is_pausing(self) -> bool:
        """Whether an attempt has failed, and the next one is not due yet."""
        return self._pause.left > 0

    @property
    def is_here(self) -> bool:
        """Whether it is this thread that sends, as in `on_rejected` or a log handler: it would wait for itself."""
        return threading.current_thread() is self._thread or self._whose_turn == threading.get_ident()

    def start(self) -> bool:
        """See that the thread runs. False where none can be started, as at the end of an interpreter. Never waits."""
        if self._thread is None and self._starting.acquire(blocking=False):
            try:
                expect_end()
                thread = threading.Thread(target=self._run, name="twinmeter", daemon=True)
                self._thread = thread
                thread.start()
            except Exception:
                self._thread = None
            finally:
                self._starting.release()
        return self._thread is not None

    def settle(self, number: int, timeout: float, *, spool: bool = True) -> None:
        """Send until no call up to this number is left in memory, nor in the spool, or so many seconds are over."""
        if self.is_here:
            return
        until, watch = time.monotonic() + timeout, threading.Event()
        self._pause.cut_short()
        self._watchers.append(watch)
        try:
            while (left := until - time.monotonic()) > 0 and not self._has_settled(number, spool=spool):
                if self._pause.left > left:
                    break  # it would be in vain
                self._queue.hurry()
                if self.start():
                    watch.wait(min(left, LOOK_SECONDS))
                    watch.clear()
                else:
                    self._step_here(left)
        finally:
            self._watchers.remove(watch)

    def close(self, number: int, timeout: float) -> None:
        """Send what there is for so many seconds, and keep the rest in the spool; what cannot be kept is lost."""
        self._is_closing = True
        try:
            self.settle(number, timeout * (1 - SHARE_OF_LAST_TURN), spool=False)
        finally:  # also where somebody presses Ctrl-C meanwhile
            self._leave(timeout * SHARE_OF_LAST_TURN)

    def _leave(self, timeout: float) -> None:
        """Keep what could not be sent."""
        # who sends may be writing to the spool just now: then these calls are kept already. Who still waits for an
        # answer is not waited for: these calls are kept, and sent again under the same ids
        is_ours = self._turn.acquire(timeout=timeout)
        left = [call for call in self._queue.drain() if not call.is_over]
        if is_ours:
            self._turn.release()
        self._queue.hurry()
        if self._thread is None:
            self.abandon()
        is_kept = not left or self._kept(left)
        if self._spool:
            self._spool.let_go()
        if is_kept:
            return
        reason = f"they were left at the exit: {self.trouble or 'the server has not answered in time'}"
        for call in left:
            self._outcomes.lost_call(call, reason)
        self._notices.once("left", f"calls are lost: {len(left):,}; {reason}")

    def retire(self) -> None:
        """Send what there is, and end."""
        self._is_closing = True
        self._queue.hurry()

    def abandon(self) -> None:
        """Let go of the connection: at the end, or in a forked child, where it is the parent's."""
        if self._delivery is not None:
            self._delivery.close()

    def step(self) -> None:
        """Send one batch, and a page of the spool."""
        with self._its_turn():
            delivery = self._prepared()
            calls = self._queue.take()
            try:
                if calls:
                    self._attempt(delivery, calls)
            finally:
                again = [call for call in calls if not call.is_over]
                self._queue.settle(again)
                for call in again:
                    if call.report is not None:
                        call.report.told(queued(self.trouble))
            if self._spool and self._spool.waiting and not self.is_pausing:
                page = self._spool.claim(BATCH)
                try:
                    self._attempt(delivery, page)
                finally:
                    self._spool.settle(page)
        for watch in list(self._watchers):
            watch.set()

    @contextmanager
    def _its_turn(self) -> Iterator[None]:
        with self._turn:
            self._whose_turn = threading.get_ident()
            try:
                yield
            finally:
                self._whose_turn = None

    def _attempt(self, delivery: Delivery, calls: list[Call]) -> None:
        from twinmeter.delivery import NotTakenError  # noqa: PLC0415 - loaded by `_prepared`
        from twinmeter.transport import UnreachableError  # noqa: PLC0415

        try:
            delivery.deliver(calls)
        except NotTakenError as error:
            self._failed(error.reason, retry_after=error.retry_after, slowly=error.slowly)
        except UnreachableError as error:
            self._failed(f"the server cannot be reached: {error}")
        else:
            if all(call.is_over for call in calls):
                self._pause.succeeded()
                self.trouble = ""
                self._notices.over("trouble", "the server takes calls again")
            else:
                self._failed("the server could not store all of the calls")

    def _failed(self, reason: str, *, retry_after: float | None = None, slowly: bool = False) -> None:
        self.trouble = reason
        self._pause.failed(retry_after, slowly=slowly)
        if slowly or self._pause.faults >= TOLD_AFTER:
            self._notices.once(f"trouble {reason}", f"calls are kept, and sent again later: {reason}")

    def _run(self) -> None:
        try:
            self._queue.listen()
            while not (self._is_closing and not len(self._queue)):
                self._round()
        finally:
            if self._is_closing:
                self.abandon()
            self._thread = None
            if len(self._queue):  # put in while this one seemed to run still
                self.start()

    def _round(self) -> None:
        try:
            if self._queue.too_many:
                self._notices.once("lost", f"calls are lost: {self._queue.too_many} wait already. {self.trouble}")
            self._prepared()
            if self._spool and not self._spool.seconds_to_look:
                self._spool.look()
            self._spill()
            if (left := self._pause.left) > 0:
                self._queue.pause(min(left, LOOK_SECONDS))
            elif len(self._queue):
                self._queue.gather()
                self.step()
            elif self.spooled:
                self.step()
            else:
                self._queue.rest(self._spool.seconds_to_look if self._spool else None)
        except Exception as error:  # a bug of ours must not end the sending of all that follows
            self._pause.failed()
            self._notices.once("bug", "the sender has failed, and goes on", error=error)

    def _step_here(self, left: float) -> None:
        """A round without a thread."""
        if (pause := self._pause.left) > 0:
            time.sleep(min(pause, left))
            return
        self._prepared().allow(left)
        self.step()

    def _prepared(self) -> Delivery:
        """What is needed to send is loaded now: most of an application's processes import much and report nothing."""
        if self._delivery is None:
            configuration = self._configuration
            with undivided():
                from twinmeter.delivery import Delivery  # noqa: PLC0415
                from twinmeter.transport import Transport  # noqa: PLC0415

                transport = Transport(configuration.url, configuration.key, self._clock)
            self._open_spool()
            self._delivery = Delivery(transport, self._clock, self._outcomes)
        return self._delivery

    def _open_spool(self) -> None:
        if not self._configuration.spool or self._spool is not None:
            return
        with undivided():
            from twinmeter.spool import Spool  # noqa: PLC0415
        spool = Spool(self._configuration.spool, self._notices)
        spool.look()
        self._spool = spool

    def _spill(self) -> None:
        """Move calls to the disk where memory fills, or nothing can be sent: a killed process then loses none."""
        while self._spool and (self._pause.faults or self._queue.is_half_full) and len(self._queue):
            with self._its_turn():
                calls = self._queue.take()
                is_kept = self._kept(calls)
                self._queue.settle([] if is_kept else calls)
            if not is_kept:
                return

    def _kept(self, calls: list[Call]) -> bool:
        """Whether these calls are on the disk now."""
        self._open_spool()
        if self._spool is None:
            return False
        sendable = list(self._outcomes.sendable(calls, self._clock))
        if sendable and not self._spool.add(sendable):
            return False
        for call in sendable:
            call.is_over = True
            if call.report is not None:
                call.report.told(queued("it is in the spool"))
        return True

    def _has_settled(self, number: int, *, spool: bool) -> bool:
        oldest = self._queue.oldest
        if oldest is not None and oldest <= number:
            return False
        is_looked_through = self._spool is not None or not self._configuration.spool
        return not spool or (is_looked_through and not self.spooled)
