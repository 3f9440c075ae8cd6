"""Pipelines over the rollups: the cells of a window together with the deltas that are not in them yet.

Each starts from rows of one shape, `key` and figures, whether they come from cells or from deltas.
"""

from typing import Any

from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.stages import Stage, sort_by, sums
from app.reports.windows import TimeWindow
from models import CallStatus
from models.active_days import masks
from models.rollups import (
    CONVERSATION_TOTALS,
    CONVERSATIONS,
    DAYS,
    DELTAS,
    EVERYONE,
    FINDINGS,
    LATENCY,
    NOT_MERGED,
    PART,
    TOTALS,
    USAGE,
    USAGE_TOTALS,
    USER_MONTHS,
    USER_TOTALS,
    USERS,
    escaped,
)

Query = tuple[str, list[Stage]]
"""A collection and the pipeline to run on it."""

MODEL = {"provider": "$key.provider", "model": "$key.model"}


def by_day(query: ReportQuery, *, hours_from: str = "", latency_from: str | None = None) -> Query:
    """One row a day: the totals, `status_*`, and lists of `hours` and `latency` from these days on (none if None)."""
    collection, rows = _usage(query, by_part=False)
    group = {
        "_id": "$key.day",
        **sums(TOTALS),
        **{f"status_{status}": {"$sum": f"$statuses.{status}"} for status in CallStatus},
        "hours": {"$push": {"$cond": [{"$gte": ["$key.day", hours_from]}, "$hours", "$$REMOVE"]}},
    }
    if latency_from is not None:
        group["latency"] = {"$push": {"$cond": [{"$gte": ["$key.day", latency_from]}, "$latency", "$$REMOVE"]}}
    return collection, [*rows, {"$group": group}, sort_by("_id")]


def by_part(query: ReportQuery) -> Query:
    """One row for each provider, model, service type and feature: every figure."""
    collection, rows = _usage(query, by_part=True)
    key = {name: f"$key.{name}" for name in PART}
    return collection, [*rows, {"$group": {"_id": key, **sums(USAGE_TOTALS)}}]


def latency(query: ReportQuery) -> Query:
    """One row for each provider and service type: a list of `latency` sketches."""
    cells = _cells(query, {"provider": query.filters.provider})
    key = {"provider": "$key.provider", "serviceType": "$key.serviceType"}
    rows = [*cells, _union(_delta_usage(query))]
    return LATENCY, [*rows, {"$group": {"_id": key, "latency": {"$push": "$latency"}}}]


def findings(query: ReportQuery) -> Query:
    """One row for each kind, provider, model and name: the totals. Corrections may have left nothing of a cell."""
    names = {"provider": query.filters.provider, "model": query.filters.model}
    key = {name: f"$key.{name}" for name in ("kind", "provider", "model", "name")}
    rows = [*_cells(query, names), _union(_delta_findings(query, names))]
    group = {"$group": {"_id": key, **sums(TOTALS)}}
    return FINDINGS, [*rows, group, {"$match": {"requests": {"$gt": 0}}}, sort_by("-requests", "_id")]


