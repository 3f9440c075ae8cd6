"""The ledger's entries, newest first, page by page."""

from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from app.errors import invalid
from app.reports.answers import CallsReport, LedgerCall
from app.reports.cursors import decoded, encoded
from app.reports.figures import described
from app.reports.query import ReportQuery
from app.reports.reader import Document, Reader
from app.reports.stages import Stage, match, sort_by
from models import CallStatus, CostSource
from models.money import to_decimal

MAX_CALLS = 200


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
    more: dict[str, Any] = {}
    if status is not None:
        more["status"] = {"$eq": status.value}
    if cost_source is not None:
        more["costSource"] = {"$eq": cost_source.value}
    rows = await read.ledger(page(query, more, None if cursor is None else _after(cursor), limit + 1))
    last = rows[limit - 1] if len(rows) > limit else None
    return CallsReport(
        window=described(query.window),
        synthetic=query.synthetic,
        calls=[_call(row) for row in rows[:limit]],
        next_cursor=None if last is None else encoded({"at": last["createdAt"].isoformat(), "id": str(last["_id"])}),
        generated_at=generated_at,
    )


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


def _call(entry: Document) -> LedgerCall:
    return LedgerCall(
        id=str(entry["_id"]),
        user_id=entry["userId"],
        client_id=entry["clientId"],
        conversation_id=entry.get("conversationId"),
        content_type=entry["contentType"],
        feature=entry["feature"],
        service_type=entry["serviceType"],
        provider=entry["provider"],
        model=entry["aiModel"],
        status=entry["status"],
        cached=entry["cached"],
        error_message=entry.get("errorMessage"),
        input_tokens=entry["inputTokens"],
        output_tokens=entry["outputTokens"],
        tokens_used=entry["tokensUsed"],
        cost=None if entry["cost"] is None else to_decimal(entry["cost"]),
        saved_cost=to_decimal(entry["savedCost"]),
        cost_source=entry["costSource"],
        price_version=entry.get("priceVersion"),
        request_duration=entry.get("requestDuration"),
        synthetic=entry["synthetic"],
        created_at=entry["createdAt"],
        recorded_at=entry["recordedAt"],
    )
