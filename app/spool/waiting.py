"""A pair on its way to MongoDB or to the spool, and the caller that may be waiting for it."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from app.ledger.outcomes import Outcome
from app.ledger.twins import Pair


class Waiting:
    """One pair. It is settled once; what becomes known later does not change what its caller was answered.

    Times are the loop's clock.
    """

    __slots__ = ("answer", "door", "offered", "pair", "sender", "settled", "since", "spool_at", "spooling", "until")

    def __init__(  # noqa: PLR0917 - by place it takes half as long, for each call
        self,
        pair: Pair,
        door: str,
        sender: str,
        since: float,
        spool_at: float,
        until: float,
        answer: "asyncio.Future[Outcome] | None",
    ) -> None:
        self.pair = pair
        self.door = door
        """The ingest channel of the call; a label of the counters."""
        self.sender = sender
        """Among whom calls are queued fairly."""
        self.since = since
        """When it came."""
        self.spool_at = spool_at
        """When it goes to the spool: the rest is for the disk."""
        self.until = until
        """When its caller leaves."""
        self.answer = answer
        """None where nobody waits."""
        self.settled = False
        self.offered = False
        """Whether it was sent to MongoDB, which so may have it."""
        self.spooling = False
        """Whether the spooler has been given it."""

    @property
    def is_open(self) -> bool:
        """Whether what becomes of it is still to be decided."""
        return not (self.settled or self.spooling)

    @property
    def overdue_at(self) -> float:
        """When it goes to the spool though it is being committed: later than others, for it is nearly done."""
        return (self.spool_at + self.until) / 2 if self.answer is not None else self.spool_at

    def settle(self, outcome: Outcome) -> bool:
        """Answer the caller, unless that has been done. Returns whether this was the first answer."""
        if self.settled:
            return False
        self.settled = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(outcome)
        return True


def settle_all(pairs: Iterable[tuple[Waiting, Outcome]]) -> "Counter[tuple[str, str]]":
    """Settle each and count those that had not been answered, by door and status."""
    told: Counter[tuple[str, str]] = Counter()
    for waiting, outcome in pairs:
        if waiting.settle(outcome):
            told[waiting.door, outcome.status] += 1
    return told
