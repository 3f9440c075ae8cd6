"""Makes the missing twins of the documents of one collection, page by page.

A page is prepared outside any transaction, while the previous page is being committed. Its transaction, in a thread of
its own, then rereads the same documents: where a byte differs, or a twin has appeared meanwhile, it is given up and the
page prepared again. It also writes to every document whose twin it creates, so that a concurrent erasure is either seen
or undone. So writers, erasures and other runs may continue, and a call that is being written is never duplicated.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from app.database import Collection, Database, Session
from app.database.blocking import ClientSession, OwnThread, transact_blocking
from app.database.transactions import undisturbed
from app.database.updates import apply_updates_blocking
from app.ledger.inserts import KnownIdsError, RefusedError
from app.ledger.uncounted import Tally
from app.maintenance.backfill.legacy_events import Kind
from app.maintenance.backfill.legacy_values import UnusableError
from app.maintenance.backfill.raw_documents import decoded
from models.documents import Document

SLICE = 100
"""Documents that are processed in one go, about 2 ms: what else there is to do gets its turn in between."""
NOTHING = bson.encode({})
_TOUCHED = "touched"


class Refused(NamedTuple):
    """A document that can have no twin, and why."""

    id: object
    field: str
    reason: str


class Alike(NamedTuple):
    """Entries of one day that differ for the rollups only in user and hour, and how many each of these has."""

    kind: Kind
    """Kept, so that no other object gets its address in memory."""
    entry: Document
    users: dict[str, int]
    hours: dict[str, int]


@dataclass
class Prepared:
    """What is to be done for some documents."""

    sources: list[bytes] = field(default_factory=list)
    """The documents that lack their twin, as they were read."""
    ids: list[ObjectId] = field(default_factory=list)
    twins: list[Mapping[str, Any]] = field(default_factory=list)
    """Their twins, in the same order."""
    lacks: dict[bytes, list[ObjectId]] = field(default_factory=dict)
    """What to `$set` on the documents, encoded, and on which."""
    alike: dict[tuple[object, ...], Alike] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    """What limits count of twins that are entries."""
    known: int = 0
    """How many have their twin."""
    refused: list[Refused] = field(default_factory=list)
    size: int = 0
    """How many documents there were."""
    last: ObjectId | None = None
    """The last id: where to resume."""


class TwinningResult(NamedTuple):
    """The outcomes of documents."""

    made: int
    known: int
    refused: list[Refused]

    @classmethod
    def sum(cls, *outcomes: "TwinningResult") -> "TwinningResult":
        made, known, refused = zip(*outcomes, strict=True)
        return cls(sum(made), sum(known), [one for some in refused for one in some])


class ChangedError(Exception):
    """Documents are not as they were when they were read. `raw` is what they are now."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.raw = raw


