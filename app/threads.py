"""Threads for blocking work that outlive those of `concurrent.futures`.

Python ends its own pools before it calls what was registered with `atexit`, and waits for their threads at each exit.
These work until the process is gone, and hold up nobody.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

Params = ParamSpec("Params")
Result = TypeVar("Result")
_Work = tuple["Future[Any]", Callable[[], Any]]


class DaemonThreads(Executor):
    """At most so many, made when they are needed. They end with this object, and with the process."""

    def __init__(self, name: str, most: int = 1) -> None:
        self._name = name
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads = 0
        self._ended = False

    def submit(
        self, function: Callable[Params, Result], /, *args: Params.args, **kwargs: Params.kwargs
    ) -> Future[Result]:
        """Do it in one of the threads. Raises RuntimeError after `shutdown`."""
        if self._ended:
            raise RuntimeError(f"the threads of {self._name} have been ended")
        future: Future[Result] = Future()
        self._work.put((future, partial(function, *args, **kwargs)))
        if not self._idle.acquire(blocking=False):
            self._grow()
        return future

    def begin(self) -> None:
        """Make the first of them now: an interpreter that is ending may let none begin."""
        self._grow()

    def _grow(self) -> None:
        with self._lock:
            if self._threads >= self._most:
                return
            name = f"twinmeter-{self._name}_{self._threads}"
            # they must not hold this object, or it would never go
            thread = threading.Thread(target=_serve, args=(self._work, self._idle), name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # the interpreter is ending, or the system has no more: those that are there do it
                if not self._threads:
                    raise
                return
            self._threads += 1

    def renew(self) -> None:
        """In a forked child, which has none of the threads: begin anew."""
        self._begin()

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - as its base has it
        """Take nothing more, and end the threads when what was taken is done. Waits for nobody."""
        self._ended = True
        for _ in range(self._threads):
            self._work.put(None)

    def __del__(self) -> None:
        self.shutdown()


def _serve(work: "SimpleQueue[_Work | None]", idle: threading.Semaphore) -> None:
    while (taken := work.get()) is not None:
        future, function = taken
        if future.set_running_or_notify_cancel():
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
                future.set_exception(error)
            else:
                future.set_result(result)
                del result
        del future, function, taken
        idle.release()
