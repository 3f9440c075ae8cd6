"""Pipelines over the state of the rollups, and over what waits to be merged into them."""

from typing import Any

from app.reports.queries.rollup_rows import Query
from app.reports.queries.stages import Stage
from models.rollups import DELTAS, SET_ASIDE, STATE


def state() -> Query:
    """The state of the rollups, with the server's time as `now`."""
    return STATE, [{"$match": {"_id": "rollups"}}, {"$set": {"now": "$$NOW", "lastCommit": _past("$lastCommit")}}]


def waiting(timezone: str) -> Query:
    """Of deltas with unmerged figures: when the `oldest` and the `newest` were committed, and how many there are.

    `foreign` is how many deltas count their days in another zone than `timezone`, and `setAside` how many could not be
    read. Until these are set aside they have no moment and no zone.
    """
    pending = {"$not": [{"$or": ["$merged", "$setAside"]}]}
    at = _past("$at")
    in_other_zone = {"$and": [{"$eq": [{"$type": "$timezone"}, "string"]}, {"$ne": ["$timezone", timezone]}]}
    unreadable: list[Stage] = [{"$project": {"setAside": {"$literal": True}}}]
    group = {
        "_id": None,
        "oldest": {"$min": {"$cond": [pending, at, "$$REMOVE"]}},
        "newest": {"$max": at},
        "count": {"$sum": {"$toInt": pending}},
        "foreign": {"$sum": {"$toInt": in_other_zone}},
        "setAside": {"$sum": {"$cond": ["$setAside", 1, 0]}},
    }
    shown = {"$project": {"at": 1, "merged": 1, "timezone": 1}}
    return DELTAS, [shown, {"$unionWith": {"coll": SET_ASIDE, "pipeline": unreadable}}, {"$group": group}]


def _past(moment: str) -> dict[str, Any]:
    """A moment that is not after now; without it, where it is none."""
    return {"$cond": [{"$eq": [{"$type": moment}, "date"]}, {"$min": [moment, "$$NOW"]}, "$$REMOVE"]}
