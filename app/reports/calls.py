"""The ledger's entries, page by page."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from bson import ObjectId

from app.errors import NotFoundError
from app.reports.call_lists import CallFilters, Order, Position, page, position_of
from app.reports.parts.call_places import Places
from app.reports.parts.figures import timed
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.readable import ReadableRow, readable, value_of
from app.reports.reader import Document, Reader, first
from app.reports.rows import Row, TimedWindow
from models import AIUsage, Analytics, CallStatus, CostSource, ServiceType
from models.attempt import Attempt
from models.base import camel

MAX_CALLS = 200
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
    """`GET /api/admin/ai/calls`: entries of the ledger, in the order that was asked for."""

    window: TimedWindow
    synthetic: Synthetic
    calls: list[LedgerCall]
    first_place: int | None
    """The place of the first of them in the list, from 1; as pages before it were read, so new calls do not count.
    Null behind a cursor that a release before 0.6 gave."""
    next_cursor: str | None
    previous_cursor: str | None
    """Null on the first page."""
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


async def calls(
    read: Reader,
    query: ReportQuery,
    wanted: CallFilters,
    *,
    order: Order,
    limit: int,
    cursor: str | None,
    places: Places | None,
    generated_at: datetime,
) -> CallsReport:
    """One page. Cursors name the calls at its ends, so that new calls do not shift anything."""
    at = None if cursor is None else position_of(cursor, order)
    rows = await read.ledger(page(query, wanted, limit + 1, order=order, at=at, places=places))
    more, rows, back = len(rows) > limit, rows[:limit], at is not None and at.back
    if back:
        rows.reverse()
    place: int | None = 0 if at is None else at.place
    if back:
        place = max(0, place - len(rows)) if place is not None else None if more else 0
    behind = None if place is None else place + len(rows)
    before, after = (more, at is not None) if back else (at is not None, more)
    ends = [tuple(row[key] for key in order.keys) for row in (rows[:1] + rows[-1:])]
    return CallsReport(
        window=timed(query.window),
        synthetic=query.synthetic,
        calls=[readable(LedgerCall, fields_of(row, LISTED)) for row in rows],
        first_place=None if place is None else place + 1,
        next_cursor=Position(ends[1], behind).cursor(order) if rows and after else None,
        previous_cursor=Position(ends[0], place, back=True).cursor(order) if rows and before else None,
        generated_at=generated_at,
    )


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
