"""Pipelines of a user's panel: what one user, or a client, has cost in a month and in all.

Panels are asked for again and again, so what they read comes in as few questions as can be: costs come with whether
they can be believed.
"""

from typing import Any

from app.reports.queries.rollup_rows import Query, synthetic_of, with_deltas
from app.reports.queries.stages import Expression, Stage
from app.reports.query import Filters, Synthetic
from app.reports.windows import TimeWindow
from models.rollups import DAYS, EVERYONE, NOT_MERGED, STATE, USERS

WHOLE, FOREIGN = "whole", "foreign"


def costs_of_user(month: TimeWindow, user: str, client: str | None, synthetic: Synthetic) -> Query:
    """`requests` and `cost` of a user: rows by whether the day is one of the month, from cells and waiting deltas.

    A row `WHOLE` says that cells and deltas have every call, a row `FOREIGN` that some wait on days of another zone.
    """
    at_client = {} if client is None else {"client": {"$eq": client}}
    cells = {"_id.user": {"$eq": user}, "_id.synthetic": {"$in": synthetic_of(synthetic)}, **_under("_id", at_client)}
    # deltas are found by their users: no day is asked for, as a user's days have no bounds
    waiting: list[Stage] = [
        {"$match": {"usage.users.user": {"$eq": user}}},
        {"$project": {"_id": 0, "row": _rows_of_user(user, client, synthetic)}},
        {"$unwind": "$row"},
        {"$project": {"_id": {"day": "$row.day"}, "requests": "$row.requests", "cost": "$row.cost"}},
    ]
    return USERS, [{"$match": cells}, _figures(), with_deltas(waiting), *_in_and_out(month)]


def _rows_of_user(user: str, client: str | None, synthetic: Synthetic) -> Expression:
    """The rows of a delta in which the user is, with its own figures. Unwound they would take twice as long: there may
    be hundreds of deltas with tens of rows each.
    """
    wanted = [
        {"$in": ["$$this.synthetic", synthetic_of(synthetic)]},
        {"$in": [{"$literal": user}, {"$ifNull": ["$$this.users.user", []]}]},
        *([] if client is None else [{"$eq": ["$$this.client", {"$literal": client}]}]),
    ]
    own = {"$filter": {"input": "$$this.users", "as": "one", "cond": {"$eq": ["$$one.user", {"$literal": user}]}}}
    sums = {name: {"$sum": f"$$own.{name}"} for name in ("requests", "cost")}
    row = {"$let": {"vars": {"own": own}, "in": {"day": "$$this.day", **sums}}}
    return {"$map": {"input": {"$filter": {"input": "$usage", "cond": {"$and": wanted}}}, "in": row}}


def costs_of_client(month: TimeWindow, client: str | None, synthetic: Synthetic) -> Query:
    """The same of a client, or of all."""
    real = {"$in": synthetic_of(synthetic)}
    cells = {"_id.scope": {"$eq": client or EVERYONE}, "_id.synthetic": real}
    at_client = {} if client is None else {"client": {"$eq": client}}
    waiting: list[Stage] = [
        {"$match": dict(NOT_MERGED)},
        {"$project": {f"usage.{name}": 1 for name in ("day", "client", "synthetic", "requests", "cost")}},
        {"$unwind": "$usage"},
        {"$match": {"usage.synthetic": real, **_under("usage", at_client)}},
        {"$project": {"_id": {"day": "$usage.day"}, "requests": "$usage.requests", "cost": "$usage.cost"}},
    ]
    return DAYS, [{"$match": cells}, _figures(), with_deltas(waiting), *_in_and_out(month)]


def costs_in_ledger(month: TimeWindow, filters: Filters, synthetic: Synthetic) -> list[Stage]:
    """The same from the entries themselves: what the others must be equal to."""
    within = {"$and": [{"$gte": ["$createdAt", month.start]}, {"$lt": ["$createdAt", month.end]}]}
    return [{"$match": filters.conditions() | _real(synthetic)}, _summed(within, requests=1)]


def recent(filters: Filters, synthetic: Synthetic, most: int) -> list[Stage]:
    """The latest calls, newest first; sums of many calls are none."""
    condition = filters.conditions() | _real(synthetic) | {"aggregated": {"$exists": False}}
    return [{"$match": condition}, {"$sort": {"createdAt": -1, "_id": -1}}, {"$limit": most}]


def _figures() -> Stage:
    return {"$project": {"_id.day": 1, "requests": 1, "cost": 1}}


def _in_and_out(month: TimeWindow) -> list[Stage]:
    first, last, zone = month.first.isoformat(), month.last.isoformat(), month.zone.key
    within = {"$and": [{"$gte": ["$_id.day", first]}, {"$lte": ["$_id.day", last]}]}
    whole: list[Stage] = [{"$match": {"_id": "rollups", "timezone": zone, "complete": True}}, _called(WHOLE)]
    foreign: list[Stage] = [{"$match": {"timezone": {"$ne": zone}}}, {"$limit": 1}, _called(FOREIGN)]
    return [
        _summed(within, requests="$requests"),
        {"$unionWith": {"coll": STATE, "pipeline": whole}},
        with_deltas(foreign),
    ]


def _called(name: str) -> Stage:
    return {"$project": {"_id": {"$literal": name}}}


def _summed(within: Expression, *, requests: Expression) -> Stage:
    return {"$group": {"_id": within, "requests": {"$sum": requests}, "cost": {"$sum": "$cost"}}}


def _real(synthetic: Synthetic) -> dict[str, Any]:
    return {} if synthetic is Synthetic.INCLUDE else {"synthetic": synthetic is Synthetic.ONLY}


def _under(path: str, conditions: dict[str, Any]) -> dict[str, Any]:
    return {f"{path}.{name}": condition for name, condition in conditions.items()}
