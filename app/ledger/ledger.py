"""The ledger: one transaction a batch writes both collections and what they add to the rollups, or nothing."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pymongo
from bson import ObjectId
from bson.errors import BSONError
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from app.database import DURABLE, Collection, Database, Session
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import Pair
from app.rollups.deltas import delta_of
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from models.documents import Document
from models.rollups import DELTAS

DUPLICATE_KEY = 11_000
FIRST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.1

_SNAPSHOT = ReadConcern("snapshot")
# what the driver raises, before anything is sent, for a document that BSON cannot hold
_UNSTORABLE = (BSONError, OverflowError, UnicodeError)


_COMMITTED = Outcome(ReceiptStatus.COMMITTED)


class LedgerUnavailableError(Exception):
    """MongoDB did not commit in time. The batch may or may not be stored: commit it again with `again=True`."""


class _RefusedError(Exception):
    """At least one document of the batch can never be stored."""


class _KnownIdsError(Exception):
    """At least one `_id` of the batch is stored already; nothing was written."""


class Ledger:
    """Writes pairs. One per process, used by one committer at a time."""

    def __init__(self, database: Database, session: Session | None, local_time: LocalTime) -> None:
        self._entries = database.ledger
        self._events = database.events
        self._deltas = database.writes[DELTAS]
        self._caps = NameCaps(database)
        self.local_time = local_time
        """Tells the day of an entry in the zone of the rollups."""
        self._session = session
        """None where the server has no transactions."""

    async def commit(self, pairs: Sequence[Pair], *, seconds: float, again: bool = False) -> list[Outcome]:
        """Store `pairs`, durably and each once, and say what became of each, in their order.

        `seconds` bounds the attempt. `again` says that an earlier attempt at the same pairs ended without a known
        result, so that what is found stored may be its work. Raises LedgerUnavailableError.
        """
        first: dict[ObjectId, Pair] = {}
        for pair in pairs:
            first.setdefault(pair.id, pair)
        try:
            with pymongo.timeout(seconds):
                outcomes = await self._commit_distinct(list(first.values()), again=again)
        except PyMongoError as error:
            raise LedgerUnavailableError(str(error)) from error
        return [_outcome_of_each(pair, first[pair.id], outcomes[pair.id]) for pair in pairs]

    async def _commit_distinct(self, pairs: list[Pair], *, again: bool) -> dict[ObjectId, Outcome]:
        """A document that can never be stored is found by halving, and never sinks the others."""
        try:
            if self._session is None:
                return await self._insert_loose(pairs, again=again)
            return await self._transact_until_settled(self._session, pairs, again=again)
        except (_RefusedError, *_UNSTORABLE) as error:
            if len(pairs) == 1:
                return {pairs[0].id: Outcome(ReceiptStatus.REJECTED, reason=str(error))}
        middle = len(pairs) // 2
        return {
            **await self._commit_distinct(pairs[:middle], again=again),
            **await self._commit_distinct(pairs[middle:], again=again),
        }

    async def _transact_until_settled(
        self, session: Session, pairs: list[Pair], *, again: bool
    ) -> dict[ObjectId, Outcome]:
        """Inserts are optimistic: stored ids are looked up only where one is likely, or was met."""
        look_up = again
        for pause in _pauses():
            try:
                return await self._transact(session, pairs, look_up=look_up, again=again)
            except _KnownIdsError:
                look_up = True
            except PyMongoError as error:
                # the server undid everything: another transaction was in the way, or a new primary took over
                if not error.has_error_label("TransientTransactionError"):
                    raise
                if _is_network_trouble(error):
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: pauses never end")

    async def _transact(
        self, session: Session, pairs: list[Pair], *, look_up: bool, again: bool
    ) -> dict[ObjectId, Outcome]:
        session.start_transaction(read_concern=_SNAPSHOT, write_concern=DURABLE)
        try:
            stored = await self._stored(pairs, session) if look_up else _Stored({}, set())
            await _insert(self._entries, [p.entry for p in pairs if p.id not in stored.entries], session)
            await _insert(self._events, [p.event for p in pairs if p.id not in stored.events], session)
            await self._insert_delta([p.entry for p in pairs if p.id not in stored.entries], session)
        except BaseException:
            await session.abort_transaction()
            raise
        await _commit_transaction(session)
        return {pair.id: _outcome(pair, stored.entries.get(pair.id), again=again) for pair in pairs}

    async def _insert_loose(self, pairs: list[Pair], *, again: bool) -> dict[ObjectId, Outcome]:
        """Without transactions: both inserts in order, so that a replay of the same call repairs a torn one."""
        stored = await self._stored(pairs, None)
        await _insert(self._entries, [p.entry for p in pairs if p.id not in stored.entries], None)
        await _insert(self._events, [p.event for p in pairs if p.id not in stored.events], None)
        await self._insert_delta([p.entry for p in pairs if p.id not in stored.entries], None)
        return {pair.id: _outcome(pair, stored.entries.get(pair.id), again=again) for pair in pairs}

    async def _insert_delta(self, entries: list[Document], session: Session | None) -> None:
        """One document with everything that the batch adds to the rollups: no two writers ever touch the same one."""
        if not entries:
            return
        await self._deltas.insert_one(await delta_of(entries, self.local_time, self._caps), session=session)

    async def _stored(self, pairs: list[Pair], session: Session | None) -> "_Stored":
        known = {"_id": {"$in": [pair.id for pair in pairs]}}
        entries = {entry["_id"]: entry async for entry in self._entries.find(known, session=session)}
        events = {event["_id"] async for event in self._events.find(known, {"_id": 1}, session=session)}
        return _Stored(entries, events)


class _Stored(NamedTuple):
    entries: dict[ObjectId, Document]
    events: set[ObjectId]


async def _insert(collection: Collection, documents: list[Document], session: Session | None) -> None:
    if not documents:
        return
    try:
        await collection.insert_many(documents, ordered=True, session=session)
    except BulkWriteError as error:
        if error.has_error_label("TransientTransactionError"):
            raise
        write_errors: list[dict[str, Any]] = (error.details or {}).get("writeErrors", [])
        if not write_errors:
            raise
        if write_errors[0]["code"] == DUPLICATE_KEY:
            raise _KnownIdsError from error
        raise _RefusedError(write_errors[0]["errmsg"]) from error


async def _commit_transaction(session: Session) -> None:
    """A commit whose answer got lost may be sent again: the server tells a repeated one."""
    for pause in _pauses():
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult") or error.timeout:
                raise
            await asyncio.sleep(pause)
        else:
            return


def _pauses() -> Iterator[float]:
    """Seconds, doubling, with full jitter, for ever: the attempt's own time limit ends it."""
    longest = FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(0, longest)  # noqa: S311 - jitter, no secret
        longest = min(2 * longest, LONGEST_PAUSE_SECONDS)


def _is_network_trouble(error: PyMongoError) -> bool:
    return error.timeout or not isinstance(error, OperationFailure)


def _outcome(pair: Pair, stored: Document | None, *, again: bool) -> Outcome:
    if stored is None:
        return _COMMITTED
    if again and not pair.conflicts_with(stored):
        return _COMMITTED
    return _repeated(pair, stored)


def _outcome_of_each(pair: Pair, first: Pair, outcome: Outcome) -> Outcome:
    """Of a pair in a batch, from the outcome of the first one with its id. What was refused stands for nobody."""
    if pair is first or outcome.status is ReceiptStatus.REJECTED:
        return outcome
    return _repeated(pair, first.entry)


def _repeated(pair: Pair, stored: Document) -> Outcome:
    return Outcome.duplicate(pair, stored)
