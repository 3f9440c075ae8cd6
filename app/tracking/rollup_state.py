"""What the rollups are of: the zone in which their days are counted, and whether they hold the whole ledger."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo

from pymongo import ReturnDocument

from app.database import Database
from app.logs import Log
from app.tracking.twins import Document
from models.rollups import SCHEMA_VERSION, STATE

log = Log(__name__)

REBUILD = "python -m scripts.rebuild_rollups"
STATE_KEY = {"_id": "rollups"}


@dataclass(frozen=True)
class RollupState:
    """The stored state. Deltas are counted in its zone, whatever the settings of a process say."""

    zone: ZoneInfo
    complete: bool
    """Whether everything in the ledger is in the cells and deltas."""

    @classmethod
    async def open(cls, database: Database, zone: ZoneInfo) -> Self:
        """The state of `database`; a new one where it has none yet. Warns where reports will refuse to answer."""
        states = database.writes[STATE]
        if (stored := await states.find_one(STATE_KEY)) is None:
            used = await database.ledger.find_one({}, {"_id": 1}) is not None
            fresh = {
                "schemaVersion": SCHEMA_VERSION,
                "timezone": zone.key,
                "complete": not used,
                "merges": 0,
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
    def of(cls, stored: Document) -> Self:
        return cls(ZoneInfo(stored["timezone"]), stored["complete"])


async def stored_state(database: Database) -> Document:
    """The document, which is there from the first start on."""
    stored = await database.writes[STATE].find_one(STATE_KEY)
    assert stored is not None  # noqa: S101 - see RollupState.open
    return stored
