"""What a limit is. Plans, subscriptions and grants are in `models.plans`, counters in `models.counters`.

A plan's allowances, a budget and a rate limit are one thing: a `Limit`, with another scope, unit or window.
"""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StrictBool, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.ai_usage import ServiceType
from models.base import StoredDecimal
from models.documents import Document
from models.fields import MAX_NAME, Name
from models.money import USD_PLACES, ZERO, quantize_usd
from models.shape import Shape
from models.subjects import EVERYONE_SUBJECT, campaign_subject, escaped_id, subject_of, user_subject

LIMITS = "limits"
MOST_USD = Decimal(1_000_000_000)
MOST = Decimal(1_000_000_000_000_000)
"""Of every other unit."""
MOST_ALERTS = 10
DECIMALS = {"usd": 15, "seconds": 6}
"""Decimal places of the units that are not whole numbers."""


class Unit(StrEnum):
    """What is counted, by the figures of the ledger."""

    REQUESTS = "requests"
    """Entries, whatever became of the call."""
    TOKENS = "tokens"
    USD = "usd"
    """The cost; a call without a price adds nothing."""
    IMAGES = "images"
    SECONDS = "seconds"
    """Of video and audio."""
    CONCURRENT = "concurrent"
    """Reservations that are open at one moment; nothing of it is ever used."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """`USD` is `usd`."""
        lowered = value.lower() if isinstance(value, str) else None
        return next((unit for unit in cls if unit.value == lowered), None)

    @property
    def whole(self) -> bool:
        """Whether amounts of it are whole numbers."""
        return self.value not in DECIMALS


class Window(StrEnum):
    """Over which time is counted. All are aligned in the limit's zone, and half-open."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    """From Monday on."""
    MONTH = "month"
    YEAR = "year"
    PERIOD = "period"
    """Of the subscription: its anchor plus n intervals of its plan."""
    LIFETIME = "lifetime"


class Kind(StrEnum):
    """Whether a limit stops calls."""

    HARD = "hard"
    """What would go beyond the amount is refused."""
    SOFT = "soft"
    """It tells, and refuses only what would go beyond the amount and the overage cap, where there is one."""


class WhenAway(StrEnum):
    """What a process does for a limit while MongoDB does not answer."""

    LEASE = "lease"
    """Grant what is in hand already, then refuse as unavailable."""
    CLOSED = "closed"
    """Refuse as unavailable."""
    OPEN = "open"
    """Let calls pass, and say of each that it was not enforced."""


class Unbounded(StrEnum):
    """What happens to a call of which no upper bound is known in the unit of the limit."""

    REFUSE = "refuse"
    ALLOW = "allow"
    """It passes without a hold, and counts when it is reported."""


class Interval(StrEnum):
    """How long a period of a plan is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""The end of a lifetime."""


class Period(NamedTuple):
    """A half-open stretch of time, in UTC."""

    start: datetime
    end: datetime

    @property
    def resets_at(self) -> datetime | None:
        """When counting begins anew; None where it never does."""
        return None if self.end >= NEVER else self.end


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("zone", "is not an IANA time zone, such as Europe/Berlin or UTC") from None
    return name


ZoneName = Annotated[Name, AfterValidator(_known_zone)]
Percent = Annotated[int, Field(ge=1, le=1_000)]

_DIGITS = 31
"""Of `MOST` with all decimals that are kept."""


def _storable(amount: Decimal) -> Decimal:
    """What MongoDB keeps exactly, without more zeros than are kept: a text may name a thousand million of them."""
    if not amount:
        return ZERO
    if amount.adjusted() < -USD_PLACES or (stored := quantize_usd(amount)) != amount:
        raise PydanticCustomError("decimals", "must have {places} decimals at most", {"places": USD_PLACES})
    return stored if len(amount.as_tuple().digits) > _DIGITS else amount


# an int: the schema of the API would have a Decimal as a text
Amount = Annotated[StoredDecimal, Field(ge=0, le=int(MOST), allow_inf_nan=False), AfterValidator(_storable)]
Id = Annotated[str, Field(alias="_id", min_length=1, max_length=4 * MAX_NAME)]


_OF_A_CLIENT = (["client_id", "user_id"], ["campaign_id", "client_id"])


