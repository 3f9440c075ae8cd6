"""The ledger's entries, newest first, page by page."""

from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, ObjectId

from app.errors import NotFoundError, invalid
from app.reports.answers import CallDetail, CallsReport, LedgerCall
from app.reports.cursors import decoded, encoded
from app.reports.figures import described
from app.reports.query import Filters, ReportQuery
from app.reports.reader import Document, Reader, first
from app.reports.stages import Stage, match, sort_by
from models import AIUsage, Analytics, CallStatus, CostSource
from models.base import camel
from models.money import to_decimal

MAX_CALLS = 200
MAX_ID = 64
"""What is repeated of an id that does not exist."""

Fields = dict[str, tuple[str, Any]]
"""By attribute: the stored name, and what an entry without it stands for."""


def _stored_fields(row: type[LedgerCall]) -> Fields:
    renamed = {"id": "_id", "model": "aiModel"}
    return {
        name: (renamed.get(name, camel(name)), None if field.is_required() else field.default)
        for name, field in row.model_fields.items()
    }


LISTED = _stored_fields(LedgerCall)
DETAIL = _stored_fields(CallDetail)


async def calls(
    read: Reader,
    query: ReportQuery,
    *,
    status: CallStatus | None,
    cost_source: CostSource | None,
    limit: int,
    cursor: str | None,
    generated_at: datetime,
) -> CallsReport:
    """One page. The cursor is the last call of the page before, so that new calls shift nothing."""
    more = kinds(status, cost_source)
    rows = await read.ledger(page(query, more, None if cursor is None else _after(cursor), limit + 1))
    last = rows[limit - 1] if len(rows) > limit else None
    return CallsReport(
        window=described(query.window),
        synthetic=query.synthetic,
        calls=[LedgerCall(**fields_of(row, LISTED)) for row in rows[:limit]],
        next_cursor=None if last is None else encoded({"at": last["createdAt"].isoformat(), "id": str(last["_id"])}),
        generated_at=generated_at,
    )


def kinds(status: CallStatus | None, cost_source: CostSource | None) -> Document:
    """Conditions for calls of one kind."""
    wanted = {"status": status, "costSource": cost_source}
    return {name: {"$eq": value.value} for name, value in wanted.items() if value is not None}


def page(query: ReportQuery, more: dict[str, Any], after: tuple[datetime, ObjectId] | None, limit: int) -> list[Stage]:
    """The entries of a window that meet `more`, newest first, behind the one that `after` names."""
    selected = match(query.window, query.filters, query.synthetic)
    selected["$match"] |= more
    stages = [selected]
    if after is not None:
        moment, entry_id = after
        selected["$match"]["createdAt"] |= {"$lte": moment}
        behind = [{"createdAt": {"$lt": moment}}, {"createdAt": moment, "_id": {"$lt": entry_id}}]
        stages.append({"$match": {"$or": behind}})
    return [*stages, sort_by("-createdAt", "-_id"), {"$limit": limit}]


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
    return CallDetail(**fields_of({**found, **twin}, DETAIL))


def fields_of(entry: Document, fields: Fields) -> Document:
    """The attributes of an entry as it is stored."""
    return {name: _value(entry.get(stored, default)) for name, (stored, default) in fields.items()}


def _value(stored: Any) -> Any:
    of = type(stored)
    if of is Decimal128:
        return to_decimal(stored)
    return str(stored) if of is ObjectId else stored
