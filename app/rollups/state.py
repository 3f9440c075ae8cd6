"""The state of the rollups: the zone in which their days are counted, and whether they hold the whole ledger."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Self
from zoneinfo import ZoneInfo

from pymongo import ReturnDocument

from app.database import Database, Session
from app.errors import ConfigurationError
from app.observability.logs import Log
from models.documents import Document
from models.rollups import CHANGED, MARKS, STATE

log = Log(__name__)

REBUILD = "python -m scripts.rebuild_rollups"
STATE_KEY = {"_id": "rollups"}


@dataclass(frozen=True)
class RollupState:
    """The stored state. Deltas are counted in its zone, whatever the settings of a process say."""

    zone: ZoneInfo
    complete: bool
    """Whether everything in the ledger is in the cells and deltas."""
    whole_from: date | None = None
    """Retention has deleted calls of earlier days: their cells hold more than the ledger, and are not recounted."""

    @classmethod
    async def open(cls, database: Database, zone: ZoneInfo) -> Self:
        """The state of `database`; a new one where it has none yet. Warns where reports will refuse to answer."""
        states = database.writes[STATE]
        if (stored := await states.find_one(STATE_KEY)) is None:
            fresh = {
                "timezone": zone.key,
                "complete": await _is_unused(database),
                "merges": 0,
                **dict.fromkeys(MARKS, 0),
                "late": 0,
                "epoch": 0,
                "today": datetime.now(zone).date().isoformat(),
                "trailing": [],
            }
            stored = await states.find_one_and_update(
                STATE_KEY, {"$setOnInsert": fresh}, upsert=True, return_document=ReturnDocument.AFTER
            )
        state = cls.of(stored)
        if state.zone.key != zone.key:
            log.error("rollups.other_zone", built_for=state.zone.key, configured=zone.key, way_out=REBUILD)
        elif not state.complete:
            log.error("rollups.incomplete", reason="the ledger is older than its rollups", way_out=REBUILD)
        return state

    @classmethod
    async def look(cls, database: Database, zone: ZoneInfo) -> Self:
        """What `open` would return, for readers that must not write: also where there is no state yet."""
        stored = await database.writes[STATE].find_one(STATE_KEY)
        return cls(zone, await _is_unused(database)) if stored is None else cls.of(stored)

    @classmethod
    async def in_zone(cls, database: Database, zone: ZoneInfo, *, execute: bool) -> Self:
        """The state for whoever counts in days; without `execute` nothing is written.

        Raises ConfigurationError where the days of the rollups are others.
        """
        state = await (cls.open if execute else cls.look)(database, zone)
        if state.zone.key != zone.key:
            raise ConfigurationError(
                f"the rollups count days in {state.zone.key}, but TWINMETER_TIMEZONE is {zone.key}: "
                f"set it back, or rebuild them with `{REBUILD}`"
            )
        return state

    @classmethod
    def of(cls, stored: Document) -> Self:
        """Raises ConfigurationError where it cannot be read."""
        try:
            whole_from = stored.get("wholeFrom")
            return cls(ZoneInfo(stored["timezone"]), stored["complete"], whole_from and date.fromisoformat(whole_from))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the document `rollups` of {STATE} is damaged ({error!r}): delete it, start, and run `{REBUILD}`"
            ) from error


async def _is_unused(database: Database) -> bool:
    return await database.ledger.find_one({}, {"_id": 1}) is None


async def stored_state(database: Database) -> Document:
    """The document, which is there from the first start on, with the server's time as `now`."""
    found = database.writes[STATE].aggregate([{"$match": STATE_KEY}, {"$set": {"now": "$$NOW"}}])
    (stored,) = await found.to_list(1)
    return stored


async def touch(database: Database, session: Session | None) -> None:
    """Make concurrent merges and recounts start again, and compactors forget what they know."""
    change = {"$inc": {**CHANGED, "epoch": 1, "late": 1}}
    await database.writes[STATE].update_one(STATE_KEY, change, session=session)
