"""Providers, models and users, one row each."""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.errors import invalid
from app.reports.cursors import decoded, encoded
from app.reports.parts import earlier, speeds
from app.reports.parts.active_users import active_users
from app.reports.parts.figures import described, grouped
from app.reports.parts.ranking import Ranking, ranked_users
from app.reports.parts.speeds import Times
from app.reports.parts.user_sheets import UserSheets
from app.reports.periods import Compared
from app.reports.queries import rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import Earlier, ListedUser, ModelTotals, Percentiles, ProviderTotals, Row, Timed, Totals, Window
from models import ServiceType
from models.latency import merged, percentiles
from models.money import USD_PLACES, to_decimal
from models.rollups import USAGE_TOTALS, unescaped

PERCENTS = (50, 95, 99)
USER_ORDERS = {"requests": "requests", "cost": "cost", "tokens": "tokensUsed", "lastActive": "lastDay"}
"""What users can be sorted by, and the stored figure."""

MOST_USERS = 10_000_000
"""The last position that a cursor can name."""

_QUANTUM = Decimal(1).scaleb(-USD_PLACES)


class ServiceTotals(Totals, Timed):
    """One service type of a provider."""

    service_type: ServiceType


class ProviderPerformance(ProviderTotals, Timed):
    """One provider, over all and by service type."""

    services: list[ServiceTotals]


class ProvidersReport(Row):
    """`GET /api/admin/ai/providers`, by requests."""

    window: Window
    synthetic: Synthetic
    compared: str | None
    """The window and what `earlier` is of, in words; null unless compared."""
    providers: list[ProviderPerformance]
    generated_at: datetime


class ModelCosts(ModelTotals, Timed):
    """The cost, usage and speed of one model."""

    input_cost: Decimal
    output_cost: Decimal
    generation_cost: Decimal
    average_cost: Decimal | None
    """USD per priced call, to 15 decimals."""
    images: int
    video_seconds: Decimal
    audio_seconds: Decimal
    unique_users: int
    service_types: list[ServiceType]


class ModelsReport(Row):
    """`GET /api/admin/ai/models`, by cost."""

    window: Window
    synthetic: Synthetic
    compared: str | None
    """As of providers."""
    models: list[ModelCosts]
    generated_at: datetime


class UsersReport(Row):
    """`GET /api/admin/ai/users`: one page of the ranking."""

    window: Window
    synthetic: Synthetic
    active_users: int | None
    """How many there are; null when filtered by provider, model or feature."""
    compared: str | None
    """As of providers."""
    users: list[ListedUser]
    next_cursor: str | None
    """Pass it as `cursor=` for the next page; null on the last one."""
    generated_at: datetime


async def providers(
    read: Reader, query: ReportQuery, state: Document, generated_at: datetime, compared: Compared | None = None
) -> ProvidersReport:
    """Providers by requests, with their latency. `state` is that of the rollups."""
    parts = await read.cells(rollups.by_part(query))
    known = query.filters.model is None and query.filters.feature is None
    sketches = await read.cells(rollups.latency(query)) if known else None
    of_providers = await speeds.by_part(read, query, state, parts, ("provider",))
    of_services = await speeds.by_part(read, query, state, parts, ("provider", "serviceType"))
    return ProvidersReport(
        window=described(query.window),
        synthetic=query.synthetic,
        compared=None if compared is None else compared.words,
        providers=await asyncio.to_thread(
            _performance, parts, sketches, of_providers | of_services, await _before(read, compared)
        ),
        generated_at=generated_at,
    )


async def _before(read: Reader, compared: Compared | None) -> Documents:
    return [] if compared is None else await earlier.parts(read, compared.before)


def _performance(
    parts: Documents, sketches: Documents | None, times: Mapping[speeds.Key, Times], before: Documents
) -> list[ProviderPerformance]:
    of_before = earlier.earlier_by(before, lambda row: row["_id"]["provider"])
    by_service = grouped(parts, lambda row: (row["_id"]["provider"], row["_id"]["serviceType"]))
    return [
        ProviderPerformance.from_stored(
            totals,
            provider=provider,
            earlier=of_before.get(provider),
            services=[
                ServiceTotals.from_stored(of_service, service_type=key[1], **_timed(sketches, times[key], *key))
                for key, of_service in by_service
                if key[0] == provider
            ],
            **_timed(sketches, times[provider,], provider),
        )
        for provider, totals in grouped(parts, lambda row: row["_id"]["provider"])
    ]


def _timed(sketches: Documents | None, times: Times, provider: str, service: str | None = None) -> dict[str, Any]:
    """With the finer sketches by provider and service type, where these are what is asked for."""
    if sketches is None or times.exact:
        return times.shown()
    chosen = [
        sketch
        for row in sketches
        if row["_id"]["provider"] == provider and service in {None, row["_id"]["serviceType"]}
        for sketch in row["latency"]
    ]
    return times.shown() | {"latency": Percentiles(**percentiles(merged(chosen), PERCENTS))}


