"""Deltas that cannot be read, as after an edit by hand: set aside, so that they hold up no other.

A delta is derived from the ledger, so nothing is lost with it: a recount of its days makes the cells exact again. Until
then they may lack its calls, which `/ready`, the doctor and reports' freshness say. Of its content nothing is kept.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

from app.database import Database, Session
from app.database.damaged import Damaged, find_damaged
from app.observability.logs import Log
from models.documents import Document
from models.rollups import DELTAS, SET_ASIDE

log = Log(__name__)

RECONCILE = "python -m scripts.reconcile --execute"
WAY_OUT = f"{RECONCILE} recounts what they held, and forgets them"
MOST_AT_ONCE = 100


async def set_aside(database: Database, which: Document, session: Session | None) -> list[Damaged]:
    """Set the damaged ones of some deltas aside, and return them: so many at once. Raises PyMongoError."""
    found = await find_damaged(database.writes, DELTAS, which, most=MOST_AT_ONCE, session=session)
    for delta in found:
        held = await database.writes[DELTAS].find_one({"_id": delta.id}, {"days": 1}, session=session) or {}
        about = {"fields": delta.fields, "days": _days(held.get("days"))}
        # the id of something inserted by hand may be anything
        await database.writes[SET_ASIDE].update_one(
            {"_id": delta.id}, {"$set": about, "$currentDate": {"at": True}}, upsert=True, session=session
        )
        await database.writes[DELTAS].delete_one({"_id": delta.id}, session=session)
    return found


def say(found: Iterable[Damaged]) -> None:
    """One line in the log for each."""
    for delta in found:
        log.error("rollups.delta_set_aside", delta=str(delta), way_out=WAY_OUT)


def within(first: date | None, last: date | None) -> Document:
    """Those whose days are all from `first` to `last`; None is without end. Of one without days, only all days are."""
    outside: list[Document] = []
    if first is not None:
        outside.append({"days": {"$elemMatch": {"$lt": first.isoformat()}}})
    if last is not None:
        outside.append({"days": {"$elemMatch": {"$gt": last.isoformat()}}})
    return {"$nor": [*outside, {"days": []}]} if outside else {}


async def forget(database: Database, first: date | None, last: date | None) -> None:
    """Forget those within days that have been recounted. Raises PyMongoError."""
    await database.writes[SET_ASIDE].delete_many(within(first, last))


def _days(stored: Any) -> list[str]:
    """The days that can be read."""
    found = []
    for day in stored if isinstance(stored, list) else ():
        try:
            found.append(date.fromisoformat(day).isoformat())
        except (TypeError, ValueError):
            return []
    return found
