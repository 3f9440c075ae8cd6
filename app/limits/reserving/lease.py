"""One lease: what a process may grant of one counter from memory. Pure."""

from datetime import datetime
from typing import NamedTuple

from app.limits.holding import Change, Update, growing, shrinking
from app.limits.meters import in_units, stored_amount
from models.counters import Number
from models.documents import Document
from models.limits import Unit

AHEAD_SECONDS = 1.5
"""For so many seconds a lease is to last at the present demand."""
SHARE = 8
"""And is an eighth at most of what is left: others ask, too. Near the end of a limit it is nothing."""
IDLE_SECONDS = 0.5
"""After which what was not granted goes back."""
LEAST_SECONDS = 0.1
"""In which demand is measured at least: a few asks at once are not so many in each moment."""
OLD_WEIGHT = 0.5
"""Of the demand so far, beside that of the last moment."""


class Want(NamedTuple):
    """What a call asks of one counter, in units of `meters.in_units`."""

    counter: str
    unit: Unit
    amount: int
    allowance: int
    """What the counter may have, used and held."""


class Share(NamedTuple):
    """What was granted of a lease."""

    counter: str
    unit: Unit
    owner: str
    amount: int

    @property
    def stored(self) -> Document:
        """As `models.counters.Share`."""
        return {"counter": self.counter, "owner": self.owner, "amount": stored_amount(self.unit, self.amount)}


class Granted(NamedTuple):
    """A reservation from leases alone. Nobody else knows of it."""

    shares: tuple[Share, ...]
    user_id: str
    client_id: str
    principal: str
    expires_at: float
    """By the monotonic clock."""


class Lease:
    """Of one owner in one counter. What is free of it is known here alone; what was granted goes, as it is settled,
    out of the counter without this knowing.
    """

    def __init__(self, counter: str, unit: Unit, owner: str, allowance: int, since: float) -> None:
        """`allowance`: what the counter may have, used and held. Amounts are in units of `meters.in_units`.
        `since`: when it was asked for first.
        """
        self.counter = counter
        self._unit = unit
        self.allowance = allowance
        self.free = 0
        self.used_at = 0.0
        """When it was last granted from, or asked in vain."""
        self.demand = 0.0
        """In a second."""
        self._owner = owner
        self._asked = 0
        self._since = since
        """When `demand` was measured last."""
        self._last_asked = 0
        self._left: int | None = None
        """What the counter had room for, when last looked at; None where it has not been."""
        self._number: int | None = None
        """Of the last change that the counter has; None where it has no such lease."""
        self._amount = 0
        """Of the lease in the counter: what is free, and what was granted and is not settled."""
        self._grown: dict[int, int] = {}
        """By how much it was to grow, by the numbers of changes that the counter may have or get."""
        self._shrinks: int | None = None
        """What is being given back; until that has been done nothing is granted."""

    @property
    def is_over(self) -> bool:
        """Whether the counter has nothing of it, and will not get it."""
        return self._number is None and not self._grown and self._shrinks is None

    def asked(self, amount: int, now: float) -> None:
        """So much was asked for, granted or not."""
        self._asked += amount
        self._last_asked = amount
        self.used_at = now

    def measure(self, now: float) -> None:
        """Say what was asked for in a second, since the last time."""
        lately = self._asked / max(now - self._since, LEAST_SECONDS)
        # what grows is followed at once
        self.demand = max(lately, self.demand * OLD_WEIGHT)
        self._asked, self._since = 0, now

    def change(self, now: float, number: int, expires: datetime) -> Update | None:
        """What is to be done about it, if anything: more where it will not last, less where it is not needed."""
        if self._shrinks is not None or now - self.used_at >= IDLE_SECONDS or self._is_short:
            return self._less(number)
        if self._left is None:
            return None
        most = (self._left + self.free) // SHARE
        if most < self._last_asked or self.free > 2 * most:
            return self._less(number)
        target = min(int(self.demand * AHEAD_SECONDS), most)
        if self.free * 2 >= target:
            return None
        more = target - self.free
        self._grown[number] = more
        of = Change(self.counter, self._owner, number, self._number)
        return growing(of, self._stored(more), self._stored(self.allowance), expires)

    def allow(self, allowance: int) -> None:
        """The limit has another amount now: begin anew."""
        self.allowance = allowance
        self.give_back()

    def give_back(self) -> None:
        """Let the next change give back what is free."""
        self._shrinks = self._shrinks or 0

    def found(self, counter: Document | None) -> None:
        """The counter as it is now, some time after the last change was sent."""
        hold = None
        if counter is not None:
            hold = counter.get("holds", {}).get(self._owner)
            self._left = self.allowance - self._units(counter["used"]) - self._units(counter["held"])
        if hold is None:
            # nothing was there, or it went as a whole: as it was to, or with its owner
            self._number, self._shrinks, self.free, self._amount = None, None, 0, 0
            return
        self._amount = self._units(hold["amount"])
        if hold["number"] == self._number:
            return
        self._number = hold["number"]
        if self._number in self._grown:
            self.free += self._grown[self._number]
        else:
            self._shrinks = None
        # none of the others can be made any more
        self._grown.clear()

    def _less(self, number: int) -> Update | None:
        self._shrinks = (self._shrinks or 0) + self.free
        self.free = 0
        if self._number is None or (not self._shrinks and self._amount):
            self._shrinks = None
            return None
        return shrinking(Change(self.counter, self._owner, number, self._number), self._stored(self._shrinks))

    @property
    def _is_short(self) -> bool:
        """Whether more is used and held than there may be, as after a limit was lowered."""
        return self._left is not None and self._left < 0

    def _units(self, stored: Number) -> int:
        return in_units(self._unit, stored)

    def _stored(self, units: int) -> Number:
        return stored_amount(self._unit, units)
