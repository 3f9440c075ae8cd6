"""Compares ledger, events and rollups of one day in one snapshot: concurrent writes are in all of them or in none.

Cells and waiting deltas are compared with a recount of the ledger, figure by figure. The counts of a month's active
users are compared with the bits that they count.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.database import Database, Session
from app.database.damaged import find_damaged
from app.errors import AppError
from app.ledger.invariants import entry_faults, event_faults, missing_in
from app.maintenance.reconcile.figures import Cell, Figures, active_in, cell_of
from app.rollups.cell_updates import KEYS
from app.rollups.deltas import Increments
from app.rollups.filled_days import DAY
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import KnownNames
from app.rollups.state import STATE_KEY
from models import AI_GENERATION
from models.active_days import bit_of
from models.documents import Document
from models.rollups import (
    ACTIVE_USERS,
    CAMPAIGNS,
    CONVERSATIONS,
    DAYS,
    DELTAS,
    EVERYONE,
    SPEEDS,
    STATE,
    USER_MONTHS,
    USERS,
    VARIANTS,
    in_other_zone,
)
from models.stored_shapes import SHAPES

BATCH = 1_000

LONE_ENTRY = "event missing"
LONE_EVENT = "entry missing"
OTHER_EVENT = "event differs"
ENTRY = "entry"
CELL = "cell"
DELTA = "delta"


class DisturbedZoneError(AppError):
    """Calls of two time zones are mixed for the moment, so days cannot be determined."""


class Difference(NamedTuple):
    """Something that should not be."""

    kind: str
    day: str
    id: Any
    """Of the call, or of the cell."""
    said: str


class DayFindings(NamedTuple):
    """What was found on one day."""

    differences: list[Difference]
    entries: int
    cells: int
    counted: int
    """Calls according to the cells and deltas."""


def said_of_lone(event: Document) -> str:
    """The description of an event without an entry."""
    found = event.get("properties")
    of = found if isinstance(found, dict) else {}
    return (
        f"of {event.get('userId')}, {of.get('model')}, cost {of.get('cost')}: "
        "what it used is not known here; report it again with backfill_usage"
    )


class DayCheck:
    """The check of one day after another."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone

    async def day(self, day: date, *, first: bool) -> DayFindings:
        """All differences of a day; on the `first` of its month, those of its month too.

        Raises PyMongoError, and DisturbedZoneError.
        """
        async with self._database.snapshot() as session:
            return await _Snapshot(self._database, self._zone, day, session).found(first=first)


