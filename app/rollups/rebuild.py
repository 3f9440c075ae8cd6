"""Rebuilds the rollups from the ledger, day by day: after damage, for an older ledger, or in another time zone."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.database import Database
from app.errors import ConfigurationError
from app.rollups.compactor import Compactor
from app.rollups.filled_days import DAY, FilledDays
from app.rollups.merging import merging
from app.rollups.recount import LedgerNotWholeError, Recount
from app.rollups.set_aside import forget
from app.rollups.state import STATE_KEY, RollupState
from models.rollups import CHANGED, DELTAS, NAMES, ROLLUPS, SET_ASIDE, STATE, in_other_zone

PROGRESS_KEY = {"_id": "rebuild"}


class Rebuild:
    """One rebuild of `first` to `last`; of the whole ledger when they are None."""

    def __init__(self, database: Database, zone: ZoneInfo, first: date | None, last: date | None) -> None:
        self._database = database
        self._states = database.writes[STATE]
        self._zone = zone
        self._whole = first is None and last is None
        self._first = first
        self._last = last
        self._resumed_at: date | None = None
        """Where an interrupted one goes on."""

    async def prepare(self) -> list[date]:
        """The days to be recounted. An interrupted rebuild resumes.

        Raises ConfigurationError where the rollups are of another zone, and only a part was requested, and
        LedgerNotWholeError where retention has deleted calls that this would count.
        """
        state = await RollupState.open(self._database, self._zone)
        if state.zone.key != self._zone.key:
            if not self._whole:
                raise ConfigurationError(
                    f"the rollups count days in {state.zone.key}, but TWINMETER_TIMEZONE is {self._zone.key}: "
                    "rebuild the whole ledger (leave out --from and --to), or set it back"
                )
            if state.whole_from is not None:  # the cells of earlier days would be lost
                raise LedgerNotWholeError(state.whole_from)
            await self._switch_zone()
        return await self._days(state.whole_from)

    async def run(self, days: list[date], advance: Callable[[int], None]) -> int:
        """Recount and merge each day, reporting to `advance`. Returns the number of calls. Raises PyMongoError."""
        recount, total = Recount(self._database, self._zone), 0
        async with merging(self._database) as compactor:
            await compactor.merge_all()  # whatever cannot be read is set aside first
            for day in days:
                total += await recount.days(day, day)
                await compactor.merge_all()
                await self._states.update_one(PROGRESS_KEY, {"$set": {"next": (day + DAY).isoformat()}})
                advance(1)
            await self._recount_foreign(recount, compactor)
        if self._whole:
            await self._states.update_one(STATE_KEY, {"$set": {"complete": True}})
        # not those of days before: what was set aside since the interruption has not been counted again
        await forget(self._database, self._resumed_at or self._first, self._last)
        await self._states.delete_one(PROGRESS_KEY)
        return total

    async def _switch_zone(self) -> None:
        """From here on reports are unavailable until the rebuild is complete, and running processes follow the zone."""
        today = datetime.now(self._zone).date().isoformat()
        change = {"timezone": self._zone.key, "complete": False, "today": today, "trailing": []}
        await self._states.update_one(STATE_KEY, {"$set": change, "$inc": {**CHANGED, "epoch": 1, "late": 1}})
        await self._states.delete_one(PROGRESS_KEY)
        for collection in set(ROLLUPS) - {STATE, DELTAS, NAMES, SET_ASIDE}:
            await self._database.writes[collection].delete_many({})

    async def _days(self, whole_from: date | None) -> list[date]:
        # not before the ledger's first day: retention may have deleted entries, whose cells stay
        days = FilledDays(self._database, self._zone)
        begin = self._first or await days.first_call()
        filled = [] if begin is None else await days.between(begin, self._last)
        if not filled:
            return []
        first, last = self._first or filled[0], self._last or filled[-1]
        if whole_from is not None and first < whole_from:
            if self._first is not None:
                raise LedgerNotWholeError(whole_from)
            first = whole_from
        # a resumed full rebuild is the same one, although the ledger has grown
        wanted = {"whole": self._whole, "timezone": self._zone.key}
        wanted |= {} if self._whole else {"first": first.isoformat(), "last": last.isoformat()}
        interrupted = await self._states.find_one({**PROGRESS_KEY, **wanted})
        if interrupted is None:
            await self._states.replace_one(PROGRESS_KEY, {**wanted, "next": first.isoformat()}, upsert=True)
        self._resumed_at = None if interrupted is None else max(first, date.fromisoformat(interrupted["next"]))
        start = self._resumed_at or first
        return [day for day in filled if day >= start]

    async def _recount_foreign(self, recount: Recount, compactor: Compactor) -> None:
        """Deltas that processes wrote before they followed the zone: the days around theirs are recounted."""
        foreign = in_other_zone(self._zone.key)
        while (delta := await self._database.writes[DELTAS].find_one(foreign, {"days": 1})) is not None:
            day = date.fromisoformat(delta["days"][0])  # one by one: years may lie between two
            await recount.days(day - DAY, day + DAY)
            await compactor.merge_all()
