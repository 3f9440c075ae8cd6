"""The start of pipelines over the rollups: cells of a window, and deltas not merged yet, in one shape.

Each row has a `key`, whose names are those of a cell, and figures.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from app.reports.queries.stages import Expression, Stage
from app.reports.query import Filters, Names, ReportQuery, Synthetic, Wanted, matching
from app.reports.windows import TimeWindow
from models.active_days import masks
from models.rollups import DAYS, DELTAS, EVERYONE, NOT_MERGED, PART, USAGE, escaped

Query = tuple[str, list[Stage]]
"""A collection and the pipeline to run on it."""


def usage_rows(query: ReportQuery, *, by_part: bool) -> Query:
    """Rows of usage: by day only, or by every part where that is requested or filtered by."""
    filters = query.filters
    parts = {"provider": filters.provider, "model": filters.model, "feature": filters.feature}
    detailed = by_part or filters.any_part()
    cells = cell_rows(query, parts if detailed else {})
    return USAGE if detailed else DAYS, [*cells, with_deltas(delta_usage(query))]


def cell_rows(query: ReportQuery, names: Mapping[str, Wanted]) -> list[Stage]:
    """A window's cells of a collection by scope, narrowed by `names`."""
    condition = {
        "_id.scope": {"$eq": query.filters.client_id or EVERYONE},
        "_id.synthetic": {"$in": synthetic_of(query.synthetic)},
        "_id.day": days_of(query.window),
    }
    return [{"$match": condition | equalities("_id", names)}, {"$set": {"key": "$_id"}}]


def client_rows(query: ReportQuery) -> list[Stage]:
    """A window's rows of usage by client, whose name is in the key: of one, or of each."""
    client = query.filters.client_id
    condition = {
        "_id.scope": {"$ne": EVERYONE} if client is None else {"$eq": client},
        "_id.synthetic": {"$in": synthetic_of(query.synthetic)},
        "_id.day": days_of(query.window),
    }
    figures = {"requests": 1, "cost": 1}
    key = {"client": "$_id.scope"} | {name: f"$_id.{name}" for name in PART}
    return [{"$match": condition}, {"$project": figures | {"key": key}}, with_deltas(delta_usage(query, ("client",)))]


def user_cells(query: ReportQuery, condition: dict[str, Any], figures: Iterable[str]) -> list[Stage]:
    """A window's cells of users, narrowed by `condition`: their `figures`, or all of the parts that filters match."""
    match: Stage = {"$match": in_subjects(query) | condition}
    if not query.filters.any_part():
        return [match, {"$project": {**dict.fromkeys(figures, 1), "key": "$_id"}}]
    return [
        match,
        {"$project": {"part": {"$objectToArray": "$parts"}}},
        {"$unwind": "$part"},
        {"$match": in_part("part.k", query.filters)},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$part.v", {"key": "$_id"}]}}},
    ]


def in_subjects(query: ReportQuery) -> dict[str, Any]:
    """The condition for cells of users or conversations."""
    window, synthetic = query.window, synthetic_of(query.synthetic)
    return {
        "_id.day": window.first.isoformat() if window.first == window.last else days_of(window),
        "_id.synthetic": synthetic[0] if len(synthetic) == 1 else {"$in": synthetic},
        **equalities("_id", {"client": query.filters.client_id}),
    }


def in_months(query: ReportQuery) -> dict[str, Any]:
    """The condition for users' months."""
    return {
        "_id.month": {"$in": sorted(masks(query.window.first, query.window.last))},
        "_id.synthetic": {"$in": synthetic_of(query.synthetic)},
        **equalities("_id", {"client": query.filters.client_id}),
    }


def active_in_months(window: TimeWindow, month: str, bits: str) -> list[dict[str, Any]]:
    """Alternatives, each matching a month with a day of the window among its bits."""
    return [{month: name, bits: {"$bitsAnySet": mask}} for name, mask in masks(window.first, window.last).items()]


def in_month(window: TimeWindow, month: str, bits: str) -> Expression:
    """Whether a month has a day of the window among its bits.

    MongoDB 6.0 has no bitwise operators in expressions: of the remainder by 2^d only the bits below d are left, and one
    from bit n on is set where that is at least 2^n.
    """
    spans = {name: (mask & -mask, 1 << mask.bit_length()) for name, mask in masks(window.first, window.last).items()}
    return {
        "$or": [
            {"$and": [{"$eq": [month, name]}, {"$gte": [{"$mod": [bits, behind]}, least]}]}
            for name, (least, behind) in spans.items()
        ]
    }