class _Snapshot:
    """One day in one session."""

    def __init__(self, database: Database, zone: ZoneInfo, day: date, session: Session | None) -> None:
        self._database = database
        self._session = session
        self._zone = zone
        self._day = day.isoformat()
        start, end = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + DAY))
        self._moments = {"createdAt": {"$gte": start, "$lt": end}}
        self._increments = Increments(LocalTime(zone), KnownNames(database))
        self._differences: list[Difference] = []
        self._entries = 0
        self._countable = True

    async def found(self, *, first: bool) -> DayFindings:
        await self._check_entries()
        await self._check_events()
        state = await self._database.writes[STATE].find_one(STATE_KEY, session=self._session) or {}
        counted = cells = 0
        # of days whose calls retention has deleted, only the cells know
        whole_from = state.get("wholeFrom", "")
        if self._countable and self._day >= whole_from:
            counted, cells = await self._check_cells(state, with_month=first or self._day == whole_from)
        return DayFindings(self._differences, self._entries, cells, counted)

    def _differs(self, kind: str, of: Any, said: str) -> None:
        self._differences.append(Difference(kind, self._day, of, said))

    async def _check_entries(self) -> None:
        async for entries in self._batches(self._database.ledger, self._moments):
            ids = [entry["_id"] for entry in entries]
            found = self._database.events.find({"_id": {"$in": ids}}, session=self._session)
            events = {event["_id"]: event async for event in found}
            self._entries += len(entries)
            for entry in entries:
                self._check_entry(entry, events.get(entry["_id"]))

    def _check_entry(self, entry: Document, event: Document | None) -> None:
        if faults := missing_in(entry):
            self._countable = False
            self._differs(ENTRY, entry["_id"], f"cannot be counted, nor can its day: {'; '.join(faults)}")
            return
        self._increments.add(entry)
        if faults := entry_faults(entry):
            self._differs(ENTRY, entry["_id"], "; ".join(faults))
        if event is None:
            self._differs(LONE_ENTRY, entry["_id"], f"of {entry['userId']}, {entry['aiModel']}, cost {entry['cost']}")
        elif faults := event_faults(entry, event):
            self._differs(OTHER_EVENT, entry["_id"], "; ".join(faults))

    async def _check_events(self) -> None:
        """The twins in the other direction."""
        async for events in self._batches(self._database.events, {"event": AI_GENERATION, **self._moments}):
            ids = [event["_id"] for event in events]
            found = self._database.ledger.find({"_id": {"$in": ids}}, {"_id": 1}, session=self._session)
            known = {entry["_id"] async for entry in found}
            for event in events:
                if event["_id"] not in known:
                    self._differs(LONE_EVENT, event["_id"], said_of_lone(event))

    async def _check_cells(self, state: Document, *, with_month: bool) -> tuple[int, int]:
        """Returns how many calls the rollups count, and how many cells there are."""
        deltas = await self._deltas()
        await asyncio.to_thread(self._increments.admit_names)
        rows = self._increments.rows()
        wanted, stored = Figures(), await self._stored()
        wanted.add_rows(rows, self._day)
        wanted.add_subjects(rows, self._day)
        for delta in deltas:
            if "merged" not in delta:
                stored.add_rows(delta, self._day)
            stored.add_subjects(delta, self._day)
        months = await self._months()
        waiting = [each for each in deltas if "merged" not in each]
        counts = await self._active_counts(months, rows, waiting, with_month=with_month)
        self._add_bits(wanted, rows)
        for cell, parts in months.items():
            stored.add(cell[0], dict(cell[1]), dict.fromkeys(parts, 1))
        for delta in waiting:
            self._add_bits(stored, delta)
        for mark, collections in (("tagged", (CAMPAIGNS, VARIANTS)), ("timed", (SPEEDS,))):
            if not (state and state.get(mark) == state["merges"] and all(mark in delta for delta in deltas)):
                for each in (wanted, stored):  # a server fills them, after an upgrade, and until then nobody reads them
                    each.forget(*collections)
        for one, other in ((stored, wanted), counts):
            for (collection, key), figures in one.differences(other):
                said = ", ".join(f"{path} {is_}, not {should}" for path, (is_, should) in figures.items())
                self._differs(CELL, f"{collection} {dict(key)}", said)
        of_day = {"day": self._day, "scope": EVERYONE}
        counted = sum(
            int(stored.cells.get(cell_of(DAYS, {**of_day, "synthetic": synthetic}), {}).get("requests", 0))
            for synthetic in (False, True)
        )
        return counted, len(stored.cells)

    def _add_bits(self, figures: Figures, rows: Document) -> None:
        for cell, part in set(active_in(rows, self._day)):
            self._activate(figures, cell, part)

    @staticmethod
    def _activate(figures: Figures, cell: Cell, part: str) -> None:
        bits = figures.cells.setdefault(cell, {})
        bits["days"] = bits[f"parts.{part}"] = 1

    async def _deltas(self) -> list[Document]:
        deltas = self._database.writes[DELTAS]
        if await deltas.find_one(in_other_zone(self._zone.key), {"_id": 1}, session=self._session):
            raise DisturbedZoneError("calls counted in another time zone are being sorted into days; try again shortly")
        of_day = {"days": self._day}
        for delta in await find_damaged(self._database.writes, DELTAS, of_day, session=self._session):
            self._differs(DELTA, delta.id, f"cannot be read: {', '.join(delta.fields)}; a running server sets it aside")
        readable = {**of_day, "$jsonSchema": SHAPES[DELTAS]}
        return await deltas.find(readable, session=self._session).to_list(None)

    async def _stored(self) -> Figures:
        figures = Figures()
        for collection in (*KEYS, USERS, CONVERSATIONS, VARIANTS):
            found = self._database.writes[collection].find({"_id.day": self._day}, session=self._session)
            async for cell in found:
                figures.add_stored(collection, cell)
        return figures

    async def _months(self) -> dict[Cell, list[str]]:
        """By month of a user: `days` and `parts.…` where the day's bit is set."""
        bit = bit_of(self._day)

        def is_set(value: str) -> dict[str, Any]:
            return {"$eq": [{"$mod": [{"$floor": {"$divide": [value, bit]}}, 2]}, 1]}

        parts = {"$filter": {"input": {"$objectToArray": "$parts"}, "cond": is_set("$$this.v")}}
        pipeline: list[dict[str, Any]] = [
            {"$match": {"_id.month": self._day[:7]}},
            {"$project": {"day": is_set("$days"), "parts": {"$map": {"input": parts, "in": "$$this.k"}}}},
            {"$match": {"$or": [{"day": True}, {"parts": {"$nin": [None, []]}}]}},
        ]
        found = self._database.writes[USER_MONTHS].aggregate(pipeline, session=self._session)
        return {
            cell_of(USER_MONTHS, month["_id"]): [
                *(["days"] if month["day"] else []),
                *(f"parts.{part}" for part in month["parts"] or ()),
            ]
            async for month in found
        }

    async def _active_counts(
        self, months: dict[Cell, list[str]], rows: Document, waiting: list[Document], *, with_month: bool
    ) -> tuple[Figures, Figures]:
        """How many users were active: on the day, as stored and by the ledger; in its month, by the bits."""
        stored, wanted = Figures(), Figures()
        marked = {cell for cell, bits in months.items() if "days" in bits}
        coming = {cell for delta in waiting for cell, _ in active_in(delta, self._day)}
        _add_users(wanted, self._day, {cell for cell, _ in active_in(rows, self._day)})
        # a merge counts those that are not marked yet
        _add_users(stored, self._day, marked | coming)
        _add_users(stored, self._day, marked, -1)
        periods = [self._day]
        if with_month:
            month = {"_id.month": self._day[:7]}
            found = self._database.writes[USER_MONTHS].find(month, {"_id": 1}, session=self._session)
            _add_users(wanted, self._day[:7], {cell_of(USER_MONTHS, cell["_id"]) async for cell in found})
            periods.append(self._day[:7])
        of_periods = {"_id.period": {"$in": periods}}
        async for cell in self._database.writes[ACTIVE_USERS].find(of_periods, session=self._session):
            stored.add_stored(ACTIVE_USERS, cell)
        return stored, wanted

    async def _batches(self, collection: Any, condition: Document) -> AsyncIterator[list[Document]]:
        found = collection.find(condition, session=self._session)
        while batch := await found.to_list(BATCH):
            yield batch


def _add_users(figures: Figures, period: str, months: set[Cell], sign: int = 1) -> None:
    """Count the users of these months; one of two clients is one user of everyone."""
    keys = [dict(key) for _, key in months]
    people = {(scope, key["synthetic"], key["user"]) for key in keys for scope in (key["client"], EVERYONE)}
    for (scope, synthetic), users in Counter(person[:2] for person in people).items():
        figures.add(ACTIVE_USERS, {"period": period, "scope": scope, "synthetic": synthetic}, {"users": sign * users})
