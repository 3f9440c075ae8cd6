"""Pipelines over the rollups: the cells of a window together with the deltas that are not in them yet.

Each starts from rows of one shape, `key` and figures, whether they come from cells or from deltas.
"""

from dataclasses import replace
from typing import Any

from app.reports.queries.rollup_rows import (
    Query,
    active_in_months,
    cell_rows,
    client_rows,
    days_of,
    delta_findings,
    delta_subjects,
    delta_usage,
    delta_users,
    in_month,
    in_months,
    in_part,
    in_subjects,
    on_day,
    synthetic_of,
    usage_rows,
    user_cells,
    with_deltas,
)
from app.reports.queries.stages import Stage, sort_by, sums
from app.reports.query import Filters, Names, ReportQuery
from app.reports.windows import TimeWindow
from models import CallStatus
from models.rollups import (
    CONVERSATION_TOTALS,
    CONVERSATIONS,
    DAYS,
    DELTAS,
    EVERYONE,
    FINDINGS,
    LATENCY,
    NOT_MERGED,
    OTHER,
    PART,
    TOTALS,
    USAGE,
    USAGE_TOTALS,
    USER_MONTHS,
    USER_TOTALS,
    USERS,
)

_BY_USER = {"$group": {"_id": "$key.user", **sums(USER_TOTALS), "lastDay": {"$max": "$key.day"}}}
_STATUSES = {f"status_{status}": {"$sum": f"$statuses.{status}"} for status in CallStatus}


def by_day(query: ReportQuery, *, hours_from: str = "", latency_from: str | None = None) -> Query:
    """One row per day: the totals, `status_*`, and lists of `hours` and `latency` from these days on (none if None)."""
    collection, rows = usage_rows(query, by_part=False)
    group = {
        "_id": "$key.day",
        **sums(TOTALS),
        **_STATUSES,
        "hours": {"$push": {"$cond": [{"$gte": ["$key.day", hours_from]}, "$hours", "$$REMOVE"]}},
    }
    if latency_from is not None:
        group["latency"] = {"$push": {"$cond": [{"$gte": ["$key.day", latency_from]}, "$latency", "$$REMOVE"]}}
    return collection, [*rows, {"$group": group}, sort_by("_id")]


def by_part(query: ReportQuery) -> Query:
    """One row for each provider, model, service type and feature: every figure."""
    collection, rows = usage_rows(query, by_part=True)
    key = {name: f"$key.{name}" for name in PART}
    return collection, [*rows, {"$group": {"_id": key, **sums(USAGE_TOTALS)}}]


def hours_by_part(query: ReportQuery) -> Query:
    """One row for each provider, model, service type and feature: a list of `hours`."""
    collection, rows = usage_rows(query, by_part=True)
    key = {name: f"$key.{name}" for name in PART}
    return collection, [*rows, {"$group": {"_id": key, "hours": {"$push": "$hours"}}}]


def places(query: ReportQuery) -> Query:
    """One row for each feature and model with calls that the filters match, or may match where a name is not kept."""
    filters = query.filters
    collection, rows = usage_rows(replace(query, filters=Filters(client_id=filters.client_id)), by_part=True)
    named = {"provider": filters.provider, "model": filters.model, "feature": filters.feature}
    condition = {f"key.{name}": _or_other(value) for name, value in named.items() if value is not None}
    group = {"_id": {name: f"$key.{name}" for name in ("provider", "model", "feature")}, **sums(("requests",))}
    return collection, [*rows, {"$match": condition}, {"$group": group}, {"$match": {"requests": {"$gt": 0}}}]


def _or_other(wanted: str | Names) -> dict[str, Any]:
    if isinstance(wanted, str):
        return {"$in": [wanted, OTHER]}
    return Names(wanted.among | {OTHER} if wanted.among else wanted.among, wanted.without - {OTHER}).condition()


def clients(query: ReportQuery) -> Query:
    """`_id`: each client with calls."""
    window, synthetic = days_of(query.window), {"$in": synthetic_of(query.synthetic)}
    condition = {"_id.scope": {"$ne": EVERYONE}, "_id.synthetic": synthetic, "_id.day": window}
    cells: list[Stage] = [{"$match": condition}, {"$project": {"client": "$_id.scope"}}]
    return DAYS, [*cells, with_deltas(delta_usage(query)), {"$group": {"_id": "$client"}}, sort_by("_id")]


