"""Which calls of the ledger a list has, in which order, and where in it a page begins."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from bson import Decimal128, ObjectId
from bson.errors import InvalidId

from app.errors import invalid
from app.reports.cursors import decoded, encoded
from app.reports.parts.call_places import Places
from app.reports.queries.stages import Stage, match
from app.reports.query import ReportQuery, Wanted, matching
from app.reports.reader import Document
from app.reports.windows import TimeWindow
from models import CostSource, ServiceType
from models.base import camel

MOST_STRETCHES = 100
"""Of an index, read side by side for one list. MongoDB sorts where there are more than 200."""
INSTANT = timedelta(milliseconds=1)
"""The time resolution of MongoDB."""
NONE: Document = {"_id": {"$in": []}}
"""A condition that matches nothing."""
LAST_CHARACTER = "\U0010ffff"
"""No text that begins with another one is greater than that with this behind it."""
MOST_PLACES = 10**12
"""Of calls before a page."""


@dataclass(frozen=True)
class CallFilters:
    """The filters of a list of calls beyond those of every report. None matches everything."""

    status: Wanted = None
    users: Wanted = None
    """Where `Filters.user_id` is not enough: several, or all but some; as is `clients`."""
    clients: Wanted = None
    user_prefix: str | None = None
    """How the ids of users begin."""
    min_cost: Decimal | None = None
    """In USD, as is `max_cost`; both inclusive. A call whose cost is unknown is in neither."""
    max_cost: Decimal | None = None
    cost_source: CostSource | None = None
    conversation_id: str | None = None
    service_type: ServiceType | None = None
    reported_provider: str | None = None
    campaign_id: str | None = None
    experiment: str | None = None
    variant: str | None = None
    upstream: str | None = None
    """Of the gateway: the one that answered, or was asked last."""
    weekday: int | None = None
    """1 for Monday to 7 for Sunday (ISO 8601), as the reporting time zone counts."""
    hour: int | None = None
    """0 to 23, likewise."""
    min_duration: int | None = None
    """In whole ms, as is `max_duration`; both inclusive."""
    max_duration: int | None = None
    aggregated: bool | None = None
    """True for sums of many calls alone; otherwise a list has none of them."""

    def asked(self) -> list[str]:
        """The names of those that are set, as in requests."""
        return [camel(name) for name, value in vars(self).items() if value is not None]

    def conditions(self) -> Document:
        """By stored name, except the time. `$eq` prevents a string from being read as an operator."""
        texts = (
            *("cost_source", "conversation_id", "service_type", "reported_provider", "upstream"),
            *("campaign_id", "experiment", "variant"),
        )
        found: Document = {
            camel(name): {"$eq": str(value)} for name in texts if (value := getattr(self, name)) is not None
        }
        named = {"status": self.status, "userId": self.users, "clientId": self.clients}
        found |= {name: matching(wanted) for name, wanted in named.items() if wanted is not None}
        if self.user_prefix is not None:
            behind = {"$gte": self.user_prefix, "$lt": self.user_prefix + LAST_CHARACTER}
            found["userId"] = found.get("userId", {}) | behind
        for name, least, most in (
            ("requestDuration", self.min_duration, self.max_duration),
            ("cost", _stored(self.min_cost), _stored(self.max_cost)),
        ):
            bounds = {"$gte": least, "$lte": most}
            if within := {operator: bound for operator, bound in bounds.items() if bound is not None}:
                found[name] = within
        return found

    def spans(self, window: TimeWindow) -> list[tuple[datetime, datetime]]:
        """When such calls were made: start inclusive, end exclusive."""
        if self.weekday is self.hour is None:
            return [(window.start, window.end)]
        return window.spans(weekday=self.weekday, hour=self.hour)


class Order(StrEnum):
    """In which order a list of calls is; those that are equal, in order of time. By a figure it has those with one."""

    NEWEST = "-createdAt"
    OLDEST = "createdAt"
    DEAREST = "-cost"
    CHEAPEST = "cost"
    SLOWEST = "-requestDuration"
    FASTEST = "requestDuration"

    @property
    def field(self) -> str:
        """The stored name."""
        return self.removeprefix("-")

    @property
    def keys(self) -> tuple[str, ...]:
        """By which it is sorted."""
        return tuple(dict.fromkeys((self.field, "createdAt", "_id")))

    @property
    def direction(self) -> int:
        return -1 if self.startswith("-") else 1


class Position(NamedTuple):
    """A call between two pages: `place` says how many are before the page that it leads to."""

    values: tuple[Any, ...]
    """Of the call, by the keys of the order."""
    place: int | None
    """None behind a cursor of a release before 0.6, which had none."""
    back: bool = False
    """Whether the page ends before the call, rather than begins after it."""

    def cursor(self, order: Order) -> str:
        """As a caller keeps it."""
        told = [value.isoformat() if isinstance(value, datetime) else str(value) for value in self.values]
        return encoded({"sort": order, "at": told, "place": self.place, "back": self.back})


def position_of(cursor: str, order: Order) -> Position:
    """What a cursor stands for. Raises InvalidRequestError."""
    said = _current(decoded(cursor))
    elsewhere = invalid("cursor", "belongs to another list; start without a cursor")
    place, back = said.get("place"), said.get("back")
    placed = place is None or (type(place) is int and 0 <= place <= MOST_PLACES)
    if said.get("sort") != order or not placed or type(back) is not bool:
        raise elsewhere
    try:
        values = tuple(_read(key, value) for key, value in zip(order.keys, said["at"], strict=True))
    except (KeyError, TypeError, ValueError, ArithmeticError, OverflowError, InvalidId) as error:
        raise elsewhere from error
    return Position(values, place, back)


def _current(said: Document) -> Document:
    """The same as cursors say it now: a release before 0.6 told the last call of the page by its time and its id."""
    if said.keys() != {"at", "id"}:
        return said
    return {"sort": Order.NEWEST, "at": [said["at"], said["id"]], "place": None, "back": False}


def _read(key: str, text: str) -> Any:
    if key == "createdAt":
        return datetime.fromisoformat(text).astimezone(UTC)
    # MongoDB compares numbers of all its types by what they are
    return ObjectId(text) if key == "_id" else Decimal128(text)


def _stored(amount: Decimal | None) -> Decimal128 | None:
    return None if amount is None else Decimal128(amount)


def page(
    query: ReportQuery,
    wanted: CallFilters,
    limit: int,
    *,
    order: Order = Order.NEWEST,
    at: Position | None = None,
    places: Places | None = None,
) -> list[Stage]:
    """The entries of a window that match `wanted`, in order, after the one that `at` names; or, nearest first, before.

    `places` are all that they can be in, where that is known.
    """
    selected = match(query.window, query.filters, query.synthetic)["$match"]
    for name, condition in wanted.conditions().items():
        both = isinstance(condition, dict) and name in selected
        selected[name] = selected[name] | condition if both else condition
    selected["aggregated"] = {"$exists": wanted.aggregated is True}
    del selected["createdAt"]
    direction = -order.direction if at is not None and at.back else order.direction
    spans, stages = wanted.spans(query.window), list[Stage]()
    if order.field != "createdAt":
        # not what has no such figure; beside a bound that is given, which may be nearer
        selected[order.field] = {"$gte": 0} | selected.get(order.field, {})
    if at is not None:
        if order.field == "createdAt":
            spans = _beyond(spans, at.values[0], direction)
        stages.append({"$match": {"$or": _beyond_keys(order.keys, at.values, "$lt" if direction < 0 else "$gt")}})
    # alternatives that an index reads side by side: an expression would fetch every call of the window
    stretches: list[Document] = [{"createdAt": {"$gte": start, "$lt": end}} for start, end in spans]
    if places is not None and len(places) * len(stretches) <= MOST_STRETCHES:
        stretches = [place.conditions() | times for place in sorted(places) for times in stretches]
    selected |= stretches[0] if len(stretches) == 1 else {"$or": stretches} if stretches else NONE
    return [{"$match": selected}, *stages, {"$sort": dict.fromkeys(order.keys, direction)}, {"$limit": limit}]


def _beyond(
    spans: list[tuple[datetime, datetime]], moment: datetime, direction: int
) -> list[tuple[datetime, datetime]]:
    """What of the spans is not after (or, ascending, not before) a moment."""
    if direction > 0:
        return [(max(start, moment), end) for start, end in spans if end > moment]
    # a cursor may name any moment, even the last of the calendar
    return [(start, end if end <= moment else moment + INSTANT) for start, end in spans if start <= moment]


def _beyond_keys(keys: tuple[str, ...], values: tuple[Any, ...], operator: str) -> list[Document]:
    """Alternatives: the first keys are equal, and the next one is beyond."""
    found: list[Document] = []
    equal: Document = {}
    for key, value in zip(keys, values, strict=True):
        found.append({**equal, key: {operator: value}})
        equal |= {key: value}
    return found
