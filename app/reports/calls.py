"""The ledger's entries, newest first, page by page."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import ObjectId

from app.errors import NotFoundError, invalid
from app.reports.cursors import decoded, encoded
from app.reports.parts.call_places import Places
from app.reports.parts.figures import timed
from app.reports.queries.stages import Stage, match, sort_by
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.readable import ReadableRow, readable, value_of
from app.reports.reader import Document, Reader, first
from app.reports.rows import Row, TimedWindow
from app.reports.windows import TimeWindow
from models import AIUsage, Analytics, CallStatus, CostSource, ServiceType
from models.attempt import Attempt
from models.base import camel

MAX_CALLS = 200
MOST_STRETCHES = 100
"""Of an index, read side by side for one list. MongoDB sorts where there are more than 200."""
INSTANT = timedelta(milliseconds=1)
"""The time resolution of MongoDB."""
NONE: Document = {"_id": {"$in": []}}
"""A condition that matches nothing."""
MAX_ID = 64
"""How much of an unknown id is repeated in the error."""

Fields = dict[str, tuple[str, Any]]
"""By attribute: the stored name, and the value of an entry without it."""


class LedgerCall(ReadableRow):
    """One entry of the ledger. Null is what was not reported, and of a damaged entry what cannot be read."""

    never_null = frozenset(
        {
            *("user_id", "client_id", "content_type", "feature", "service_type", "provider", "model", "status"),
            *("cached", "input_tokens", "output_tokens", "tokens_used", "saved_cost", "cost_source", "synthetic"),
            *("created_at", "recorded_at"),
        }
    )
    id: str
    user_id: str | None
    client_id: str | None
    conversation_id: str | None
    content_type: str | None
    feature: str | None
    service_type: ServiceType | None
    provider: str | None
    model: str | None
    status: CallStatus | None
    cached: bool | None
    error_message: str | None
    input_tokens: int | None
    output_tokens: int | None
    tokens_used: int | None
    cost: Decimal | None
    saved_cost: Decimal | None
    cost_source: CostSource | None
    price_version: str | None
    request_duration: int | None
    synthetic: bool | None
    created_at: datetime | None
    recorded_at: datetime | None


class CallDetail(LedgerCall):
    """One entry of the ledger in full detail. Counts are in tokens unless stated otherwise; input includes cache reads
    and writes and every modality, output includes reasoning. What was not reported is null or zero.
    """

    clerk_user_id: str | None = None
    reported_provider: str | None = None
    """What the caller said, where that provider does not sell the model."""
    endpoint: str | None = None
    cache_read_tokens: int | None = 0
    cache_write_tokens: int | None = 0
    cache_write_1h_tokens: int | None = 0
    reasoning_tokens: int | None = 0
    input_audio_tokens: int | None = 0
    output_audio_tokens: int | None = 0
    cache_audio_read_tokens: int | None = 0
    input_image_tokens: int | None = 0
    output_image_tokens: int | None = 0
    cache_image_read_tokens: int | None = 0
    input_video_tokens: int | None = 0
    web_searches: int | None = 0
    images: int | None = 0
    video_seconds: Decimal | None = None
    audio_seconds: Decimal | None = None
    characters: int | None = 0
    size: str | None = None
    quality: str | None = None
    cost_basis: str | None = None
    """Of a reported cost: what stated it."""
    unpriced_reason: str | None = None
    """Where the cost is null: a short code, a colon, and words."""
    unreadable_usage: bool | None = False
    """The response's usage could not be read; the call is unpriced."""
    unmapped: bool | None = False
    """The content type is not known; its own name is its feature."""
    service_tier: str | None = None
    batch: bool | None = False
    region: str | None = None
    input_cost: Decimal | None = None
    """A part of `cost`, in USD, as are the following two; null where the cost has no parts."""
    output_cost: Decimal | None = None
    generation_cost: Decimal | None = None
    time_to_first_token: int | None = None
    """In ms."""
    upstream: str | None = None
    """Which server of a provider answered, as the gateway's deployment calls it."""
    attempts: tuple[Attempt, ...] | None = ()
    """All that were asked, in order; none where it was the first one alone."""
    ip_address: str | None = None
    """Kept only where the deployment enables it."""
    user_agent: str | None = None
    campaign_id: str | None = None
    experiment: str | None = None
    variant: str | None = None
    reservation_id: str | None = None
    key_id: str | None = None
    metadata: dict[str, Any] | None = None
    aggregated: bool | None = False
    """A sum of many calls."""
    aggregated_requests: int | None = None


class CallsReport(Row):
    """`GET /api/admin/ai/calls`: entries of the ledger, newest first."""

    window: TimedWindow
    synthetic: Synthetic
    calls: list[LedgerCall]
    next_cursor: str | None
    generated_at: datetime


