"""Keeps what is known of the users of experiments up to date: only what has changed is read again.

Cells say which merge changed them last, so that who has seen all up to one asks for what is above it. What waits for
its merge is read each time, and once more thereafter. Events only ever come: another one changes how many there are in
its day, and the sum of their moments. What changes cells or events otherwise raises the `epoch` of the rollups, or what
retention has deleted: then everything is read anew.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from app.finance.experiments.history import costs_before, costs_of, days_before
from app.finance.experiments.known import Conversion, KnownUsers, Shown
from app.finance.experiments.sights import Sights, milliseconds
from app.reports.queries.rollup_rows import Query
from app.reports.query import Synthetic
from app.reports.reader import Documents, Reader, in_time
from models.documents import Document
from models.rollups import CAPS, CORRECTS, DELTAS, ERASURES, NAMES, NOT_TAGGED, is_tagged

ROWS_AT_ONCE = 1_000
"""So many are handled in a thread, and let go of, in one go: more would hold up the loop."""
USERS_AT_ONCE = 5_000
MOST_CHANGED = 20_000
"""Users who are read one by one; of more, all are."""
MOST_USERS = 500_000
"""Of all experiments that are kept: each user has about 500 bytes."""

Signature = dict[datetime, tuple[int, int]]
"""By chunk of time: how many events, and the sum of their moments."""
Row = TypeVar("Row", Shown, Conversion)


@dataclass
class Kept:
    """One experiment, and as of when."""

    users: KnownUsers
    moment: tuple[Any, ...] = ()
    """Other than this, and nothing of it holds."""
    merges: int = 0
    waiting: set[tuple[str, str]] = field(default_factory=set)
    """Who had calls that waited: clients and users."""
    before: tuple[Any, ...] = ()
    counts: dict[bool, tuple[Documents, Documents]] = field(default_factory=dict)
    """Of conversions, and of others: how many, and the oldest. Events come, or the oldest go."""
    signatures: dict[bool, Signature] = field(default_factory=dict)
    """Likewise."""
    analysis: tuple[Any, ...] = ()
    """What the analysis was asked, by the caller's measure, and what it said."""


class Memory:
    """Of one process. Of one experiment, with or without demo data, one at a time may ask."""

    def __init__(self) -> None:
        self._kept: dict[Any, Kept] = {}

    @asynccontextmanager
    async def up_to_date(
        self, read: Reader, state: Document, sights: Sights, synthetic: Synthetic
    ) -> AsyncIterator[Kept]:
        """What is known of an experiment, as the session sees it; `state` is that of the rollups."""
        experiment = sights.experiment
        key = experiment.id, synthetic
        kept = self._kept.pop(key, None)
        with in_time():
            whole = await _cells_are_whole(read, state, sights)
            # an erasure renames users in pages
            keeps = whole and read.is_of_one_moment and not await read.find(ERASURES, {}, {"_id": 1})
        of_rollups = state["epoch"], state.get("filled", 0), state.get("wholeFrom", "")
        moment = *of_rollups, experiment.revision, sights.window
        if kept is None or kept.moment != moment or not keeps:
            kept = Kept(KnownUsers([variant.name for variant in sights.experiment.variants]), moment)
        update = _Update(read, state, sights, kept)
        await (update.calls() if whole else update.calls_of_ledger())
        for conversions in (True, False):
            await update.events(conversions=conversions)
        await update.costs(synthetic)
        await update.first_calls()
        yield kept
        # only now: what has failed midway is forgotten
        if keeps:
            self._keep(key, kept)

    def _keep(self, key: Any, kept: Kept) -> None:
        self._kept[key] = kept
        while sum(len(each.users) for each in self._kept.values()) > MOST_USERS and len(self._kept) > 1:
            self._kept.pop(next(iter(self._kept)))


