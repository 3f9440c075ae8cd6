"""What is counted: meters, the counters that count them, and to which of them a call belongs. Pure."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Self
from urllib.parse import unquote

from bson import Decimal128

from models.counters import Number
from models.documents import Document
from models.limits import Limit, LimitFilter, Period, Unit, Window
from models.money import USD_PLACES, from_units, stored_units, to_decimal, usd_of_units
from models.subjects import EVERYONE_SUBJECT, campaign_subject, subject_of, user_subject

FRACTIONS = frozenset({Unit.USD, Unit.SECONDS})
"""Units whose amounts are stored as Decimal128. In memory they are integers of their last decimal, as all others are.
"""


class Caller(NamedTuple):
    """Whose call it is."""

    user_id: str
    client_id: str
    key_id: str | None = None
    campaign_id: str | None = None

    def subjects(self, feature: str) -> Iterator[str]:
        """Every subject whose limits count a call of this feature."""
        yield user_subject(self.user_id)
        yield user_subject(self.user_id, self.client_id)
        yield subject_of("client", self.client_id)
        if self.key_id is not None:
            yield subject_of("key", self.key_id)
        if self.campaign_id is not None:
            yield campaign_subject(self.campaign_id)
            yield campaign_subject(self.campaign_id, self.client_id)
        yield subject_of("feature", feature)
        yield EVERYONE_SUBJECT


class Purpose(NamedTuple):
    """What kind of call it is."""

    feature: str
    service_type: str
    model: str | None = None
    provider: str | None = None


class Missing(NamedTuple):
    """What a caller did not say, so that its call has no upper bound in a unit."""

    unit: Unit
    field: str
    """Its name over HTTP."""
    message: str
    """What to do about it."""


def matches(filter_: LimitFilter, purpose: Purpose) -> bool:
    """Whether a call counts."""
    return filter_.matches(purpose.service_type, purpose.model, purpose.feature)


class Asked(NamedTuple):
    """Upper bounds of what a call may use; None where there is none, and then `unbounded` says why."""

    requests: int = 1
    tokens: int | None = None
    usd: Decimal | None = None
    images: int = 0
    seconds: Decimal | None = Decimal(0)
    unbounded: tuple[Missing, ...] = ()
    input_tokens: int | None = None
    """Of `tokens`, as the next one: for calls of which nobody will know what they used."""
    output_tokens: int | None = None

    def of(self, unit: Unit) -> Decimal | None:
        """The bound in `unit`."""
        match unit:
            case Unit.REQUESTS:
                bound: int | Decimal | None = self.requests
            case Unit.TOKENS:
                bound = self.tokens
            case Unit.USD:
                bound = self.usd
            case Unit.IMAGES:
                bound = self.images
            case Unit.SECONDS:
                bound = self.seconds
            case Unit.CONCURRENT:
                bound = 1
        return None if bound is None else Decimal(bound)


class Meter(NamedTuple):
    """What is counted, whatever its amount: limits of one meter share their counters."""

    subject: str
    unit: Unit
    filter: LimitFilter
    window: Window


class CounterKey(NamedTuple):
    """One counter: a meter and a period."""

    meter: Meter
    period: Period

    @property
    def id(self) -> str:
        """The `_id` of its document."""
        (subject, unit, filter_, window), (start, end) = self
        return f"{subject}|{unit}|{filter_.text}|{window}|{_moment(start)}|{_moment(end)}"


class Applied(NamedTuple):
    """A limit that applies to a call, in the period of a moment."""

    limit: Limit
    counter: CounterKey
    allowance: Decimal
    """The amount with the grants of the period."""
    zone: str = "UTC"
    """In which its periods begin."""

    @property
    def ceiling(self) -> Decimal | None:
        """Beyond which calls are refused; None where none is."""
        ceiling = self.limit.ceiling
        return None if ceiling is None else ceiling + self.allowance - self.limit.amount


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class Subject(NamedTuple):
    """The subject of a meter, taken apart."""

    kind: str
    """`user`, `client`, `key`, `campaign`, `feature` or `everyone`."""
    name: str
    client: str | None = None
    """Of a user or a campaign of one client."""

    @classmethod
    def of(cls, text: str) -> Self:
        kind, _, rest = text.partition(":")
        name, at, client = rest.partition("@")
        return cls(kind, unquote(name), unquote(client) if at else None)


def in_units(unit: Unit, stored: object) -> int:
    """A stored amount as a whole number: of 1e-15 USD, of 1e-15 seconds, of all else as it is."""
    if unit in FRACTIONS:
        return stored_units(stored) if isinstance(stored, Decimal128) else int(to_decimal(stored) * _SCALE)
    return int(to_decimal(stored))


def stored_amount(unit: Unit, units: int) -> Number:
    """The reverse of `in_units`."""
    return from_units(units) if unit in FRACTIONS else units


def decimal_of(unit: Unit, units: int) -> Decimal:
    """What `in_units` counts, in USD, seconds and so on."""
    return usd_of_units(units) if unit in FRACTIONS else Decimal(units)


def units_of(unit: Unit, amount: Decimal) -> int:
    """The reverse of `decimal_of`, for an amount with 15 decimals at most."""
    return int(amount * _SCALE) if unit in FRACTIONS else int(amount)


_SCALE = 10**USD_PLACES


def key_named(id_: str) -> CounterKey:
    """The key of the counter with this `_id`. Raises ValueError."""
    subject, unit, text, window, start, end = id_.split("|")
    fields = {_FILTERS[part[0]]: unquote(part[2:]) for part in text.split(",") if text}
    period = Period(datetime.fromisoformat(start), datetime.fromisoformat(end))
    return CounterKey(Meter(subject, Unit(unit), LimitFilter.model_validate(fields), Window(window)), period)


_FILTERS = {"s": "serviceType", "m": "model", "f": "feature"}
"""The letters of `LimitFilter.text`."""


def key_of(counter: Document) -> CounterKey:
    """The key of a stored counter."""
    filter_ = LimitFilter.model_validate(counter["filter"])
    meter = Meter(counter["subject"], Unit(counter["unit"]), filter_, Window(counter["window"]))
    return CounterKey(meter, Period(counter["start"], counter["end"]))