def first_day(query: ReportQuery) -> Query:
    """`day`: the first one on which a client, or a user, or anyone has calls, whatever the window; else no row."""
    filters, synthetic = query.filters, {"$in": synthetic_of(query.synthetic)}
    if filters.user_id is None:
        collection, of = DAYS, {"_id.scope": {"$eq": filters.client_id or EVERYONE}}
    else:
        client = {} if filters.client_id is None else {"_id.client": {"$eq": filters.client_id}}
        collection, of = USERS, {"_id.user": {"$eq": filters.user_id}, **client}
    cells: list[Stage] = [{"$match": {**of, "_id.synthetic": synthetic}}, sort_by("_id.day"), {"$limit": 1}]
    named = {"usage.client": filters.client_id, "usage.users.user": filters.user_id}
    waiting = {"usage.synthetic": synthetic} | {name: {"$eq": value} for name, value in named.items() if value}
    deltas: list[Stage] = [
        {"$match": NOT_MERGED},
        {"$unwind": "$usage"},
        {"$match": waiting},
        {"$project": {"_id.day": "$usage.day"}},
    ]
    earliest = {"$group": {"_id": None, "day": {"$min": "$_id.day"}}}
    return collection, [*cells, with_deltas(deltas), earliest, {"$match": {"day": {"$ne": None}}}]


def by_day_and_name(query: ReportQuery, name: str) -> Query:
    """One row for each day and provider, model or feature: `requests` and `cost`."""
    collection, rows = usage_rows(query, by_part=True)
    key = {"day": "$key.day", "name": f"$key.{name}"}
    return collection, [*rows, {"$group": {"_id": key, **sums(("requests", "cost"))}}]


def costs_by_day(query: ReportQuery) -> Query:
    """One row per day: `requests`, `unpriced` and `cost`."""
    collection, rows = usage_rows(query, by_part=False)
    return collection, [*rows, {"$group": {"_id": "$key.day", **sums(("requests", "unpriced", "cost"))}}]


def costs_by_client(query: ReportQuery, name: str | None = None) -> Query:
    """One row for each client, or for each client and provider, model or feature: `requests` and `cost`."""
    key = {"client": "$key.client"} | ({} if name is None else {"name": f"$key.{name}"})
    rows = client_rows(query)
    return DAYS if name is None else USAGE, [*rows, {"$group": {"_id": key, **sums(("requests", "cost"))}}]


def statuses_by_provider(query: ReportQuery) -> Query:
    """One row for each provider: `status_*`."""
    collection, rows = usage_rows(query, by_part=True)
    return collection, [*rows, {"$group": {"_id": "$key.provider", **_STATUSES}}]


def latency_by_day(query: ReportQuery) -> Query:
    """One row per day: a list of `latency` sketches, which do not distinguish models or features."""
    provider = query.filters.provider
    rows = [*cell_rows(query, {"provider": provider}), with_deltas(delta_usage(query))]
    group = {"_id": "$key.day", "latency": {"$push": "$latency"}}
    return LATENCY if provider else DAYS, [*rows, {"$group": group}]


def latency(query: ReportQuery) -> Query:
    """One row for each provider and service type: a list of `latency` sketches."""
    cells = cell_rows(query, {"provider": query.filters.provider})
    key = {"provider": "$key.provider", "serviceType": "$key.serviceType"}
    rows = [*cells, with_deltas(delta_usage(query))]
    return LATENCY, [*rows, {"$group": {"_id": key, "latency": {"$push": "$latency"}}}]


def findings(query: ReportQuery) -> Query:
    """One row for each kind, provider, model and name: the totals. Corrections may have left nothing of a cell."""
    names = {"provider": query.filters.provider, "model": query.filters.model}
    key = {name: f"$key.{name}" for name in ("kind", "provider", "model", "name")}
    rows = [*cell_rows(query, names), with_deltas(delta_findings(query, names))]
    group = {"$group": {"_id": key, **sums(TOTALS)}}
    return FINDINGS, [*rows, group, {"$match": {"requests": {"$gt": 0}}}, sort_by("-requests", "_id")]


def arrivals(query: ReportQuery, collection: str) -> Query:
    """One row for each ingest channel, field and reason of refused or late calls: `calls`, the most first."""
    days = query.window.days
    of_window: dict[str, Any] = {"_id.day": {"$gte": days[0].isoformat(), "$lte": days[-1].isoformat()}}
    if query.filters.client_id is not None:
        of_window["_id.client"] = {"$eq": query.filters.client_id}
    key = {name: f"$_id.{name}" for name in ("door", "field", "reason")}
    group = {"$group": {"_id": key, "calls": {"$sum": "$calls"}}}
    return collection, [{"$match": of_window}, group, sort_by("-calls", "_id")]


def users(query: ReportQuery) -> Query:
    """One row for each user: `requests`, cost and the like."""
    cells = user_cells(query, {}, USER_TOTALS)
    return USERS, [*cells, with_deltas(delta_users(query)), _BY_USER]


def merged_users(query: ReportQuery, among: list[str]) -> Query:
    """The same of those `among`, from their cells alone."""
    return USERS, [*user_cells(query, {"_id.user": {"$in": among}}, USER_TOTALS), _BY_USER]


