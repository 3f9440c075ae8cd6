"""Whether a call may be made, for who asks without taking anything."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Self

from app.limits.refusals import QuotaExceededError, refusals_of
from models.limits import Unit, Window


class Decision(NamedTuple):
    """The answer for one call. What is said of a limit is of the one that resets last of those in the way."""

    allowed: bool
    feature: str
    violated: tuple[str, ...] = ()
    """The ids of the limits that are in the way."""
    message: str | None = None
    """For the user, in plain English."""
    unit: Unit | None = None
    window: Window | None = None
    limit: Decimal | None = None
    """With grants, in `unit`; money is USD. None, as the next two, for a user of a limit that is shared with others."""
    used: Decimal | None = None
    held: Decimal | None = None
    """By calls that are being made."""
    asked: Decimal | None = None
    resets_at: datetime | None = None
    retry_after: int | None = None
    """Seconds; None where waiting does not help."""
    upgrade_url: str | None = None

    @classmethod
    def refused(cls, error: QuotaExceededError, feature: str) -> Self:
        """That of a call that would be refused, with the figures that its caller may see."""
        refusal, told = error.refusal, error.members
        return cls(
            allowed=False,
            feature=feature,
            violated=tuple(each.limit.id for each in refusals_of(refusal)),
            message=error.message,
            unit=refusal.limit.unit,
            window=refusal.limit.window,
            limit=told["limit"],
            used=told["used"],
            held=told["held"],
            asked=refusal.asked,
            resets_at=refusal.resets_at,
            retry_after=error.retry_after,
            upgrade_url=error.upgrade_url,
        )