async def models(
    read: Reader,
    query: ReportQuery,
    state: Document,
    sheets: UserSheets,
    generated_at: datetime,
    *,
    compared: Compared | None = None,
) -> ModelsReport:
    """Models by cost. `state` is that of the rollups."""
    parts = await read.cells(rollups.by_part(query))
    if (users := await sheets.by_model(query)) is None:
        users = {
            (unescaped(row["_id"]["provider"]), unescaped(row["_id"]["model"])): row["users"]
            for row in await read.cells(rollups.unique_users_by_model(query))
        }
    times = await speeds.by_part(read, query, state, parts, ("provider", "model"))
    return ModelsReport(
        window=described(query.window),
        synthetic=query.synthetic,
        compared=None if compared is None else compared.words,
        models=await asyncio.to_thread(_costs_of_models, parts, users, times, await _before(read, compared)),
        generated_at=generated_at,
    )


def _costs_of_models(
    parts: Documents,
    users: Mapping[tuple[str, str], int],
    times: Mapping[speeds.Key, Times],
    before: Documents,
) -> list[ModelCosts]:
    """By cost. A thousand models take a tenth of a second, for which others must not wait."""
    groups = grouped(parts, lambda row: (row["_id"]["provider"], row["_id"]["model"]), USAGE_TOTALS)
    services: dict[tuple[str, str], set[ServiceType]] = {}
    for row in parts:
        services.setdefault((row["_id"]["provider"], row["_id"]["model"]), set()).add(row["_id"]["serviceType"])
    of_before = earlier.earlier_by(before, lambda row: (row["_id"]["provider"], row["_id"]["model"]))
    rows = [
        _model_costs(
            totals,
            provider=key[0],
            model=key[1],
            earlier=of_before.get(key),
            unique_users=users.get(key, 0),
            service_types=sorted(services[key]),
            **times[key].shown(),
        )
        for key, totals in groups
    ]
    return sorted(rows, key=lambda row: (-row.cost, -row.requests, row.provider, row.model))


def _model_costs(totals: Document, **more: Any) -> ModelCosts:
    priced = totals["requests"] - totals["unpriced"]
    return ModelCosts.from_stored(
        totals,
        input_cost=to_decimal(totals["inputCost"]),
        output_cost=to_decimal(totals["outputCost"]),
        generation_cost=to_decimal(totals["generationCost"]),
        average_cost=(to_decimal(totals["cost"]) / priced).quantize(_QUANTUM) if priced else None,
        images=totals["images"],
        video_seconds=to_decimal(totals["videoSeconds"]),
        audio_seconds=to_decimal(totals["audioSeconds"]),
        **more,
    )


async def users(
    read: Reader,
    query: ReportQuery,
    state: Document,
    sheets: UserSheets,
    order: str,
    *,
    limit: int,
    cursor: str | None,
    generated_at: datetime,
    compared: Compared | None = None,
) -> UsersReport:
    """One page of the users. `order` is a name of `USER_ORDERS`, with a leading minus for descending order."""
    descending, name = order.startswith("-"), order.removeprefix("-")
    if name not in USER_ORDERS:
        allowed = ", ".join([*USER_ORDERS, *(f"-{each}" for each in USER_ORDERS)])
        message = f"must be one of {allowed}"
        raise invalid("sort", message)
    skip = 0 if cursor is None else _position(cursor, order)
    ranking = Ranking(USER_ORDERS[name], descending=descending, skip=skip, limit=limit + 1)
    rows = await ranked_users(read, query, state, sheets, ranking)
    names = [row["_id"] for row in rows[:limit]]
    before = {} if compared is None else await earlier.users(read, compared.before, sheets, names)
    listed = [listed_user(row, before.get(row["_id"])) for row in rows[:limit]]
    return UsersReport(
        window=described(query.window),
        synthetic=query.synthetic,
        active_users=await active_users(read, query, sheets) if not query.filters.any_part() else None,
        compared=None if compared is None else compared.words,
        users=listed,
        next_cursor=encoded({"sort": order, "skip": skip + limit}) if len(rows) > limit else None,
        generated_at=generated_at,
    )


def listed_user(row: Document, before: Earlier | None = None) -> ListedUser:
    """One user, from a row of cells."""
    return ListedUser.from_stored(row, earlier=before, last_active=date.fromisoformat(row["lastDay"]))


def _position(cursor: str, order: str) -> int:
    position = decoded(cursor)
    skip = position.get("skip")
    if position.get("sort") != order or not isinstance(skip, int) or not 0 <= skip <= MOST_USERS:
        message = "belongs to another list; start without a cursor"
        raise invalid("cursor", message)
    return skip