class _Update:
    """Of what is kept of one experiment, in one session."""

    def __init__(self, read: Reader, state: Document, sights: Sights, kept: Kept) -> None:
        self._read = read
        self._state = state
        self._sights = sights
        self._kept = kept
        self._users = kept.users

    async def calls(self) -> None:
        """Read the cells of those whose calls have changed; at first, of all."""
        waiting = {_who(row) for row in await self._rows(self._sights.waiting())}
        if not self._kept.merges:
            await self._all_calls()
        else:
            changed = await self._rows(self._sights.changed(self._kept.merges, MOST_CHANGED + 1))
            anew = {_who(row) for row in changed} | waiting | self._kept.waiting
            if len(anew) > MOST_CHANGED:
                await self._all_calls()
            else:
                await self._calls_of(anew)
        self._kept.merges, self._kept.waiting = self._state["merges"], waiting

    async def calls_of_ledger(self) -> None:
        """The same where cells may lack calls; of days whose calls retention has deleted, only the cells know."""
        whole_from = self._state.get("wholeFrom", "")
        if whole_from:
            await self._stream(self._sights.cells(by_day=True, until=whole_from), self._take)
        await self._stream(self._sights.ledger(whole_from), self._take)

    async def events(self, *, conversions: bool) -> None:
        """Read the days of which something has come."""
        if conversions and self._sights.experiment.conversion_event is None:
            return
        count = await self._rows(self._sights.count_of_events(conversions=conversions))
        oldest = await self._rows(self._sights.oldest_event(conversions=conversions))
        if (count, oldest) == self._kept.counts.get(conversions):
            return
        rows = await self._rows(self._sights.events_by_chunk(conversions=conversions))
        now: Signature = {row["_id"]: (row["events"], row["moments"]) for row in rows}
        known = self._kept.signatures.get(conversions, {})
        chunks = {chunk for chunk in now.keys() | known.keys() if now.get(chunk) != known.get(chunk)}
        if chunks:
            query = self._sights.events(chunks, conversions=conversions)
            if conversions:
                await self._chunks(query, chunks, self._sights.converted, self._users.conversions)
            else:
                await self._chunks(query, chunks, self._sights.shown, self._users.shows)
        self._kept.signatures[conversions], self._kept.counts[conversions] = now, (count, oldest)

    async def costs(self, synthetic: Synthetic) -> None:
        """Read what users cost before, where days before have changed."""
        experiment = self._sights.experiment
        waits = {"days": {"$elemMatch": days_before(experiment)}}
        waiting = await self._rows((DELTAS, [{"$match": waits}, {"$limit": 1}, {"$project": {"_id": 1}}]))
        moment = () if waiting else (self._state["late"], self._state["epoch"], experiment.begins)
        if moment and moment == self._kept.before:
            return
        costs: dict[str, int] = {}
        await self._stream(costs_before(experiment, synthetic), lambda rows: costs.update(costs_of(rows)))
        await asyncio.to_thread(self._users.costs_before, costs)
        self._kept.before = moment

    async def first_calls(self) -> None:
        """Ask the ledger for the moments that decide about conversions."""
        asked = await asyncio.to_thread(self._users.to_ask)
        firsts: dict[str, int] = {}
        names = sorted({user.partition("\0")[2] for user in asked})
        for place in range(0, len(names), USERS_AT_ONCE):
            rows = await self._rows(self._sights.first_calls(names[place : place + USERS_AT_ONCE]))
            for row in rows:
                user = "\0".join(_who(row))
                if asked.get(user) == self._sights.day(row["first"]):
                    firsts[user] = milliseconds(row["first"])
        self._users.answered(asked, firsts)

    async def _all_calls(self) -> None:
        self._kept.users = self._users = KnownUsers([variant.name for variant in self._sights.experiment.variants])
        self._kept.counts, self._kept.signatures, self._kept.before = {}, {}, ()
        corrects: Query = DELTAS, [{"$match": CORRECTS}, {"$limit": 1}, {"$project": {"_id": 1}}]
        by_day = bool(await self._rows(corrects))
        await self._stream(self._sights.cells(by_day=by_day), self._take)

    async def _calls_of(self, users: set[tuple[str, str]]) -> None:
        keys = {"\0".join(who) for who in users}
        self._users.calls((), keys)
        names = sorted({user for _, user in users})
        for place in range(0, len(names), USERS_AT_ONCE):
            some = names[place : place + USERS_AT_ONCE]
            rows = await self._rows(self._sights.cells(by_day=True, users=some))
            # others may have the same name at another client
            theirs = [row for row in rows if _who(row) in users]
            await asyncio.to_thread(self._take, theirs)

    def _take(self, rows: Documents) -> None:
        self._users.calls(self._sights.called(rows))

    async def _chunks(
        self,
        query: Query,
        chunks: Iterable[datetime],
        of_rows: Callable[[Documents], Iterable[tuple[datetime, Row]]],
        take: Callable[[int, list[Row]], None],
    ) -> None:
        found: dict[datetime, list[Row]] = {chunk: [] for chunk in chunks}

        def sort(rows: Documents) -> None:
            for chunk, row in of_rows(rows):
                if chunk in found:
                    found[chunk].append(row)

        await self._stream(query, sort)
        for chunk in list(found):
            await asyncio.to_thread(take, milliseconds(chunk), found.pop(chunk))

    async def _rows(self, query: Query) -> Documents:
        # each may take as long as a report: at first there may be very many users
        with in_time():
            return await self._read.cells(query)

    async def _stream(self, query: Query, take: Callable[[Documents], None]) -> None:
        async for rows in self._read.batches(query, ROWS_AT_ONCE):
            await asyncio.to_thread(_handle, take, rows)


def _handle(take: Callable[[Documents], None], rows: Documents) -> None:
    take(rows)
    rows.clear()


def _who(row: Document) -> tuple[str, str]:
    return row["_id"]["client"], row["_id"]["user"]


async def _cells_are_whole(read: Reader, state: Document, sights: Sights) -> bool:
    """Whether every call of the experiment is in a cell or a delta, under its own name."""
    if not is_tagged(state) or await read.cells((DELTAS, [{"$match": NOT_TAGGED}, {"$limit": 1}])):
        return False
    client = sights.experiment.client_id
    of = {} if client is None else {"_id": {"$eq": client}}
    names = await read.find(NAMES, {"variant": {"$exists": True}, **of}, {"variant": 1})
    return all(len(each["variant"]) < CAPS["variant"] for each in names)
