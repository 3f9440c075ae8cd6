"""What each day cost, from the rollups: what waits to be merged into them counts as well."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from app.finance.forecast.answers import By
from app.finance.forecast.series import Days
from app.reports.queries.rollup_rows import Query, cell_rows, delta_usage, usage_rows, with_deltas
from app.reports.queries.stages import Stage, sums
from app.reports.query import NO_FILTERS, ReportQuery
from app.reports.reader import Document, Reader
from models.money import ZERO, to_decimal
from models.rollups import DAYS, EVERYONE, USAGE

_FIGURES = ("requests", "unpriced", "cost")


async def by_name(read: Reader, query: ReportQuery, by: By | None) -> dict[str | None, Days]:
    """The days of each client, model or feature; of all together, named None, where nothing is to be told apart."""
    return await asyncio.to_thread(_named, await read.cells(_rows(query, by)))


async def calls_of_everyone(read: Reader, query: ReportQuery) -> dict[date, int]:
    """Calls of the whole deployment by day, whoever asks: only days without any become known."""
    rows = await read.cells(_rows(replace(query, filters=NO_FILTERS), None))
    return {date.fromisoformat(row["_id"]["day"]): row["requests"] for row in rows}


def _named(rows: Iterable[Document]) -> dict[str | None, Days]:
    found: dict[str | None, Days] = {}
    for row in rows:
        _add(found.setdefault(row["_id"].get("name"), Days({}, {})), row)
    return found


def together(parts: Iterable[Days]) -> Days:
    """The days of several as one."""
    whole = Days({}, {})
    for part in parts:
        whole.unpriced += part.unpriced
        for day, count in part.requests.items():
            whole.requests[day] = whole.requests.get(day, 0) + count
            whole.costs[day] = whole.costs.get(day, ZERO) + part.costs[day]
    return whole


def of_rows(rows: Iterable[Document]) -> Days:
    """The days of rows that have theirs in `_id`."""
    found = Days({}, {})
    for row in rows:
        _add(found, row)
    return found


def _add(days: Days, row: Document) -> None:
    day = date.fromisoformat(row["_id"]["day"])
    days.requests[day] = row["requests"]
    days.costs[day] = to_decimal(row["cost"])
    days.unpriced += row["unpriced"]


def _rows(query: ReportQuery, by: By | None) -> Query:
    if by is By.CLIENT:
        return _by_client(query)
    collection, rows = usage_rows(query, by_part=by is not None)
    return collection, [*rows, _grouped({} if by is None else {"name": f"$key.{by}"})]


def _by_client(query: ReportQuery) -> Query:
    filters = query.filters
    parts = {"provider": filters.provider, "model": filters.model, "feature": filters.feature}
    match, *rows = cell_rows(query, parts)
    of_clients = {"$ne": EVERYONE} if filters.client_id is None else {"$eq": filters.client_id}
    cells = [{"$match": match["$match"] | {"_id.scope": of_clients}}, *rows]
    # waiting rows name their client themselves
    client = {"name": {"$ifNull": ["$client", "$key.scope"]}}
    return USAGE if filters.any_part() else DAYS, [*cells, with_deltas(delta_usage(query)), _grouped(client)]


def _grouped(name: dict[str, Any]) -> Stage:
    return {"$group": {"_id": {"day": "$key.day", **name}, **sums(_FIGURES)}}
