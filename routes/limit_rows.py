"""What is asked of limits, and answered, as JSON."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

import msgspec
from pydantic import Field

from app.auth.principals import Principal
from app.http.exact import exact_number, instant
from app.http.openapi import exemplified
from app.limits.answers import TTL, Held, Hold, LimitState
from app.limits.asks import Ask
from app.limits.decisions import Decision
from app.limits.refusals import Sight, kind_of_subject, name_of
from app.reports.rows import Row
from models.call import UNKNOWN_MODEL
from models.documents import Document
from models.fields import Name
from models.limits import Unit, Window
from models.money import to_decimal
from routes.panel_rows import PanelLimit, SharedLimit, limit_rows

_json = msgspec.json.Encoder()

LONGEST_SECONDS = 86_400
"""A reservation lives no longer."""


class NewCheck(Ask):
    """What a check asks. Without a model: whether there is anything left at all."""

    model_config = exemplified({"userId": "u1", "contentType": "chat", "model": "gpt-4o"})

    model: Name = UNKNOWN_MODEL


class NewReservation(Ask):
    """What a reservation asks."""

    model_config = exemplified(
        {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1000, "maxOutputTokens": 500}
    )

    ttl_seconds: Annotated[int, Field(ge=1, le=LONGEST_SECONDS)] = int(TTL.total_seconds())
    """After which it ends by itself where the call has not been reported."""
    request_id: Name | None = None
    """Identifies the call: the same id, asked again for the same client, is the same reservation."""


class CheckBody(Row):
    """Whether a call would pass. What is said of a limit is of the one that resets last of those in the way."""

    allowed: bool
    feature: str
    violated: list[str]
    """Ids of the limits that are in the way."""
    message: str | None
    unit: Unit | None
    window: Window | None
    limit: Decimal | None
    """Null, as `used` and `held`, where the limit is shared with others than the caller sees."""
    used: Decimal | None
    held: Decimal | None
    asked: Decimal | None
    resets_at: datetime | None
    retry_after: int | None
    upgrade_url: str | None
    limits: list[PanelLimit]
    """Every limit of such a call, the tightest first."""
    shared: list[SharedLimit]
    """Those that it shares with others than the caller sees."""

    @classmethod
    def of(cls, decision: Decision, states: Sequence[LimitState], viewer: Principal) -> Self:
        limits, shared = limit_rows(states, viewer)
        return cls(**decision._asdict(), limits=limits, shared=shared)


class HeldBody(Row):
    """What a reservation holds of one limit."""

    id: str
    """Of the limit."""
    name: str
    unit: Unit
    window: Window
    amount: Decimal
    limit: Decimal | None
    """With grants; null where the limit is shared with others than the caller sees."""
    left: Decimal | None
    """Beside all that is used and held; null also where it is not known."""
    resets_at: datetime | None


class ReservedBody(Row):
    """Room for one call. Report it with `reservationId`, or release it."""

    id: str
    expires_at: datetime
    feature: str
    held: list[HeldBody]
    """Nothing where no limit applies."""
    unenforced: bool
    """MongoDB is away, and the limits that apply let calls pass meanwhile."""


def reserved_answer(held: Held, feature: str, sees: Sight) -> bytes:
    """A `ReservedBody`: there are as many as calls, so each is written without a model."""
    return _json.encode(
        {
            "id": held.id,
            "expiresAt": instant(held.expires_at),
            "feature": feature,
            "held": [_held(hold, sees) for hold in held.holds],
            "unenforced": held.unenforced,
        }
    )


def _held(hold: Hold, sees: Sight) -> dict[str, Any]:
    (limit, counter, allowance, _), amount, left = hold
    seen, resets_at = kind_of_subject(counter.meter.subject) in sees, counter.period.resets_at
    return {
        "id": limit.id,
        "name": name_of(limit),
        "unit": limit.unit,
        "window": limit.window,
        "amount": exact_number(amount),
        "limit": exact_number(allowance) if seen else None,
        "left": exact_number(left) if seen and left is not None else None,
        "resetsAt": None if resets_at is None else instant(resets_at),
    }


class StoredHoldBody(Row):
    """What a reservation holds, or held, in one counter."""

    unit: str
    window: str
    amount: Decimal


class ReservationBody(Row):
    """A reservation, and what became of it."""

    id: str
    state: str
    """`open`, `settled`, `released` or `expired`."""
    user_id: str
    client_id: str
    content_type: str | None
    feature: str | None
    model: str | None
    held: list[StoredHoldBody]
    created_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    entry: str | None
    """Of a settled one: the id of the call."""

    @classmethod
    def of(cls, stored: Document) -> Self:
        entry = stored.get("entry")
        return cls(
            id=stored["_id"],
            state=stored["state"],
            user_id=stored["userId"],
            client_id=stored["clientId"],
            content_type=stored.get("contentType"),
            feature=stored.get("feature"),
            model=stored.get("model"),
            held=[_stored_hold(hold) for hold in stored["holds"]],
            created_at=stored.get("createdAt"),
            expires_at=stored.get("expiresAt"),
            ended_at=stored.get("endedAt"),
            entry=None if entry is None else str(entry),
        )


def _stored_hold(hold: Any) -> StoredHoldBody:
    _, unit, _, window, *_ = hold["counter"].split("|")
    return StoredHoldBody(unit=unit, window=window, amount=to_decimal(hold["amount"]))