def on_day(window: TimeWindow, day: str) -> Expression:
    """Whether a day is one of the window."""
    return {"$and": [{"$gte": [day, window.first.isoformat()]}, {"$lte": [day, window.last.isoformat()]}]}


def delta_usage(query: ReportQuery, more: tuple[str, ...] = ()) -> list[Stage]:
    """Waiting usage, with `more` names in its key."""
    key = {name: f"$usage.{name}" for name in ("day", *PART, *more)}
    return [
        {"$match": {**NOT_MERGED, "days": {"$elemMatch": days_of(query.window)}}},
        {"$project": {"usage.users": 0, "usage.conversations": 0, "findings": 0}},
        {"$unwind": "$usage"},
        {"$match": delta_rows(query, "usage")},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$usage", {"key": key}]}}},
    ]


def delta_findings(query: ReportQuery, names: Mapping[str, Wanted]) -> list[Stage]:
    """Waiting findings."""
    key = {name: f"$findings.{name}" for name in ("kind", "provider", "model", "name")}
    condition = _delta_place(query, "findings") | equalities("findings", names)
    return [
        {"$match": {**NOT_MERGED, "days": {"$elemMatch": days_of(query.window)}}},
        {"$unwind": "$findings"},
        {"$match": condition},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$findings", {"key": key}]}}},
    ]


def delta_users(query: ReportQuery) -> list[Stage]:
    """Waiting users."""
    return delta_subjects(query, "users", "user")


def delta_subjects(query: ReportQuery, subjects: str, subject: str) -> list[Stage]:
    """Waiting users or conversations: `subjects` is their list, `subject` the name in the key."""
    row = f"$usage.{subjects}"
    key = {name: f"$usage.{name}" for name in ("day", "client", "synthetic", "part")}
    return [
        {"$match": {"days": {"$elemMatch": days_of(query.window)}}},
        {"$unwind": "$usage"},
        {"$match": delta_rows(query, "usage")},
        {"$unwind": row},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": [row, {"key": {**key, subject: f"{row}.{subject}"}}]}}},
    ]


def delta_rows(query: ReportQuery, path: str) -> dict[str, Any]:
    """The condition for rows of deltas, unwound at `path`."""
    filters = query.filters
    names = {"provider": filters.provider, "model": filters.model, "feature": filters.feature}
    return _delta_place(query, path) | equalities(path, names)


def _delta_place(query: ReportQuery, path: str) -> dict[str, Any]:
    return {
        f"{path}.day": days_of(query.window),
        f"{path}.synthetic": {"$in": synthetic_of(query.synthetic)},
        **equalities(path, {"client": query.filters.client_id}),
    }


def in_part(path: str, filters: Filters) -> dict[str, Any]:
    """Matches a part whose joined names are those of the filters."""
    names = [filters.provider, filters.model, None, filters.feature]
    if not filters.any_part():
        return {}
    return {
        "$expr": {
            "$and": [
                _is(name, {"$arrayElemAt": [{"$split": [f"${path}", "|"]}, position]})
                for position, name in enumerate(names)
                if name is not None
            ]
        }
    }


def _is(wanted: str | Names, name: Expression) -> Expression:
    """Whether a filter lets an escaped name through."""
    if isinstance(wanted, str):
        return {"$eq": [name, {"$literal": escaped(wanted)}]}
    among, without = ({"$literal": sorted(map(escaped, each))} for each in (wanted.among, wanted.without))
    unwanted = {"$not": {"$in": [name, without]}}
    return {"$and": [{"$in": [name, among]}, unwanted]} if wanted.among else unwanted


def with_deltas(pipeline: list[Stage]) -> Stage:
    """The current rows, and those that a pipeline makes from the deltas."""
    return {"$unionWith": {"coll": DELTAS, "pipeline": pipeline}}


def equalities(path: str, names: Mapping[str, Wanted]) -> dict[str, Any]:
    """The conditions for the `names` below a path."""
    return {f"{path}.{name}": matching(value) for name, value in names.items() if value is not None}


def synthetic_of(synthetic: Synthetic) -> list[bool]:
    return {Synthetic.EXCLUDE: [False], Synthetic.ONLY: [True], Synthetic.INCLUDE: [False, True]}[synthetic]


def days_of(window: TimeWindow) -> dict[str, str]:
    return {"$gte": window.first.isoformat(), "$lte": window.last.isoformat()}
