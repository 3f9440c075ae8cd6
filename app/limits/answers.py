"""What is answered to who asks about limits."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from app.errors import AGAIN_IN_A_SECOND, AppError
from app.limits.meters import Applied, CounterKey, Missing
from models.limits import Limit

TTL = timedelta(minutes=10)
"""After which a reservation that nobody settles ends."""


class LimitsUnavailableError(AppError):
    """Whether a call may pass cannot be known now."""

    status = 503
    default_headers: ClassVar[Any] = AGAIN_IN_A_SECOND
    title = "Limits unavailable"


class Refusal(NamedTuple):
    """Why a call may not pass: the limit that resets last of those that refuse, and the others."""

    limit: Limit
    limit_amount: Decimal
    """With grants."""
    used: Decimal
    held: Decimal
    asked: Decimal
    resets_at: datetime | None
    others: tuple["Refusal", ...] = ()
    unbounded: tuple[Missing, ...] = ()
    """Why nobody can say what the call will use at most, which this limit does not allow; `asked` is 0 then."""
    counter: CounterKey | None = None
    """Whose calls are counted together, and in which time."""
    zone: str = "UTC"
    """In which that time begins."""


class Hold(NamedTuple):
    """What a reservation holds of one counter."""

    applied: Applied
    amount: Decimal
    left: Decimal | None = None
    """Of the allowance beside all that is used and held, as far as it is known."""


class Held(NamedTuple):
    """A reservation. Without limits it holds nothing."""

    id: str
    expires_at: datetime
    holds: tuple[Hold, ...] = ()
    unenforced: bool = False
    """MongoDB is away, and a limit lets calls pass then."""


class LimitState(NamedTuple):
    """A limit and what is used and held of it, exactly as of one moment."""

    limit: Limit
    counter: CounterKey
    used: Decimal
    held: Decimal
    allowance: Decimal
    """The amount with grants."""
    overrun: Decimal
    """Of `used`, what was counted beyond a hard limit."""

    @property
    def resets_at(self) -> datetime | None:
        return self.counter.period.resets_at