def users(query: ReportQuery, among: list[str] | None = None) -> Query:
    """One row for each user, or for each of those `among`: `requests`, cost and the like."""
    chosen = {} if among is None else {"_id.user": {"$in": among}}
    cells: list[Stage] = [{"$match": {**_subjects(query), **chosen}}]
    if query.filters.any_part():
        cells += [
            {"$project": {"part": {"$objectToArray": "$parts"}}},
            {"$unwind": "$part"},
            {"$match": _in_part("part.k", query.filters)},
            {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$part.v", {"key": "$_id"}]}}},
        ]
    else:
        cells += [{"$set": {"key": "$_id"}}]
    group = {"_id": "$key.user", **sums(USER_TOTALS), "lastDay": {"$max": "$key.day"}}
    return USERS, [*cells, _union(_delta_users(query, among)), {"$group": group}]


def ranked_users(query: ReportQuery, order: str, *, descending: bool, skip: int, limit: int) -> Query:
    """The users in order of one figure, from the cells of every day of the window."""
    collection, rows = users(query)
    sign = "-" if descending else ""
    return collection, [*rows, sort_by(f"{sign}{order}", "_id"), {"$skip": skip}, {"$limit": limit}]


def pending_users(query: ReportQuery) -> Query:
    """`requests` by user, of the deltas alone."""
    group = {"_id": "$key.user", "requests": {"$sum": "$requests"}}
    return DELTAS, [*_delta_users(query, None), {"$group": group}]


def top_cells_of(query: ReportQuery, limit: int) -> Query:
    """The cells of users with the most requests on one day. A user has one for each of its clients."""
    head = [{"$match": _subjects(query)}, sort_by("-requests"), {"$limit": limit}]
    return USERS, [*head, {"$project": {"_id.user": 1, "requests": 1}}]


def top_users_of(query: ReportQuery, limit: int) -> Query:
    """The users with the most requests on one day."""
    group = {"_id": "$_id.user", "requests": {"$sum": "$requests"}}
    return USERS, [{"$match": _subjects(query)}, {"$group": group}, sort_by("-requests", "_id"), {"$limit": limit}]


def requests_of(query: ReportQuery, among: list[str]) -> Query:
    """`requests` of these users in the cells of a window."""
    chosen = {"$match": {**_subjects(query), "_id.user": {"$in": among}}}
    return USERS, [chosen, {"$group": {"_id": "$_id.user", "requests": {"$sum": "$requests"}}}]


def conversations(query: ReportQuery, limit: int) -> Query:
    """The conversations with the most tokens."""
    cells = [{"$match": _subjects(query)}, {"$set": {"key": "$_id"}}]
    key = {"client": "$key.client", "conversation": "$key.conversation"}
    group = {"_id": key, **sums(CONVERSATION_TOTALS), "lastDay": {"$max": "$key.day"}}
    order = sort_by("-tokensUsed", "_id")
    deltas = _delta_subjects(query, "conversations", "conversation")
    return CONVERSATIONS, [*cells, _union(deltas), {"$group": group}, order, {"$limit": limit}]


def active_users(query: ReportQuery) -> Query:
    """`count`: how many users were active."""
    cells = [
        {"$match": {**_months(query), "$or": _active_in(query.window, "_id.month", "days")}},
        {"$project": {"key": "$_id"}},
    ]
    return USER_MONTHS, [
        *cells,
        _union([{"$match": NOT_MERGED}, *_delta_users(query, None)]),
        {"$group": {"_id": "$key.user"}},
        {"$count": "count"},
    ]


def pending_active_users(query: ReportQuery) -> Query:
    """`_id`: day, client, synthetic and user of who is active in the deltas."""
    key = {name: f"$key.{name}" for name in ("day", "client", "synthetic", "user")}
    return DELTAS, [{"$match": NOT_MERGED}, *_delta_users(query, None), {"$group": {"_id": key}}]


def unique_users_by_model(query: ReportQuery) -> Query:
    """`users` for each provider and model."""
    cells: list[Stage] = [
        {"$match": _months(query)},
        {"$project": {"part": {"$objectToArray": "$parts"}}},
        {"$unwind": "$part"},
        {"$match": {"$or": _active_in(query.window, "_id.month", "part.v"), **_in_part("part.k", query.filters)}},
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
        *_delta_users(query, None),
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
        _union(deltas),
        {"$group": {"_id": "$key"}},
        {"$group": {"_id": {"provider": "$_id.provider", "model": "$_id.model"}, "users": {"$sum": 1}}},
    ]


def waiting(timezone: str) -> Query:
    """Of the deltas whose figures wait: when the `oldest` and the `newest` was committed, and how many there are.

    `foreign` is how many deltas count their days in another zone than `timezone`.
    """
    pending = {"$not": ["$merged"]}
    group = {
        "_id": None,
        "oldest": {"$min": {"$cond": [pending, "$at", "$$REMOVE"]}},
        "newest": {"$max": "$at"},
        "count": {"$sum": {"$toInt": pending}},
        "foreign": {"$sum": {"$toInt": {"$ne": ["$timezone", timezone]}}},
    }
    return DELTAS, [{"$group": group}]


def _usage(query: ReportQuery, *, by_part: bool) -> Query:
    filters = query.filters
    parts = {"provider": filters.provider, "model": filters.model, "feature": filters.feature}
    detailed = by_part or filters.any_part()
    cells = _cells(query, parts if detailed else {})
    return USAGE if detailed else DAYS, [*cells, _union(_delta_usage(query))]


def _cells(query: ReportQuery, names: dict[str, str | None]) -> list[Stage]:
    condition = {
        "_id.scope": {"$eq": query.filters.client_id or EVERYONE},
        "_id.synthetic": {"$in": _synthetic(query.synthetic)},
        "_id.day": _days(query.window),
    }
    return [{"$match": condition | _equalities("_id", names)}, {"$set": {"key": "$_id"}}]


def _subjects(query: ReportQuery) -> dict[str, Any]:
    window, synthetic = query.window, _synthetic(query.synthetic)
    return {
        # equalities where they will do: only then the index is in the order of the ranking
        "_id.day": window.first.isoformat() if window.first == window.last else _days(window),
        "_id.synthetic": synthetic[0] if len(synthetic) == 1 else {"$in": synthetic},
        **_equalities("_id", {"client": query.filters.client_id}),
    }


def _months(query: ReportQuery) -> dict[str, Any]:
    return {
        "_id.month": {"$in": sorted(masks(query.window.first, query.window.last))},
        "_id.synthetic": {"$in": _synthetic(query.synthetic)},
        **_equalities("_id", {"client": query.filters.client_id}),
    }


def _active_in(window: TimeWindow, month: str, bits: str) -> list[dict[str, Any]]:
    return [{month: name, bits: {"$bitsAnySet": mask}} for name, mask in masks(window.first, window.last).items()]


def _delta_usage(query: ReportQuery) -> list[Stage]:
    key = {name: f"$usage.{name}" for name in ("day", *PART)}
    return [
        {"$match": {**NOT_MERGED, "days": {"$elemMatch": _days(query.window)}}},
        {"$project": {"usage.users": 0, "usage.conversations": 0, "findings": 0}},
        {"$unwind": "$usage"},
        {"$match": _delta_rows(query, "usage")},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$usage", {"key": key}]}}},
    ]


def _delta_findings(query: ReportQuery, names: dict[str, str | None]) -> list[Stage]:
    key = {name: f"$findings.{name}" for name in ("kind", "provider", "model", "name")}
    condition = _delta_place(query, "findings") | _equalities("findings", names)
    return [
        {"$match": {**NOT_MERGED, "days": {"$elemMatch": _days(query.window)}}},
        {"$unwind": "$findings"},
        {"$match": condition},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$findings", {"key": key}]}}},
    ]


def _delta_users(query: ReportQuery, among: list[str] | None) -> list[Stage]:
    chosen: list[Stage] = [] if among is None else [{"$match": {"key.user": {"$in": among}}}]
    return [*_delta_subjects(query, "users", "user"), *chosen]


def _delta_subjects(query: ReportQuery, subjects: str, subject: str) -> list[Stage]:
    row = f"$usage.{subjects}"
    key = {name: f"$usage.{name}" for name in ("day", "client", "synthetic", "part")}
    return [
        {"$match": {"days": {"$elemMatch": _days(query.window)}}},
        {"$unwind": "$usage"},
        {"$match": _delta_rows(query, "usage")},
        {"$unwind": row},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": [row, {"key": {**key, subject: f"{row}.{subject}"}}]}}},
    ]


def _delta_rows(query: ReportQuery, path: str) -> dict[str, Any]:
    filters = query.filters
    names = {"provider": filters.provider, "model": filters.model, "feature": filters.feature}
    return _delta_place(query, path) | _equalities(path, names)


def _delta_place(query: ReportQuery, path: str) -> dict[str, Any]:
    return {
        f"{path}.day": _days(query.window),
        f"{path}.synthetic": {"$in": _synthetic(query.synthetic)},
        **_equalities(path, {"client": query.filters.client_id}),
    }


def _in_part(path: str, filters: Filters) -> dict[str, Any]:
    """That a part's joined names are those of the filters."""
    names = [filters.provider, filters.model, None, filters.feature]
    if not filters.any_part():
        return {}
    return {
        "$expr": {
            "$and": [
                {"$eq": [{"$arrayElemAt": [{"$split": [f"${path}", "|"]}, position]}, {"$literal": escaped(name)}]}
                for position, name in enumerate(names)
                if name is not None
            ]
        }
    }


def _union(pipeline: list[Stage]) -> Stage:
    return {"$unionWith": {"coll": DELTAS, "pipeline": pipeline}}


def _equalities(path: str, names: dict[str, str | None]) -> dict[str, Any]:
    """`$eq` keeps a text from ever being read as an operator."""
    return {f"{path}.{name}": {"$eq": value} for name, value in names.items() if value is not None}


def _synthetic(synthetic: Synthetic) -> list[bool]:
    return {Synthetic.EXCLUDE: [False], Synthetic.ONLY: [True], Synthetic.INCLUDE: [False, True]}[synthetic]


def _days(window: TimeWindow) -> dict[str, str]:
    return {"$gte": window.first.isoformat(), "$lte": window.last.isoformat()}
