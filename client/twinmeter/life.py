"""What happens to clients when their process forks or ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

EXIT_SECONDS = 5.0
"""How long an exit may be held up by all clients together."""
FORK_SECONDS = 5.0
"""How long a fork waits for what must not be cut in two."""
AFTER_OTHERS = -100
"""When a child of multiprocessing, on its way out, comes to us: its own queues are at -5, and higher numbers first."""


class Living(Protocol):
    """What clients do here."""

    def begin(self) -> None:
        """Begin empty, in a process that has just been forked."""

    def flush(self, timeout: float) -> object:
        """Send what there is."""

    def close(self, timeout: float) -> object:
        """Send what there is, and keep or count what is left."""


class _Process:
    """The clients of this process, what a fork has to wait for, and what its end is told by."""

    def __init__(self) -> None:
        self.clients: list[Living] = []
        self.whole = threading.Lock()
        self.is_forking = False
        self.is_end_expected = False

    def before_fork(self) -> None:
        self.is_forking = self.whole.acquire(timeout=FORK_SECONDS)

    def after_in_parent(self) -> None:
        if self.is_forking:
            self.is_forking = False
            self.whole.release()

    def after_in_child(self) -> None:
        self.whole = threading.Lock()
        self.is_forking = self.is_end_expected = False
        for client in list(self.clients):
            client.begin()

    def at_exit(self, *_: object, **__: object) -> None:
        until = time.monotonic() + EXIT_SECONDS
        for client in list(self.clients):
            # whoever presses Ctrl-C now wants an end: what is left has been kept or counted
            with suppress(KeyboardInterrupt):
                client.close(max(0.0, until - time.monotonic()))

    def expect_end(self) -> None:
        if self.is_end_expected:
            return
        self.is_end_expected = True
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            # for children that are forked, and for one that reports before it has begun to be one
            util.register_after_fork(self, _Process.finalize)
            if any(_is_child(sys.modules.get(name)) for name in ("multiprocessing.process", "billiard.process")):
                self.finalize()
        signals = sys.modules.get("celery.signals")
        if signals is not None:
            signals.worker_process_shutdown.connect(self.at_exit, weak=False, dispatch_uid="twinmeter")

    def finalize(self) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, self.at_exit, exitpriority=AFTER_OTHERS)


def _is_child(process: Any) -> bool:
    return process is not None and getattr(process.current_process(), "_parent_pid", None) is not None


_process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_process.before_fork,
        after_in_parent=_process.after_in_parent,
        after_in_child=_process.after_in_child,
    )
atexit.register(_process.at_exit)


def watch_over(client: Living) -> None:
    """From now on `client` begins anew in a forked child, and is closed at the exit, whoever else has forgotten it."""
    _process.clients.append(client)


def forget(client: Living) -> None:
    """It was closed."""
    with suppress(ValueError):
        _process.clients.remove(client)


def expect_end() -> None:
    """There is something to send: hear of the end also where no exit handler runs.

    Children of multiprocessing and billiard, and thus those of Celery, end by `os._exit`. Never raises.
    """
    with suppress(Exception):  # of modules of others, whose inside may change: then the exit handler is what there is
        _process.expect_end()


def flush_all(seconds: float) -> None:
    """Send what all clients have, for so many seconds at most."""
    until = time.monotonic() + seconds
    for client in list(_process.clients):
        client.flush(max(0.0, until - time.monotonic()))


@contextmanager
def undivided() -> Iterator[None]:
    """A block that no fork falls into: imports, whose locks would stay held in the child, and writing to files."""
    with _process.whole:
        yield
