"""What a refused caller is told: the sentence for the user, the problem over HTTP, and the fields that say when there
is room again (draft-ietf-httpapi-ratelimit-headers-10).
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from app.errors import AppError
from app.limits.answers import Hold, Refusal
from models import ServiceType
from models.limits import Allowance, Limit, Unit, Window
from models.money import ZERO, plain

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
SOON = 1
"""Seconds after which it is worth to come again where the room that lacks is held by calls that are being made."""

_SECONDS = {Window.MINUTE: 60, Window.HOUR: 3_600, Window.DAY: 86_400, Window.WEEK: 604_800}
_QUOTA_UNITS = {Unit.CONCURRENT: "concurrent-requests", Unit.USD: "usd-micros"}
"""Quotas are whole numbers, so that money is in millionths of a USD. All others are called as they are here."""
_MICROS = Decimal(1_000_000)
_MOST_INTEGER = 999_999_999_999_999
"""Of structured fields."""

_WHEN = {
    Window.MINUTE: " for this minute",
    Window.HOUR: " for this hour",
    Window.DAY: " for today",
    Window.WEEK: " for this week",
    Window.MONTH: " for this month",
    Window.YEAR: " for this year",
    Window.PERIOD: " for this billing period",
    Window.LIFETIME: "",
}
_REQUESTS = {
    ServiceType.CONTENT: "content generations",
    ServiceType.CHAT: "chat messages",
    ServiceType.IMAGE: "images",
    ServiceType.VIDEO: "videos",
    ServiceType.AUDIO: "audio requests",
    ServiceType.EMBEDDING: "embeddings",
}
_OF_SECONDS = {ServiceType.VIDEO: "seconds of video", ServiceType.AUDIO: "seconds of audio"}


Sight = frozenset[str]
"""Whose limits a caller may see the figures of: `user`, `client`, ..., as in the subjects of counters."""
EVERYTHING: Sight = frozenset({"user", "client", "key", "campaign", "feature", "everyone"})


class QuotaExceededError(AppError):
    """A call may not be made: a limit would be passed. Nothing was taken of any limit."""

    status = 429
    title = "Request cannot be satisfied as assigned quota has been exceeded"
    problem_type = QUOTA_EXCEEDED
    logged = False
    """Refusing is what limits are for."""

    def __init__(
        self,
        refusal: Refusal,
        *,
        now: datetime | None = None,
        upgrade_url: str | None = None,
        sees: Sight = EVERYTHING,
    ) -> None:
        now = now or datetime.now(UTC)
        self.refusal = refusal
        self.upgrade_url = upgrade_url
        self.message = message_of(refusal, sees)
        """For the user, in plain English."""
        self.retry_after = retry_after(refusal, now)
        """In how many seconds there may be room; None for never."""
        wait = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        super().__init__(self.message, headers={**rate_limit_fields(refusal, now, sees), **wait})
        self.members = {
            "violated-policies": [each.limit.id for each in refusals_of(refusal)],
            "message": self.message,
            **told(refusal, sees),
            "upgradeUrl": upgrade_url,
            "violations": [told(each, sees) for each in refusals_of(refusal)],
        }


class UnboundedAskError(AppError):
    """A call without an upper bound in the unit of a hard limit, which refuses such calls. Nothing was taken."""

    status = 422
    title = "No upper bound"

    def __init__(self, refusal: Refusal) -> None:
        limit = refusal.limit
        missing = [each for each in refusal.unbounded if each.unit is limit.unit]
        errors = [{"field": each.field, "message": each.message} for each in missing]
        told = "; ".join(f"{each.field}: {each.message}" for each in missing)
        super().__init__(f"limit {limit.id} on {limit.unit} needs an upper bound of this call: {told}", errors=errors)
        self.limit = limit


def kind_of(refusal: Refusal) -> str:
    """Whose calls the limit counts together: `user`, `client`, ..."""
    scope = refusal.limit.scope
    subject = scope.subject if refusal.counter is None else refusal.counter.meter.subject
    return "user" if subject is None else kind_of_subject(subject)


def kind_of_subject(subject: str) -> str:
    """`user`, `client`, `key`, `campaign`, `feature` or `everyone`."""
    return subject.partition(":")[0]


def refusals_of(refusal: Refusal) -> tuple[Refusal, ...]:
    """The refusal of each limit that is in the way."""
    return refusal, *refusal.others


def told(refusal: Refusal, sees: Sight = EVERYTHING) -> dict[str, Any]:
    """What is told of one limit that is in the way: of one that is shared with others, no figures."""
    limit, seen = refusal.limit, kind_of(refusal) in sees
    return {
        "id": limit.id,
        "name": name_of(limit),
        "unit": limit.unit,
        "window": limit.window,
        "filter": limit.filter.model_dump(by_alias=True, exclude_none=True),
        "limit": refusal.limit_amount if seen else None,
        "used": refusal.used if seen else None,
        "held": refusal.held if seen else None,
        "asked": refusal.asked,
        "resetsAt": refusal.resets_at,
    }


def retry_after(refusal: Refusal, now: datetime) -> int | None:
    """Whole seconds, never 0, until all limits that are in the way may have room; None where one never has."""
    waits = [_wait(each, now) for each in refusals_of(refusal)]
    known = [wait for wait in waits if wait is not None]
    return max(known) if len(known) == len(waits) else None


def _wait(refusal: Refusal, now: datetime) -> int | None:
    """Where calls that are being made hold what lacks, there may be room as soon as they end."""
    if _never_fits(refusal):
        return None
    if _is_held(refusal):
        return SOON
    return _seconds_until(refusal.resets_at, now)


def _is_held(refusal: Refusal) -> bool:
    """Whether there would be room without the calls that are being made."""
    return refusal.used + refusal.asked <= _most(refusal)


def _never_fits(refusal: Refusal) -> bool:
    """Whether no new period helps, as of a limit of 0: the call asks for more than there is in all."""
    return refusal.asked > _most(refusal)


def _most(refusal: Refusal) -> Decimal:
    """What may be used and held in a period."""
    return refusal.limit_amount + (refusal.limit.overage_cap or ZERO)


def _seconds_until(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else max(1, math.ceil((moment - now).total_seconds()))


# The sentence


def name_of(allowance: Allowance) -> str:
    """What is limited, as users call it: its name, else by its unit and what it counts."""
    service, feature = allowance.filter.service_type, allowance.filter.feature
    of_feature = f" of {feature}" if feature is not None else ""
    if allowance.name is not None:
        return allowance.name
    match allowance.unit:
        case Unit.REQUESTS:
            return _REQUESTS[service] if service is not None and not of_feature else f"requests{of_feature}"
        case Unit.SECONDS:
            seconds = _OF_SECONDS.get(service, "seconds") if service is not None else "seconds of video and audio"
            return seconds + of_feature
        case Unit.USD:
            return f"budget{of_feature}"
        case Unit.CONCURRENT:
            return f"calls at the same time{of_feature}"
    return f"{allowance.unit.value}{of_feature}"


def message_of(refusal: Refusal, sees: Sight = EVERYTHING) -> str:
    """What the user is told, in plain English."""
    what = _what(refusal) if kind_of(refusal) in sees else "A limit that is shared with others is reached."
    reset = _reset(refusal, sees)
    return f"{what} {reset}" if reset else what


def _what(refusal: Refusal) -> str:
    limit = refusal.limit
    amount, name = refusal.limit_amount, name_of(limit)
    own, when = kind_of(refusal) == "user", _WHEN[limit.window]
    if amount == 0:
        return f"You have no {name}{when}." if own else f"There are no {name}{when}."
    if limit.unit is Unit.CONCURRENT:
        return f"{plain(amount)} calls are being made already, which is the most at the same time."
    whole = f"{name} of {_figure(limit, amount)}" if limit.unit is Unit.USD else name
    their, is_are = "your" if own else "the", "is" if limit.unit is Unit.USD else "are"
    of_whole = f"{their} {whole}" if limit.unit is Unit.USD else f"{their} {_figure(limit, amount)} {name}"
    if _is_held(refusal):
        used = f"{_figure(limit, refusal.used)} of {of_whole}{when} {is_are} used"
        return f"{used}, and too much of what is left is held by calls that are being made."
    if refusal.used >= amount and not _never_fits(refusal):
        if limit.unit is Unit.USD:
            return f"You have used all of your {whole}{when}." if own else f"All of the {whole}{when} is used."
        number = _figure(limit, amount)
        return f"You have used all {number} of your {name}{when}." if own else f"All {number} {name}{when} are used."
    left = f"and {_figure(limit, amount - refusal.used)} of {of_whole}{when} {is_are} left"
    why = f"which is more than {of_whole}{when}" if _never_fits(refusal) else left
    return f"This needs up to {_figure(limit, refusal.asked)}, {why}."


def _figure(limit: Limit, amount: Decimal) -> str:
    if limit.unit is not Unit.USD:
        return f"{Decimal(plain(amount)):,}"
    cents = amount.quantize(Decimal("0.01"))
    return f"${cents:,}" if cents == amount else f"${plain(amount)}"


def _reset(refusal: Refusal, sees: Sight) -> str:
    if _never_fits(refusal):
        return ""
    if refusal.limit.unit is Unit.CONCURRENT or _is_held(refusal):
        return "Try again when they have ended."
    if refusal.resets_at is None:
        return ""
    at = refusal.resets_at.astimezone(ZoneInfo(refusal.zone))
    verb = "It resets" if refusal.limit.unit is Unit.USD or kind_of(refusal) not in sees else "They reset"
    return f"{verb} at {at:%H:%M} on {at.day} {at:%B %Y} ({refusal.zone})."


# RateLimit fields


def rate_limit_fields(refusal: Refusal, now: datetime, sees: Sight = EVERYTHING) -> dict[str, str]:
    """Of a refusal: the policies that are in the way, and what is left of them."""
    rows = [
        (each.limit, each.limit_amount, each.limit_amount - each.used - each.held, each.resets_at)
        for each in refusals_of(refusal)
        if kind_of(each) in sees
    ]
    return _fields(rows, now)


def held_fields(holds: Iterable[Hold], now: datetime, sees: Sight = EVERYTHING) -> dict[str, str]:
    """Of a reservation: its policies, and what is left of them as far as that is known."""
    rows = [
        (hold.applied.limit, hold.applied.allowance, hold.left, hold.applied.counter.period.resets_at)
        for hold in holds
        if kind_of_subject(hold.applied.counter.meter.subject) in sees
    ]
    return _fields(rows, now)


def _fields(rows: Sequence[tuple[Limit, Decimal, Decimal | None, datetime | None]], now: datetime) -> dict[str, str]:
    policies = [_policy(limit, amount) for limit, amount, _, _ in rows]
    lefts = [_left(limit, left, resets_at, now) for limit, _, left, resets_at in rows if left is not None]
    fields = {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(lefts)}
    return {name: value for name, value in fields.items() if value}


def _policy(limit: Limit, amount: Decimal) -> str:
    unit = _QUOTA_UNITS.get(limit.unit, limit.unit.value)
    window = f";w={_SECONDS[limit.window]}" if limit.window in _SECONDS else ""
    return f'{_text(limit.id)};q={_integer(limit, amount)};qu="{unit}"{window}'


def _left(limit: Limit, left: Decimal, resets_at: datetime | None, now: datetime) -> str:
    seconds = _seconds_until(resets_at, now)
    reset = "" if seconds is None else f";t={seconds}"
    return f"{_text(limit.id)};r={_integer(limit, max(ZERO, left))}{reset}"


def _integer(limit: Limit, amount: Decimal) -> int:
    """Rounded down, so that nobody is told of more than there is."""
    whole = amount * _MICROS if limit.unit is Unit.USD else amount
    return min(int(whole.to_integral_value(ROUND_FLOOR)), _MOST_INTEGER)


def _text(name: str) -> str:
    """A String of structured fields: ASCII alone."""
    return f'"{quote(name, safe="@#:._- ")}"'
