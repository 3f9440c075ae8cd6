"""What became of an object of Stripe's."""

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Of one object."""

    NEW = "new"
    SETTLED = "settled"
    UNMATCHED = "unmatched"
    """Nobody knows whose it is."""
    WAITING = "waiting"
    """For another object, which the reason names."""
    NO_RATE = "no_rate"
    """A currency has no rate on the day: it is booked once the rate is there."""
    NO_PLAN = "no_plan"
    """It names a plan that is not here: it is paid for, and gives nothing until the plan is there."""
    REFUSED = "refused"
    """It cannot be: the reason says why."""


OPEN = (State.UNMATCHED, State.WAITING, State.NO_RATE, State.NO_PLAN, State.REFUSED)
"""What a person may want to look at."""


class Settlement(NamedTuple):
    """What became of one object."""

    id: str
    kind: str
    state: State
    reason: str | None = None
    booked: int = 0
    """Entries."""
    frees: bool = False
    """Whether others that wait for it can go on."""
    also: tuple[str, ...] = ()
    """Others that were settled with it."""
