"""Whether a call may be made, as the server says, or as is settled for when it cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

REFUSED = "quota-exceeded"
"""The end of the type of a refusal's problem document."""


class Decision(NamedTuple):
    """Whether a call may be made. Amounts are in the unit of the limit that is in the way: requests, tokens, USD …"""

    allowed: bool
    feature: str
    violated: tuple[str, ...] = ()
    """The names of the limits that are in the way."""
    message: str | None = None
    """For the user."""
    limit: Decimal | None = None
    used: Decimal | None = None
    asked: Decimal | None = None
    resets_at: datetime | None = None
    retry_after: float | None = None
    """Seconds."""
    upgrade_url: str | None = None
    held: Decimal | None = None
    """By calls that are under way."""
    unit: str | None = None
    window: str | None = None
    unenforced: bool = False
    """No limit was looked at: the server could not be asked, and `limits_when_away` has decided."""
    reason: str | None = None
    """Why it could not be asked, or why it refuses what it was asked."""


class QuotaExceeded(Exception):  # noqa: N818 - it is no fault of anybody's
    """A call was refused before it was made. `decision` says by which limit, and until when."""

    status_code = 429

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.message or decision.reason or "a usage limit is reached")
        self.decision = decision

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.decision,)


class Away(NamedTuple):
    """The server cannot be asked."""

    reason: str
    retry_after: float | None = None
    """Seconds."""
    slowly: bool = False
    """Until somebody changes something: a key, an address, a version."""
    is_of_one: bool = False
    """Other questions may well be answered."""


def when_away(away: Away, feature: str, *, allowed: bool) -> Decision:
    """What is settled for."""
    message = None if allowed else "Usage limits cannot be checked just now. Please try again in a moment."
    return Decision(
        allowed, feature, message=message, retry_after=away.retry_after, unenforced=True, reason=away.reason
    )


def told_of(content: bytes) -> dict[str, Any]:
    """The JSON object of an answer, with exact numbers; empty where there is none."""
    try:
        told = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def is_refusal(told: Mapping[str, Any]) -> bool:
    """Whether a 429 is the server's word on a limit, and not that of something in between which is busy."""
    return str(told.get("type", "")).endswith(REFUSED)


def decision_of(told: Mapping[str, Any], feature: str, *, allowed: bool, retry_after: float | None = None) -> Decision:
    """A decision as the server's JSON has it. What is missing or of another shape is left out."""
    return Decision(
        allowed=allowed,
        feature=_text(told.get("feature")) or feature,
        violated=_violated(told),
        message=_text(told.get("message")) or (None if allowed else _text(told.get("detail"))),
        limit=_amount(told.get("limit")),
        used=_amount(told.get("used")),
        asked=_amount(told.get("asked")),
        resets_at=moment_of(told.get("resetsAt")),
        retry_after=retry_after,
        upgrade_url=_text(told.get("upgradeUrl")),
        held=_amount(told.get("held")),
        unit=_text(told.get("unit")),
        window=_text(told.get("window")),
    )


def moment_of(value: object) -> datetime | None:
    """A time of the server's JSON."""
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")) if value else None
    except ValueError:
        return None


def _violated(told: Mapping[str, Any]) -> tuple[str, ...]:
    names = told.get("violated-policies", told.get("violated"))
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None
