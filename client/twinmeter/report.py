"""A call that was reported, for who wants to know what became of it: by waiting, by `await`, or by looking later."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from decimal import Decimal
from typing import Any, Callable

from twinmeter.receipts import Fault, Receipt, queued
from twinmeter.waiting import waited

WAIT_SECONDS = 5.0


class Report:
    """One reported call. Its receipt is `queued` until the server's has come.

    `await report` and `report.wait()` give the server's receipt, after `WAIT_SECONDS` at the latest; or at once the one
    that there is, where an attempt to send has failed: nobody waits for a server that is away. The call itself is kept
    and sent all the same.
    """

    __slots__ = ("_ended", "_listeners", "_receipt", "_waits")

    def __init__(self, receipt: Receipt | None = None, *, waits: bool = True) -> None:
        """`waits`: whether `await` waits for the server. With a receipt, nothing more is expected."""
        self._receipt = queued() if receipt is None else receipt
        self._listeners: deque[Callable[[], object]] = deque()
        self._ended = threading.Event()
        self._waits = waits
        if receipt is not None:
            self._ended.set()

    def told(self, receipt: Receipt) -> None:
        """Take what is known now, and wake who waits."""
        self._receipt = receipt
        self._ended.set()
        while self._listeners:
            self._listeners.popleft()()

    @property
    def receipt(self) -> Receipt:
        """What is known so far."""
        return self._receipt

    @property
    def status(self) -> str:
        return self._receipt.status

    @property
    def id(self) -> str | None:
        return self._receipt.id

    @property
    def feature(self) -> str | None:
        return self._receipt.feature

    @property
    def cost(self) -> Decimal | None:
        return self._receipt.cost

    @property
    def errors(self) -> tuple[Fault, ...]:
        return self._receipt.errors

    def wait(self, timeout: float = WAIT_SECONDS) -> Receipt:
        """The receipt, after so many seconds at the latest. It blocks: in a coroutine, `await` the report instead."""
        if self._waits:
            self._ended.wait(timeout)
        return self._receipt

    def __await__(self) -> Generator[Any, None, Receipt]:
        if not self._waits or self._ended.is_set():
            return self._receipt
        yield from waited(self._ended, self._listeners.append, WAIT_SECONDS).__await__()
        return self._receipt

    def __repr__(self) -> str:
        return f"Report({self._receipt!r})"