def ranked_users(query: ReportQuery, order: str, *, descending: bool, skip: int, limit: int) -> Query:
    """The users in order of one figure, from the cells of every day of the window."""
    collection, rows = users(query)
    sign = "-" if descending else ""
    return collection, [*rows, sort_by(f"{sign}{order}", "_id"), {"$skip": skip}, {"$limit": limit}]


def conversations(query: ReportQuery, limit: int) -> Query:
    """The conversations with the most tokens."""
    cells = [{"$match": in_subjects(query)}, {"$set": {"key": "$_id"}}]
    key = {"client": "$key.client", "conversation": "$key.conversation"}
    group = {"_id": key, **sums(CONVERSATION_TOTALS), "lastDay": {"$max": "$key.day"}}
    order = sort_by("-tokensUsed", "_id")
    deltas = delta_subjects(query, "conversations", "conversation")
    return CONVERSATIONS, [*cells, with_deltas(deltas), {"$group": group}, order, {"$limit": limit}]


def active_users(query: ReportQuery) -> Query:
    """`count`: how many users were active."""
    cells = [
        {"$match": {**in_months(query), "$or": active_in_months(query.window, "_id.month", "days")}},
        {"$project": {"key": "$_id"}},
    ]
    return USER_MONTHS, [
        *cells,
        with_deltas([{"$match": NOT_MERGED}, *delta_users(query)]),
        {"$group": {"_id": "$key.user"}},
        {"$count": "count"},
    ]


def active_users_of(query: ReportQuery, windows: list[TimeWindow]) -> Query:
    """`w0`, `w1`, …: how many users were active in each of the `windows`, which are within that of the query."""
    months = [
        {"$match": {**in_months(query), "$or": active_in_months(query.window, "_id.month", "days")}},
        {"$project": {"user": "$_id.user", **_named([in_month(window, "$_id.month", "$days") for window in windows])}},
    ]
    deltas = [
        {"$match": NOT_MERGED},
        *delta_users(query),
        {"$project": {"user": "$key.user", **_named([on_day(window, "$key.day") for window in windows])}},
    ]
    names = _named(windows)
    return USER_MONTHS, [
        *months,
        with_deltas(deltas),
        {"$group": {"_id": "$user", **{name: {"$max": f"${name}"} for name in names}}},
        {"$group": {"_id": None, **{name: {"$sum": {"$toInt": f"${name}"}} for name in names}}},
    ]


def active_bits(query: ReportQuery) -> Query:
    """`month`, `user` and `bits`, a list whose union says on which days: from the months, for a part or for all."""
    bits: Any = ["$days"]
    if query.filters.any_part():
        condition = in_part("$this.k", query.filters)["$expr"]
        in_parts = {"$filter": {"input": {"$objectToArray": "$parts"}, "cond": condition}}
        bits = {"$map": {"input": in_parts, "in": "$$this.v"}}
    return USER_MONTHS, [
        {"$match": {**in_months(query), "$or": active_in_months(query.window, "_id.month", "days")}},
        {"$project": {"_id": 0, "month": "$_id.month", "user": "$_id.user", "bits": bits}},
        {"$match": {"bits": {"$ne": []}}},
    ]


def pending_active_users(query: ReportQuery) -> Query:
    """`_id`: day, client, synthetic and user of user activity in the deltas."""
    key = {name: f"$key.{name}" for name in ("day", "client", "synthetic", "user")}
    return DELTAS, [{"$match": NOT_MERGED}, *delta_users(query), {"$group": {"_id": key}}]


def unique_users_by_model(query: ReportQuery) -> Query:
    """`users` for each provider and model."""
    cells: list[Stage] = [
        {"$match": in_months(query)},
        {"$project": {"part": {"$objectToArray": "$parts"}}},
        {"$unwind": "$part"},
        {"$match": {"$or": active_in_months(query.window, "_id.month", "part.v"), **in_part("part.k", query.filters)}},
        {"$set": {"names": {"$split": ["$part.k", "|"]}}},
        {
            "$project": {
                "key": {
                    "user": "$_id.user",
                    "provider": {"$arrayElemAt": ["$names", 0]},
                    "model": {"$arrayElemAt": ["$names", 1]},
                }
            }
        },
    ]
    # names in cells are escaped, those in deltas are brought to the same form
    deltas = [
        {"$match": NOT_MERGED},
        *delta_users(query),
        {"$set": {"names": {"$split": ["$key.part", "|"]}}},
        {
            "$project": {
                "key": {
                    "user": "$key.user",
                    "provider": {"$arrayElemAt": ["$names", 0]},
                    "model": {"$arrayElemAt": ["$names", 1]},
                }
            }
        },
    ]
    return USER_MONTHS, [
        *cells,
        with_deltas(deltas),
        {"$group": {"_id": "$key"}},
        {"$group": {"_id": {"provider": "$_id.provider", "model": "$_id.model"}, "users": {"$sum": 1}}},
    ]


def _named(values: list[Any]) -> dict[str, Any]:
    return {f"w{position}": value for position, value in enumerate(values)}
