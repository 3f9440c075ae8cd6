"""Downloadable tables: all rows of a filter, up to a cap."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel

from app.errors import invalid
from app.reports.analytics import ConversationFigures, conversation_figures
from app.reports.breakdowns import listed_user
from app.reports.call_lists import CallFilters, page
from app.reports.calls import DETAIL, CallDetail, fields_of
from app.reports.csv import columns_of, values_of
from app.reports.parts.call_places import Places
from app.reports.quality import QualityParts
from app.reports.queries import ledger, rollups
from app.reports.queries.rollup_rows import Query
from app.reports.query import ReportQuery
from app.reports.reader import Document, Reader, first
from app.reports.rows import ListedUser
from models import AIUsage
from models.money import to_decimal
from models.rollups import Finding

MAX_ROWS = 100_000
BATCH_ROWS = 500
FINDING = ["kind", "provider", "model", "name", "requests", "inputTokens", "outputTokens", "cost"]
"""Columns of data quality. `name` is the reported provider, the content type, or what was folded."""

Cells = list[Any]


class Table(StrEnum):
    """What can be downloaded."""

    DAILY = "daily"
    FEATURES = "features"
    MODELS = "models"
    PROVIDERS = "providers"
    USERS = "users"
    CALLS = "calls"
    CONVERSATIONS = "conversations"
    DATA_QUALITY = "data-quality"


LONG = frozenset({Table.CALLS, Table.USERS, Table.CONVERSATIONS})
"""Tables that may have any number of rows."""


class Download(NamedTuple):
    """One table. It may hold a session: `close` ends it, whether all, some or none of the rows were read."""

    columns: list[str]
    batches: AsyncGenerator[list[Cells], None]
    truncated: bool
    """Whether there are more rows than the cap."""
    close: Callable[[], Awaitable[None]]


def from_rows(row: type[BaseModel], rows: Sequence[BaseModel]) -> Download:
    """A table whose rows are there."""
    return _whole(columns_of(row), [values_of(each) for each in rows])


def _whole(columns: list[str], rows: list[Cells]) -> Download:
    async def batches() -> AsyncGenerator[list[Cells], None]:
        for start in range(0, min(len(rows), MAX_ROWS), BATCH_ROWS):
            yield rows[start : min(start + BATCH_ROWS, MAX_ROWS)]

    async def nothing() -> None:
        pass

    return Download(columns, batches(), len(rows) > MAX_ROWS, nothing)


@dataclass(frozen=True)
class Source:
    """Rows that are read as they are sent."""

    row: type[BaseModel]
    query: Callable[[int], Query]
    """For so many rows at most."""
    cells: Callable[[Document], Cells]


def source(table: Table, query: ReportQuery, wanted: CallFilters, places: Places | None = None) -> Source:
    """The source of a long table; of calls, those `wanted`, in these places. Raises InvalidRequestError."""
    if table is Table.CALLS:
        return Source(
            CallDetail,
            lambda limit: (AIUsage.Settings.name, page(query, wanted, limit, places=places)),
            lambda entry: list(fields_of(entry, DETAIL).values()),
        )
    if table is Table.USERS:
        return Source(
            ListedUser,
            lambda limit: rollups.ranked_users(query, "requests", descending=True, skip=0, limit=limit),
            lambda row: values_of(listed_user(row)),
        )
    return Source(ConversationFigures, _conversations(query), lambda row: values_of(conversation_figures(row)))


def _conversations(query: ReportQuery) -> Callable[[int], Query]:
    if query.filters.user_id is not None:
        return lambda limit: (AIUsage.Settings.name, ledger.conversations(query, limit))
    for field in ("provider", "model", "feature"):
        if getattr(query.filters, field) is not None:
            message = "filters conversations only together with userId: those of all users are kept as a whole"
            raise invalid(field, message)
    return lambda limit: rollups.conversations(query, limit)


async def from_source(source: Source, read: Reader) -> Download:
    """A table that is read while it is sent.

    Whether it is truncated must be known before it is sent: so rows are counted first.
    """
    collection, pipeline = source.query(MAX_ROWS + 1)
    counted = first(await read.cells((collection, [*pipeline, {"$count": "count"}]))).get("count", 0)

    async def batches() -> AsyncGenerator[list[Cells], None]:
        async with aclosing(read.batches(source.query(MAX_ROWS), BATCH_ROWS)) as found:
            async for rows in found:
                # in a thread, because callers who report must not wait for it
                yield await asyncio.to_thread(lambda rows: [source.cells(row) for row in rows], rows)

    return Download(columns_of(source.row), batches(), counted > MAX_ROWS, read.close)


def from_quality(parts: QualityParts) -> Download:
    """All findings, kind by kind."""
    found = [
        (Finding.UNPRICED, [((provider, model, code), row) for (code, provider, model), row in parts.reasons]),
        (Finding.ESTIMATED, [((*names, ""), row) for names, row in parts.estimated]),
        (Finding.IMPOSSIBLE, [((provider, model, said), row) for (said, provider, model), row in parts.impossible]),
        (Finding.UNMAPPED, [(("", "", name), row) for name, row in parts.unmapped]),
        (Finding.FOLDED, [(("", "", name), row) for name, row in parts.folded]),
    ]
    rows = [_finding(kind, names, row) for kind, of_kind in found for names, row in of_kind]
    if parts.unreadable:
        rows.append([Finding.UNREADABLE, "", "", "", parts.unreadable, None, None, None])
    return _whole(FINDING, rows)


def _finding(kind: str, names: tuple[str, str, str], row: Document) -> Cells:
    # of folded names only the number of calls is kept
    if kind == Finding.FOLDED:
        return [kind, *names, row["requests"], None, None, None]
    return [kind, *names, row["requests"], row["inputTokens"], row["outputTokens"], to_decimal(row["cost"])]
