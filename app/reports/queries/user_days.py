"""Pipelines over the days of busy users: see `models.user_days`."""

from app.reports.queries.rollup_rows import Query
from models.rollups import CORRECTS, DELTAS, USER_DAYS


def kept(user: str, days: list[str], build: int) -> Query:
    """What is kept of a user's `days`."""
    ids = [{"build": build, "day": day, "user": user} for day in days]
    return USER_DAYS, [{"$match": {"_id": {"$in": ids}}}]


def changing(user: str, days: list[str], timezone: str) -> Query:
    """Those of the `days` of which calls of the user wait in deltas; null for deltas that count days otherwise."""
    ours = {"$eq": ["$timezone", timezone]}
    of_user = {"usage": {"$elemMatch": {"day": {"$in": days}, "users.user": {"$eq": user}}}}
    foreign = {"timezone": {"$ne": timezone}}
    return DELTAS, [
        {"$match": {"$or": [foreign, {"days": {"$in": days}, "$or": [of_user, CORRECTS]}]}},
        {"$project": {"timezone": 1, "days": 1}},
        {"$unwind": {"path": "$days", "preserveNullAndEmptyArrays": True}},
        {"$group": {"_id": {"$cond": [ours, "$days", None]}}},
    ]
