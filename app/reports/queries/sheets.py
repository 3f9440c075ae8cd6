"""Pipelines over the sheets of users' days: see `models.user_sheets`."""

from typing import Any

from app.reports.queries.rollup_rows import (
    Query,
    cell_rows,
    days_of,
    delta_users,
    in_months,
    in_subjects,
    synthetic_of,
    user_cells,
)
from app.reports.queries.stages import sort_by, sums
from app.reports.query import ReportQuery, matching
from models.rollups import (
    DAYS,
    DELTAS,
    EVERYONE,
    SHEET_PART,
    USER_MONTHS,
    USER_NUMBERS,
    USER_SHEETS,
    USER_TOTALS,
    USERS,
)
from models.user_sheets import COLUMNS, NUMBERS
from models.user_sheets import USERS as USERS_BITS

_COSTS = ("requests", "cost")
_BY_CLIENT_AND_USER = {
    "$group": {"_id": {"day": "$key.day", "client": "$key.client", "user": "$key.user"}, **sums(_COSTS)}
}


def made(query: ReportQuery, build: int) -> Query:
    """The days of a window that have their sheets, and what tells these from earlier ones of the same day."""
    condition = {"_id.build": build, "_id.scope": "", "_id.synthetic": False, "_id.day": days_of(query.window)}
    return USER_SHEETS, [{"$match": condition}, {"$project": {"_id": "$_id.day", "late": 1}}]


def sheets(query: ReportQuery, build: int, columns: tuple[str, ...], *, by_part: bool = False) -> Query:
    """Columns of the sheets of a window: over every part, or of each part that the filters match."""
    filters = query.filters
    detailed = by_part or filters.any_part()
    parts: dict[str, Any] = dict.fromkeys([f"_id.{name}" for name in SHEET_PART])
    if detailed:
        wanted = {"provider": filters.provider, "model": filters.model, "feature": filters.feature}
        anything = {"$type": "string"}
        parts = {f"_id.{name}": anything if value is None else matching(value) for name, value in wanted.items()}
    condition = {
        "_id.build": build,
        "_id.scope": {"$eq": filters.client_id or EVERYONE},
        "_id.synthetic": {"$in": synthetic_of(query.synthetic)},
        "_id.day": days_of(query.window),
        **parts,
    }
    return USER_SHEETS, [{"$match": condition}, {"$project": dict.fromkeys(columns, 1)}, {"$sort": {"_id.day": 1}}]


def features_of_days(query: ReportQuery, build: int, days: list[str]) -> Query:
    """The users of each part with a feature on `days`, from the sheets."""
    condition = {
        "_id.build": build,
        "_id.scope": {"$eq": query.filters.client_id or EVERYONE},
        "_id.synthetic": {"$in": synthetic_of(query.synthetic)},
        "_id.day": {"$in": days},
        "_id.feature": {"$type": "string"},
    }
    return USER_SHEETS, [{"$match": condition}, {"$project": {USERS_BITS: 1}}]


def waiting_features(query: ReportQuery) -> Query:
    """One row for each day, user and part with calls in the deltas."""
    key = {name: f"$key.{name}" for name in ("day", "user", "part")}
    return DELTAS, [*delta_users(query), {"$group": {"_id": key}}]


def features_of_months(query: ReportQuery) -> Query:
    """What each user did in the months of a window: `user`, `month` and the bits of each part."""
    shown = {"_id": 0, "user": "$_id.user", "month": "$_id.month", "parts": 1}
    return USER_MONTHS, [{"$match": in_months(query)}, {"$project": shown}]


def called_days(query: ReportQuery) -> Query:
    """The days of a window with cells."""
    return DAYS, [*cell_rows(query, {}), {"$project": {"_id": "$_id.day"}}]


def costs_of_users(query: ReportQuery, build: int) -> Query:
    """What each user of each client cost, from the sheets of a window: the clients' own ones."""
    condition = {
        "_id.build": build,
        "_id.scope": {"$nin": ["", EVERYONE]} if query.filters.client_id is None else {"$eq": query.filters.client_id},
        "_id.synthetic": {"$in": synthetic_of(query.synthetic)},
        "_id.day": days_of(query.window),
        **dict.fromkeys([f"_id.{name}" for name in SHEET_PART]),
    }
    return USER_SHEETS, [{"$match": condition}, {"$project": dict.fromkeys((NUMBERS, "requests", *COLUMNS["cost"]), 1)}]


def costs_of_users_on(query: ReportQuery, days: list[str]) -> Query:
    """The same of `days`, from users' cells: one row for each day, client and user."""
    return USERS, [*user_cells(query, {"_id.day": {"$in": days}}, _COSTS), _BY_CLIENT_AND_USER]


def waiting_costs_of_users(query: ReportQuery) -> Query:
    """The same of the deltas."""
    return DELTAS, [*delta_users(query), _BY_CLIENT_AND_USER]


def users_of_days(query: ReportQuery, days: list[str]) -> Query:
    """What users did on `days`, from their cells: one row for each user and day."""
    cells = user_cells(query, {"_id.day": {"$in": days}}, COLUMNS)
    return USERS, [*cells, {"$group": {"_id": {"user": "$key.user", "day": "$key.day"}, **sums(COLUMNS)}}]


def requests_of_day(query: ReportQuery) -> Query:
    """`requests` of each user on the single day of a window, from their cells, the most first."""
    group = {"$group": {"_id": "$_id.user", **sums(("requests",))}}
    return USERS, [{"$match": in_subjects(query)}, group, sort_by("-requests", "_id")]


def waiting_users(query: ReportQuery) -> Query:
    """What users did by the deltas: one row for each user and day."""
    group = {"_id": {"user": "$key.user", "day": "$key.day"}, **sums(USER_TOTALS)}
    return DELTAS, [*delta_users(query), {"$group": group}]


def parts_of_days(query: ReportQuery, days: list[str]) -> Query:
    """The parts in which each user was active on `days`, from the cells: `user` and `parts`, several rows of a user."""
    return USERS, [
        {"$match": {**in_subjects(query), "_id.day": {"$in": days}}},
        {"$project": {"_id": 0, "user": "$_id.user", "parts": _active_parts()}},
    ]


def waiting_parts(query: ReportQuery) -> Query:
    """The same of the deltas."""
    return DELTAS, [
        *delta_users(query),
        {"$group": {"_id": "$key.user", "parts": {"$addToSet": "$key.part"}}},
        {"$project": {"_id": 0, "user": "$_id", "parts": 1}},
    ]


def _active_parts() -> dict[str, Any]:
    parts = {"$objectToArray": {"$ifNull": ["$parts", {}]}}
    active = {"$filter": {"input": parts, "cond": {"$gt": [{"$ifNull": ["$$this.v.requests", 0]}, 0]}}}
    return {"$map": {"input": active, "in": "$$this.k"}}


def numbers_of(users: list[str], build: int) -> Query:
    """The numbers of users, as far as they have one."""
    ids = [{"build": build, "user": user} for user in users]
    return USER_NUMBERS, [{"$match": {"_id": {"$in": ids}}}]


def names_of(numbers: list[int], build: int) -> Query:
    """The users that these numbers name."""
    return USER_NUMBERS, [{"$match": {"_id.build": build, "number": {"$in": numbers}}}]
