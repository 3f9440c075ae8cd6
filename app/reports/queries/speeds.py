"""Pipelines over the cells of speeds, with the deltas that wait, and over single calls where there are few."""

from collections.abc import Iterable, Sequence

from app.reports.queries.rollup_rows import Query, cell_rows, delta_usage, with_deltas
from app.reports.queries.stages import Stage, local_day, match
from app.reports.query import ReportQuery
from models.rollups import DELTAS, NOT_TIMED, SPEEDS, USAGE
from models.speeds import SKETCHES

Pair = tuple[str, str]
"""A feature and a model, by which an index of the ledger finds calls."""


def by(query: ReportQuery, names: Sequence[str]) -> Query:
    """One row for each of `names`, which are of the key: a list of sketches of each kind."""
    filters = query.filters
    parts = {"provider": filters.provider, "model": filters.model, "feature": filters.feature}
    needed = {*names, *(name for name, value in parts.items() if value is not None)}
    of_feature, of_model = "feature" in needed, not needed.isdisjoint({"provider", "model", "serviceType"})
    # the coarsest cells that know what is requested
    of_model |= not of_feature
    kinds = {"_id.model": {"$type": "string"} if of_model else None}
    kinds |= {"_id.feature": {"$type": "string"} if of_feature else None}
    waiting = {"key": 1, **{name: f"$speeds.{name}" for name in SKETCHES}}
    return SPEEDS, [
        *cell_rows(query, parts),
        {"$match": kinds},
        with_deltas([*delta_usage(query), {"$match": {"speeds": {"$exists": True}}}, {"$project": waiting}]),
        {
            "$group": {
                "_id": {name: f"$key.{name}" for name in names},
                **{name: {"$push": f"${name}"} for name in SKETCHES},
            }
        },
    ]


def untimed() -> Query:
    """A row where deltas wait whose writers counted no speeds."""
    return DELTAS, [{"$match": NOT_TIMED}, {"$limit": 1}, {"$project": {"_id": 1}}]


def of_everyone(query: ReportQuery, models: Iterable[str]) -> Query:
    """`requests` of each feature and model, whatever the filters of the query are: here it is one without any."""
    rows = [*cell_rows(query, {}), {"$match": {"_id.model": {"$in": sorted(models)}}}]
    key = {"feature": "$key.feature", "model": "$key.model"}
    figures = {"key": 1, "requests": 1}
    return USAGE, [
        *rows,
        {"$project": figures},
        with_deltas([*delta_usage(query), {"$project": figures}]),
        {"$group": {"_id": key, "requests": {"$sum": "$requests"}}},
    ]


def times(query: ReportQuery, pairs: Iterable[Pair] | None = None) -> list[Stage]:
    """What each call took, with its day and part: of all that the query matches, or of these features and models."""
    selected = match(query.window, query.filters, query.synthetic)
    if pairs is not None:
        names = [{"feature": {"$eq": feature}, "aiModel": {"$eq": model}} for feature, model in pairs]
        # each with all conditions, so that each is looked up by itself
        selected = {"$match": {"$or": [{"$and": [selected["$match"], each]} for each in names]}}
    shown = ("success", "cached", "outputTokens", "reasoningTokens", "requestDuration", "timeToFirstToken")
    part = {"provider": 1, "model": "$aiModel", "serviceType": 1, "feature": 1}
    return [
        selected,
        {"$project": {"_id": 0, "day": local_day(query.window), **part, **dict.fromkeys(shown, 1)}},
    ]