def stored_fields(row: type[ReadableRow]) -> Fields:
    """By attribute of a row that is made of an entry."""
    renamed = {"id": "_id", "model": "aiModel"}
    return {
        name: (renamed.get(name, camel(name)), None if field.is_required() else field.default)
        for name, field in row.model_fields.items()
        if name != "damaged"
    }


LISTED = stored_fields(LedgerCall)
DETAIL = stored_fields(CallDetail)


@dataclass(frozen=True)
class CallFilters:
    """The filters of a list of calls beyond those of every report. None matches everything."""

    status: CallStatus | None = None
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
            *("status", "cost_source", "conversation_id", "service_type", "reported_provider", "upstream"),
            *("campaign_id", "experiment", "variant"),
        )
        found: Document = {
            camel(name): {"$eq": str(value)} for name in texts if (value := getattr(self, name)) is not None
        }
        bounds = {"$gte": self.min_duration, "$lte": self.max_duration}
        if within := {operator: bound for operator, bound in bounds.items() if bound is not None}:
            found["requestDuration"] = within
        return found

    def spans(self, window: TimeWindow) -> list[tuple[datetime, datetime]]:
        """When such calls were made: start inclusive, end exclusive."""
        if self.weekday is self.hour is None:
            return [(window.start, window.end)]
        return window.spans(weekday=self.weekday, hour=self.hour)


async def calls(
    read: Reader,
    query: ReportQuery,
    wanted: CallFilters,
    *,
    limit: int,
    cursor: str | None,
    places: Places | None,
    generated_at: datetime,
) -> CallsReport:
    """One page. The cursor is the last call of the previous page, so that new calls do not shift anything."""
    after = None if cursor is None else _after(cursor)
    rows = await read.ledger(page(query, wanted, limit + 1, after=after, places=places))
    last = rows[limit - 1] if len(rows) > limit else None
    return CallsReport(
        window=timed(query.window),
        synthetic=query.synthetic,
        calls=[readable(LedgerCall, fields_of(row, LISTED)) for row in rows[:limit]],
        next_cursor=None if last is None else encoded({"at": last["createdAt"].isoformat(), "id": str(last["_id"])}),
        generated_at=generated_at,
    )


def page(
    query: ReportQuery,
    wanted: CallFilters,
    limit: int,
    *,
    after: tuple[datetime, ObjectId] | None = None,
    places: Places | None = None,
) -> list[Stage]:
    """The entries of a window that match `wanted`, newest first, after the one that `after` names.

    `places` are all that they can be in, where that is known.
    """
    selected = match(query.window, query.filters, query.synthetic)["$match"] | wanted.conditions()
    selected["aggregated"] = {"$exists": wanted.aggregated is True}
    del selected["createdAt"]
    spans, stages = wanted.spans(query.window), list[Stage]()
    if after is not None:
        moment, entry_id = after
        # a cursor may name any moment, even the last of the calendar
        spans = [(start, end if end <= moment else moment + INSTANT) for start, end in spans if start <= moment]
        behind = [{"createdAt": {"$lt": moment}}, {"createdAt": moment, "_id": {"$lt": entry_id}}]
        stages.append({"$match": {"$or": behind}})
    # alternatives that an index reads side by side: an expression would fetch every call of the window
    stretches: list[Document] = [{"createdAt": {"$gte": start, "$lt": end}} for start, end in spans]
    if places is not None and len(places) * len(stretches) <= MOST_STRETCHES:
        stretches = [place.conditions() | times for place in sorted(places) for times in stretches]
    selected |= stretches[0] if len(stretches) == 1 else {"$or": stretches} if stretches else NONE
    return [{"$match": selected}, *stages, sort_by("-createdAt", "-_id"), {"$limit": limit}]


def _after(cursor: str) -> tuple[datetime, ObjectId]:
    position = decoded(cursor)
    try:
        return datetime.fromisoformat(position["at"]).astimezone(UTC), ObjectId(position["id"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        message = "belongs to another list; start without a cursor"
        raise invalid("cursor", message) from error


async def call(read: Reader, entry_id: str, client_id: str | None) -> CallDetail:
    """One call of a client, or of any. Raises NotFoundError, for another client's too."""
    found: Document = {}
    if ObjectId.is_valid(entry_id):
        condition = {"_id": ObjectId(entry_id), **Filters(client_id=client_id).conditions()}
        found = first(await read.find(AIUsage.Settings.name, condition))
    if not found:
        raise NotFoundError(f"there is no call {entry_id[:MAX_ID]}")
    twin = first(await read.find(Analytics.Settings.name, {"_id": found["_id"]}, {"clerkUserId": 1}))
    return readable(CallDetail, fields_of({**found, **twin}, DETAIL))


def fields_of(entry: Document, fields: Fields) -> Document:
    """The attributes of a stored entry."""
    return {name: value_of(entry.get(stored, default)) for name, (stored, default) in fields.items()}