class LimitScope(Shape):
    """Whose calls a limit counts together: exactly one of these; a user or a campaign may be that of one client."""

    user_id: Name | None = None
    """Over all clients, unless `client_id` names one."""
    client_id: Name | None = None
    key_id: Name | None = None
    """The public part of an API key: what is reported with it."""
    subscription: Name | None = None
    """The id of one: its user's calls, or its client's."""
    feature: Name | None = None
    campaign_id: Name | None = None
    everyone: StrictBool | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        given = sorted(self.model_dump(exclude_none=True, exclude_defaults=True))
        if self.everyone is False or (len(given) != 1 and given not in _OF_A_CLIENT):
            names = "userId, keyId, clientId, subscription, feature, campaignId or everyone: true"
            reason = f"must name exactly one of {names}; only userId and campaignId go with a clientId"
            raise PydanticCustomError("scope", reason)
        return self

    @property
    def subject(self) -> str | None:
        """As counters name it; None for a subscription, whose subject is its own."""
        if self.user_id is not None:
            return user_subject(self.user_id, self.client_id)
        if self.campaign_id is not None:
            return campaign_subject(self.campaign_id, self.client_id)
        if self.everyone:
            return EVERYONE_SUBJECT
        named = {"client": self.client_id, "key": self.key_id, "feature": self.feature}
        return next((subject_of(kind, name) for kind, name in named.items() if name is not None), None)


class LimitFilter(Shape):
    """Which calls of the subject count: those that match all that is given."""

    service_type: ServiceType | None = None
    model: Name | None = None
    feature: Name | None = None

    @property
    def text(self) -> str:
        """As a part of a counter's id; empty where every call counts."""
        named = (("s", self.service_type), ("m", self.model), ("f", self.feature))
        return ",".join(f"{letter}={escaped_id(str(name))}" for letter, name in named if name is not None)

    def matches(self, service_type: str, model: str | None, feature: str) -> bool:
        """Whether a call counts. One whose model is not known matches no filter by model."""
        return (
            (self.service_type is None or self.service_type.value == service_type)
            and (self.model is None or self.model == model)
            and (self.feature is None or self.feature == feature)
        )


class Allowance(Shape):
    """How much of what, in which time, and what happens beyond: a limit without its scope, as plans have them."""

    name: Name | None = None
    """What users call it, such as `chat messages`."""
    filter: LimitFilter = LimitFilter()
    unit: Unit
    window: Window
    timezone: ZoneName | None = None
    """Of the window; None for that of the subscription, else of the deployment."""
    amount: Amount
    kind: Kind = Kind.HARD
    overage_cap: Amount | None = None
    """Of a soft limit: how far beyond the amount calls pass; None for any distance."""
    alert_percents: Annotated[tuple[Percent, ...], Field(max_length=MOST_ALERTS)] = (80, 90, 100)
    when_away: WhenAway = WhenAway.LEASE
    unbounded: Unbounded = Unbounded.REFUSE

    @field_validator("alert_percents")
    @classmethod
    def _ascending(cls, percents: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(percents)))

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for field, amount in (("amount", self.amount), ("overageCap", self.overage_cap)):
            if amount is not None and (reason := fault_of_amount(self.unit, amount)):
                raise PydanticCustomError("amount", "{reason}", {"field": field, "reason": reason})
        if self.overage_cap is not None and self.kind is Kind.HARD:
            reason = "is for soft limits: a hard one ends at its amount"
            raise PydanticCustomError("overage", "{reason}", {"field": "overageCap", "reason": reason})
        if self.unit is Unit.CONCURRENT and self.window is not Window.LIFETIME:
            reason = "must be lifetime for concurrent calls, which have no period"
            raise PydanticCustomError("window", "{reason}", {"field": "window", "reason": reason})
        return self

    @property
    def ceiling(self) -> Decimal | None:
        """Beyond which calls are refused, without grants; None where none is."""
        if self.kind is Kind.HARD:
            return self.amount
        return None if self.overage_cap is None else self.amount + self.overage_cap


def fault_of_amount(unit: Unit, amount: Decimal) -> str | None:
    """Why a limit cannot have this amount; None where it can."""
    if unit is Unit.USD and amount > MOST_USD:
        return f"must be {MOST_USD:,} USD at most"
    places = DECIMALS.get(unit.value, 0)
    if amount != amount.quantize(Decimal(1).scaleb(-places)):
        return f"must have {places} decimals at most" if places else f"must be a whole number of {unit.value}"
    return None


class Limit(Allowance):
    """A limit in force: an administrator's, or an allowance of a plan for the subject of a subscription."""

    id: Id
    """Of an allowance: `PLAN@VERSION#POSITION`."""
    scope: LimitScope
    generation: int = 1
    """Raised when the amount is: its alerts are then given again."""
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None

    def stored(self) -> Document:
        """With the subject, by which it is found."""
        subject = self.scope.subject
        return super().stored() | ({} if subject is None else {"subject": subject})


INDEXES = {
    LIMITS: [
        IndexModel([("subject", ASCENDING)], name="subject"),
        IndexModel([("createdAt", DESCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel([("changed", ASCENDING)], name="changed"),
    ],
}
