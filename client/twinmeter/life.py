"""What happens to clients when their process forks or ends."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

EXIT_SECONDS = 5.0
"""How long an exit may be held up by all clients together."""
FORK_SECONDS = 5.0
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
        self.clients: list[Living] = []
        self.whole = threading.Lock()
        self.is_forking = False

    def before_fork(self) -> None:
        self.is_forking = self.whole.acquire(timeout=FORK_SECONDS)

    def after_in_parent(self) -> None:
        if self.is_forking:
            self.is_forking = False
            self.whole.release()

    def after_in_child(self) -> None:
        self.whole = threading.Lock()
        self.is_forking = False
        for client in list(self.clients):
            client.begin()

    def at_exit(self) -> None:
        until = time.monotonic() + EXIT_SECONDS
        for client in list(self.clients):
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
    """From now on `client` begins anew in a forked child, and is closed at the exit, whoever else has forgotten it."""
    _process.clients.append(client)


def forget(client: Living) -> None:
    """It was closed."""
    with suppress(ValueError):
        _process.clients.remove(client)


@contextmanager
def undivided() -> Iterator[None]:
    """A block that no fork falls into: imports, whose locks would stay held in the child, and writing to files."""
    with _process.whole:
        yield
