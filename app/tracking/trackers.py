"""The trackers of this process: which one a call is for, and what becomes of them when the process forks or ends."""

import atexit
import multiprocessing
import os
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import util

from app.ledger.outcomes import ReceiptStatus
from app.observability.logs import Log
from app.tracking.elsewhere import FUNCTION
from app.tracking.home import FORKED, AwayError
from app.tracking.receipt import TrackReceipt
from app.tracking.tracker import Tracker
from models.faults import Fault

log = Log(__name__)

EXIT_SECONDS = 15.0
"""How long an exit is held up by trackers that nobody has closed, all together."""
AFTER_OTHERS = -100
"""When a child of multiprocessing, on its way out, comes to us: its own queues are at -5, and higher numbers first."""
NOT_OPEN = "tracking is not running: open it with `async with tracking(Settings()):` when the application starts"


class Trackers:
    """Those that are open, the one opened last at the end."""

    def __init__(self) -> None:
        self._open: tuple[Tracker, ...] = ()
        self._of_parent: tuple[Tracker, ...] = ()
        """Those that were open when this process was forked."""
        self._changing = threading.Lock()

    @property
    def current(self) -> Tracker | None:
        """The one for whoever asks: that of the loop that asks, where it has one, else the one opened last."""
        found = self._open
        if len(found) > 1:
            return next((tracker for tracker in reversed(found) if tracker.home.is_here), found[-1])
        return found[0] if found else None

    def add(self, tracker: Tracker) -> None:
        with self._changing:
            self._open = (*self._open, tracker)
        with suppress(Exception):  # of others' modules, whose inside may change: the exit handler is there all the same
            self._hear_of_the_end()

    def remove(self, tracker: Tracker) -> None:
        with self._changing:
            self._open = tuple(each for each in self._open if each is not tracker)

    def nobody(self) -> TrackReceipt:
        """The receipt of a call where there is none."""
        if self._of_parent:
            return self._of_parent[-1].elsewhere.dropped(FORKED, FUNCTION)
        log.warning("tracking.not_running")
        return TrackReceipt(ReceiptStatus.DROPPED, errors=(Fault("", NOT_OPEN),))

    def after_fork(self) -> None:
        """In the child: what its parent opened is none of its own."""
        self._changing = threading.Lock()
        for tracker in self._open:
            tracker.life.leave_behind()
        self._open, self._of_parent = (), (*self._of_parent, *self._open)

    def _hear_of_the_end(self) -> None:
        """Where no exit handler runs: children of multiprocessing and those of Celery end by `os._exit`."""
        if multiprocessing.parent_process() is not None:
            util.Finalize(None, self.at_exit, exitpriority=AFTER_OTHERS)
        if (signals := sys.modules.get("celery.signals")) is not None:
            signals.worker_process_shutdown.connect(self.at_exit, weak=False, dispatch_uid="twinmeter-tracking")

    def at_exit(self, **_: object) -> None:
        """Commit or spool what nobody has: the loop of a thread still runs, others are run once more."""
        until = time.monotonic() + EXIT_SECONDS
        for tracker in self._open:
            seconds = max(1.0, until - time.monotonic())
            try:
                tracker.home.complete(tracker.life.close, seconds)
            except AwayError:
                tracker.life.keep(seconds)
            except Exception as error:  # noqa: BLE001 - an exit goes on whatever happens
                reason = "the exit did not wait longer" if isinstance(error, TimeoutError) else type(error).__name__
                if waiting := tracker.life.in_hand.waiting:
                    log.error("tracking.calls_lost", calls=waiting, reason=reason)  # noqa: TRY400 - all there is


trackers = Trackers()
os.register_at_fork(after_in_child=trackers.after_fork)
# at the import, so that it comes after the handlers of applications, which may report or close
atexit.register(trackers.at_exit)