class Twinning(ABC):
    """Makes twins of documents of `source` in `target`. `session` is None for a dry run."""

    fields: Sequence[str]
    """What is read of a document."""

    def __init__(self, database: Database, source: Collection, target: Collection, session: Session | None) -> None:
        self._database = database
        self._source = source
        self._target = target
        self._session: ClientSession | None = None if session is None else session.delegate
        self._blocking = database.blocking
        self._thread = OwnThread("backfill")

    @abstractmethod
    async def known(self, ids: list[ObjectId]) -> set[ObjectId]:
        """Which of the documents have their twin."""

    @abstractmethod
    def add(self, page: Prepared, document: Document, now: datetime) -> bool:
        """Add the twin of `document`, unless it is not wanted. Returns whether it did. Raises UnusableError."""

    @abstractmethod
    def insert(self, page: Prepared, session: ClientSession) -> None:
        """Insert twins, with all that follows from them. In a thread, while the next page is prepared in another.

        Raises KnownIdsError, RefusedError, PyMongoError.
        """

    async def prepare(self, raw: bytes) -> Prepared:
        """What is to be done for documents as read with `fields`. Raises PyMongoError."""
        documents = await asyncio.to_thread(decoded, raw)
        ids = [document["_id"] for _, document in documents if isinstance(document.get("_id"), ObjectId)]
        page = Prepared(size=len(documents), last=ids[-1] if ids else None)
        known, now = await self.known(ids), datetime.now(UTC)
        for number, (source, document) in enumerate(documents):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            try:
                if isinstance(document.get("_id"), ObjectId) and document["_id"] in known:
                    page.known += 1
                elif self.add(page, document, now):
                    page.sources.append(source)
            except UnusableError as error:
                page.refused.append(Refused(document.get("_id"), error.field, error.reason))
        return page

    async def commit(self, page: Prepared) -> TwinningResult:
        """Write what was prepared, or prepare it again where documents have changed. Raises PyMongoError."""
        if not page.twins:
            return TwinningResult(0, page.known, page.refused)
        assert self._session is not None  # noqa: S101 - a dry run commits nothing
        settle = partial(self._settle, page, self._session)
        try:
            await undisturbed(partial(self._thread.run, partial(transact_blocking, self._session, settle)))
        except ChangedError as changed:
            rest = TwinningResult(0, page.known, page.refused)
            return TwinningResult.sum(rest, await self.commit(await self.prepare(changed.raw)))
        except (KnownIdsError, RefusedError) as error:
            return await self._commit_parts(page, str(error))
        except OperationFailure as error:
            if (reason := _refusal(error)) is None:
                raise
            return await self._commit_parts(page, reason)
        return TwinningResult(len(page.twins), page.known, page.refused)

    async def _commit_parts(self, page: Prepared, reason: str) -> TwinningResult:
        """A twin has appeared meanwhile, or the server refuses one: it is found by bisection."""
        now = await self.prepare(b"".join(page.sources))
        if len(now.twins) < len(page.twins):
            return TwinningResult.sum(TwinningResult(0, page.known, page.refused), await self.commit(now))
        if len(page.twins) == 1:
            refused = Refused(page.ids[0], "the server", reason)
            return TwinningResult(0, page.known, [*page.refused, refused])
        middle = len(page.twins) // 2
        parts = [await self.prepare(b"".join(half)) for half in (page.sources[:middle], page.sources[middle:])]
        rest = TwinningResult(0, page.known, page.refused)
        return TwinningResult.sum(rest, *[await self.commit(part) for part in parts])

    def _settle(self, page: Prepared, session: ClientSession) -> None:
        """Raises ChangedError, and what `insert` raises."""
        found: Any = self._blocking[self._source.name].find_raw_batches(
            {"_id": {"$in": page.ids}},
            dict.fromkeys(self.fields, 1),
            session=session,
            batch_size=len(page.ids),
            sort=[("_id", 1)],
        )
        raw = b"".join(found)
        if raw != b"".join(page.sources):
            raise ChangedError(raw)
        self.insert(page, session)
        self._complete(page.lacks, session)

    def _complete(self, lacks: dict[bytes, list[ObjectId]], session: ClientSession) -> None:
        """Write to each document: what it lacks, else a field that comes and goes.

        An update that changes nothing is a no-op, and so would not conflict with anything.
        """
        changes = [(ids, {"$set": RawBSONDocument(change)}) for change, ids in lacks.items() if change != NOTHING]
        self._update(changes, session)
        if whole := lacks.get(NOTHING):
            self._update([(whole, {"$set": {_TOUCHED: True}})], session)
            self._update([(whole, {"$unset": {_TOUCHED: ""}})], session)

    def _update(self, changes: list[tuple[list[ObjectId], Document]], session: ClientSession) -> None:
        statements = [{"q": {"_id": {"$in": ids}}, "u": change, "multi": True} for ids, change in changes]
        apply_updates_blocking(self._blocking, self._source.name, statements, session)


def _refusal(error: OperationFailure) -> str | None:
    """Why the server refuses a document; None where the fault is elsewhere."""
    if error.has_error_label("TransientTransactionError"):
        return None  # a conflict lasted for longer than the driver retries
    write_errors = (error.details or {}).get("writeErrors")
    return str(write_errors[0]["errmsg"]) if write_errors else None
