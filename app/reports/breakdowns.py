"""Providers, models and users, one row each."""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from app.errors import invalid
from app.reports.cursors import decoded, encoded
from app.reports.parts import earlier
from app.reports.parts.active_users import active_users
from app.reports.parts.figures import described, grouped
from app.reports.parts.ranking import Ranking, ranked_users
from app.reports.parts.user_sheets import UserSheets
from app.reports.periods import Compared
from app.reports.queries import rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader
from app.reports.rows import Earlier, ListedUser, ModelTotals, Percentiles, ProviderTotals, Row, Totals, Window
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


class ServiceTotals(Totals):
    """One service type of a provider."""

    service_type: ServiceType
    latency: Percentiles


class ProviderPerformance(ProviderTotals):
    """One provider, over all and by service type."""

    latency: Percentiles
    """Null when filtered by model or feature: latency is kept by provider and service type."""
    services: list[ServiceTotals]


class ProvidersReport(Row):
    """`GET /api/admin/ai/providers`, by requests."""

    window: Window
    synthetic: Synthetic
    compared: str | None
    """The window and what `earlier` is of, in words; null unless compared."""
    providers: list[ProviderPerformance]
    generated_at: datetime


class ModelCosts(ModelTotals):
    """The cost and usage of one model."""

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
    read: Reader, query: ReportQuery, generated_at: datetime, compared: Compared | None = None
) -> ProvidersReport:
    """Providers by requests, with their latency."""
    parts = await read.cells(rollups.by_part(query))
    known = query.filters.model is None and query.filters.feature is None
    sketches = await read.cells(rollups.latency(query)) if known else []
    return ProvidersReport(
        window=described(query.window),
        synthetic=query.synthetic,
        compared=None if compared is None else compared.words,
        providers=await asyncio.to_thread(_performance, parts, sketches, await _before(read, compared)),
        generated_at=generated_at,
    )


async def _before(read: Reader, compared: Compared | None) -> Documents:
    return [] if compared is None else await earlier.parts(read, compared.before)


def _performance(parts: Documents, sketches: Documents, before: Documents) -> list[ProviderPerformance]:
    of_before = earlier.earlier_by(before, lambda row: row["_id"]["provider"])
    by_service = grouped(parts, lambda row: (row["_id"]["provider"], row["_id"]["serviceType"]))
    return [
        ProviderPerformance.from_stored(
            totals,
            provider=provider,
            earlier=of_before.get(provider),
            latency=_latency(sketches, provider),
            services=[
                ServiceTotals.from_stored(of_service, service_type=service, latency=_latency(sketches, name, service))
                for (name, service), of_service in by_service
                if name == provider
            ],
        )
        for provider, totals in grouped(parts, lambda row: row["_id"]["provider"])
    ]


def _latency(sketches: Documents, provider: str, service: str | None = None) -> Percentiles:
    chosen = [
        sketch
        for row in sketches
        if row["_id"]["provider"] == provider and service in {None, row["_id"]["serviceType"]}
        for sketch in row["latency"]
    ]
    return Percentiles(**percentiles(merged(chosen), PERCENTS))


async def models(
    read: Reader, query: ReportQuery, sheets: UserSheets, generated_at: datetime, compared: Compared | None = None
) -> ModelsReport:
    """Models by cost."""
    parts = await read.cells(rollups.by_part(query))
    if (users := await sheets.by_model(query)) is None:
        users = {
            (unescaped(row["_id"]["provider"]), unescaped(row["_id"]["model"])): row["users"]
            for row in await read.cells(rollups.unique_users_by_model(query))
        }
    return ModelsReport(
        window=described(query.window),
        synthetic=query.synthetic,
        compared=None if compared is None else compared.words,
        models=await asyncio.to_thread(_costs_of_models, parts, users, await _before(read, compared)),
        generated_at=generated_at,
    )


def _costs_of_models(parts: Documents, users: Mapping[tuple[str, str], int], before: Documents) -> list[ModelCosts]:
    """By cost. A thousand models take a tenth of a second, for which others must not wait."""
    groups = grouped(parts, lambda row: (row["_id"]["provider"], row["_id"]["model"]), USAGE_TOTALS)
    services: dict[tuple[str, str], set[ServiceType]] = {}
    for row in parts:
        services.setdefault((row["_id"]["provider"], row["_id"]["model"]), set()).add(row["_id"]["serviceType"])
    of_before = earlier.earlier_by(before, lambda row: (row["_id"]["provider"], row["_id"]["model"]))
    rows = [
        _model_costs(name, totals, users.get(name, 0), services[name], of_before.get(name)) for name, totals in groups
    ]
    return sorted(rows, key=lambda row: (-row.cost, -row.requests, row.provider, row.model))


def _model_costs(
    name: tuple[str, str], totals: Document, users: int, services: set[ServiceType], before: Earlier | None
) -> ModelCosts:
    priced = totals["requests"] - totals["unpriced"]
    return ModelCosts.from_stored(
        totals,
        provider=name[0],
        model=name[1],
        earlier=before,
        input_cost=to_decimal(totals["inputCost"]),
        output_cost=to_decimal(totals["outputCost"]),
        generation_cost=to_decimal(totals["generationCost"]),
        average_cost=(to_decimal(totals["cost"]) / priced).quantize(_QUANTUM) if priced else None,
        images=totals["images"],
        video_seconds=to_decimal(totals["videoSeconds"]),
        audio_seconds=to_decimal(totals["audioSeconds"]),
        unique_users=users,
        service_types=sorted(services),
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
