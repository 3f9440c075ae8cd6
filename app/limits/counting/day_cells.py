"""Sums of whole days from the rollups' day cells, in place of the calls of these days: in milliseconds, of all too.

Cells, and the deltas that wait to be merged into them, change in the ledger's transactions: in one snapshot they say
what the ledger says. They are of one zone; what of a period is no whole day there is left to the ledger.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from app.limits.meters import Subject
from app.limits.periods import first_moment
from models.documents import Document
from models.limits import LimitFilter, Period, Unit
from models.rollups import DAYS, DELTAS, EVERYONE, NOT_MERGED, SET_ASIDE, STATE, USERS

OF_USERS = frozenset({Unit.REQUESTS, Unit.TOKENS, Unit.USD, Unit.CONCURRENT})
"""What cells of users sum. Of calls at a time nothing is ever used."""
_BROAD = frozenset({"client", "everyone"})
_NAMES = {Unit.REQUESTS: "requests", Unit.TOKENS: "tokensUsed", Unit.USD: "cost", Unit.IMAGES: "images"}

READINESS: tuple[str, list[Document]] = (
    STATE,
    [
        {"$match": {"_id": "rollups", "complete": True}},
        {"$project": {"_id": "$timezone", "complete": 1}},
        {"$unionWith": {"coll": DELTAS, "pipeline": [{"$group": {"_id": "$timezone"}}]}},
        {"$unionWith": {"coll": SET_ASIDE, "pipeline": [{"$limit": 1}, {"$project": {"_id": None}}]}},
    ],
)
"""A collection and a pipeline whose rows `zone_of` reads."""


def zone_of(rows: Iterable[Document]) -> ZoneInfo | None:
    """The zone of all cells and deltas; None where they do not have every call on its day."""
    found = list(rows)
    complete, names = any(row.get("complete") for row in found), {row["_id"] for row in found}
    return ZoneInfo(names.pop()) if complete and len(names) == 1 else None


def answer(subject: Subject, filter_: LimitFilter, unit: Unit) -> bool:
    """Whether cells sum what such a counter counts."""
    return not filter_.text and (subject.kind in _BROAD or (subject.kind == "user" and unit in OF_USERS))


class Stretch(NamedTuple):
    """The days of a period that are whole, and the times before and after them."""

    first: str
    until: str
    """The day after the last one."""
    rest: tuple[tuple[datetime, datetime], ...]

    @classmethod
    def of(cls, period: Period, zone: ZoneInfo) -> Self | None:
        """None where no day is whole."""
        start, end = period
        first, until = start.astimezone(zone).date(), end.astimezone(zone).date()
        if first_moment(first, zone) < start:
            first += timedelta(days=1)
        if first >= until:
            return None
        edges = ((start, first_moment(first, zone)), (first_moment(until, zone), end))
        return cls(first.isoformat(), until.isoformat(), tuple(edge for edge in edges if edge[0] < edge[1]))


def pipeline(subject: Subject, users: list[str], stretch: Stretch) -> tuple[str, list[Document]]:
    """The collection and the stages: rows by user, or one, with what is used in each unit; several rows of a user."""
    days = {"$gte": stretch.first, "$lt": stretch.until}
    waiting: list[Document]
    if subject.kind == "user":
        of_client = {} if subject.client is None else {"client": {"$eq": subject.client}}
        named = {"$in": users}
        cells = {"_id.user": named, "_id.day": days, "_id.synthetic": False, **_under("_id", of_client)}
        waiting = [
            {"$match": {"usage.users.user": named, "days": {"$elemMatch": days}}},
            {"$project": {f"usage.{name}": 1 for name in ("day", "client", "synthetic", "users")}},
            {"$unwind": "$usage"},
            {"$match": {"usage.day": days, "usage.synthetic": False, **_under("usage", of_client)}},
            {"$unwind": "$usage.users"},
            {"$match": {"usage.users.user": named}},
            _figures("$usage.users.user", "$usage.users."),
        ]
        return USERS, [{"$match": cells}, _figures("$_id.user", "$"), *_with(waiting)]
    of_client = {"client": {"$eq": subject.name}} if subject.kind == "client" else {}
    scope = subject.name if subject.kind == "client" else EVERYONE
    cells = {"_id.scope": {"$eq": scope}, "_id.synthetic": False, "_id.day": days}
    waiting = [
        {"$match": {**NOT_MERGED, "days": {"$elemMatch": days}}},
        {"$project": {"usage.users": 0, "usage.conversations": 0, "findings": 0}},
        {"$unwind": "$usage"},
        {"$match": {"usage.day": days, "usage.synthetic": False, **_under("usage", of_client)}},
        _figures(None, "$usage."),
    ]
    return DAYS, [{"$match": cells}, _figures(None, "$"), *_with(waiting)]


def _figures(key: str | None, path: str) -> Document:
    """What is used in each unit, as the sums of the ledger name it."""
    named = {unit.value: path + name for unit, name in _NAMES.items()}
    parts = [{"$ifNull": [f"{path}{kind}Seconds", 0]} for kind in ("video", "audio")]
    return {"$project": {"_id": {"$literal": None} if key is None else key, **named, "seconds": {"$add": parts}}}


def _with(waiting: list[Document]) -> list[Document]:
    return [{"$unionWith": {"coll": DELTAS, "pipeline": waiting}}]


def _under(path: str, conditions: Document) -> Document:
    return {f"{path}.{name}": condition for name, condition in conditions.items()}
