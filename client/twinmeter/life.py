"""What happens to clients when their process forks or ends."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

EXIT_SECONDS = 5.0
"""How long an exit may be held up by all clients together."""
FORK_SECONDS = 1.0
"""How long a fork waits for what must not be cut in two."""


class Living(Protocol):
    """What clients do here."""

    def begin(self) -> None:
        """Begin empty, in a process that has just been forked."""

    def close(self, timeout: float) -> object:
        """Send what there is, and keep or count what is left."""


class _Process:
    """The clients of this process, and what a fork has to wait for."""

    def __init__(self) -> None:
        self.clients: list[weakref.ref[Living]] = []
        self.whole = threading.Lock()
        self.is_forking = False

    def living(self) -> list[Living]:
        return [client for each in self.clients if (client := each()) is not None]

    def before_fork(self) -> None:
        self.is_forking = self.whole.acquire(timeout=FORK_SECONDS)

    def after_in_parent(self) -> None:
        if self.is_forking:
            self.is_forking = False
            self.whole.release()

    def after_in_child(self) -> None:
        self.whole = threading.Lock()
        self.is_forking = False
        for client in self.living():
            client.begin()

    def at_exit(self) -> None:
        until = time.monotonic() + EXIT_SECONDS
        for client in self.living():
            client.close(max(0.0, until - time.monotonic()))


_process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_process.before_fork,
        after_in_parent=_process.after_in_parent,
        after_in_child=_process.after_in_child,
    )
atexit.register(_process.at_exit)


def watch_over(client: Living) -> None:
    """From now on `client` begins anew in a forked child, and is closed at the exit."""
    _process.clients = [each for each in _process.clients if each() is not None] + [weakref.ref(client)]


@contextmanager
def undivided() -> Iterator[None]:
    """A block that no fork falls into: imports, whose locks would stay held in the child, and writing to files."""
    with _process.whole:
        yield
