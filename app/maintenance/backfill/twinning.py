"""Makes the missing twins of the documents of one collection, page by page.

A page is prepared outside any transaction, while the previous page is being committed. Its transaction then rereads the
same documents: where a byte differs, or a twin has appeared meanwhile, the page is prepared again. It also writes to
every document whose twin it creates, so that a concurrent erasure is either seen or undone. So writers, erasures and
other runs may continue, and a call that is being written is never duplicated.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from app.database import Collection, Database, Session
from app.database.transactions import transact_once, undisturbed
from app.database.updates import upsert
from app.maintenance.backfill.legacy_events import Kind
from app.maintenance.backfill.legacy_values import UnusableError
from app.maintenance.backfill.raw_documents import decoded
from models.documents import Document

SLICE = 100
"""Documents that are processed in one go, about 2 ms: the page that is being committed gets its turn in between."""
NOTHING = bson.encode({})
_TOUCHED = "touched"


class Refused(NamedTuple):
    """A document that can have no twin, and why."""

    id: object
    field: str
    reason: str


class Alike(NamedTuple):
    """Entries that differ for the rollups only in their users, and how many each user has."""

    kind: Kind
    """Kept, so that no other object gets its address in memory."""
    entry: Document
    users: dict[str, int]


@dataclass
class Prepared:
    """What is to be done for some documents."""

    sources: list[bytes] = field(default_factory=list)
    """The documents that lack their twin, as they were read."""
    twins: list[Document] = field(default_factory=list)
    """Their twins, in the same order."""
    lacks: dict[bytes, list[ObjectId]] = field(default_factory=dict)
    """What to `$set` on the documents, encoded, and on which."""
    alike: dict[tuple[object, ...], Alike] = field(default_factory=dict)
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


class Twinning(ABC):
    """Makes twins of documents of `source` in `target`. `session` is None for a dry run."""

    fields: Sequence[str]
    """What is read of a document."""

    def __init__(self, database: Database, source: Collection, target: Collection, session: Session | None) -> None:
        self._database = database
        self._source = source
        self._target = target
        self._session = session

    @abstractmethod
    async def known(self, ids: list[ObjectId]) -> set[ObjectId]:
        """Which of the documents have their twin."""

    @abstractmethod
    def add(self, page: Prepared, document: Document, now: datetime) -> bool:
        """Add the twin of `document`, unless it is not wanted. Returns whether it did. Raises UnusableError."""

    @abstractmethod
    async def insert(self, page: Prepared, session: Session) -> None:
        """Insert twins, with all that follows from them."""

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
        try:
            assert self._session is not None  # noqa: S101 - a dry run commits nothing
            return await undisturbed(partial(transact_once, self._session, partial(self._settle, page)))
        except OperationFailure as error:
            if (reason := _refusal(error)) is None:
                raise
            return await self._commit_parts(page, reason)

    async def _commit_parts(self, page: Prepared, reason: str) -> TwinningResult:
        """A twin has appeared meanwhile, or the server refuses one: it is found by bisection."""
        now = await self.prepare(b"".join(page.sources))
        if len(now.twins) < len(page.twins):
            return TwinningResult.sum(TwinningResult(0, page.known, page.refused), await self.commit(now))
        if len(page.twins) == 1:
            refused = Refused(page.twins[0]["_id"], "the server", reason)
            return TwinningResult(0, page.known, [*page.refused, refused])
        middle = len(page.twins) // 2
        parts = [await self.prepare(b"".join(half)) for half in (page.sources[:middle], page.sources[middle:])]
        rest = TwinningResult(0, page.known, page.refused)
        return TwinningResult.sum(rest, *[await self.commit(part) for part in parts])

    async def _settle(self, page: Prepared, session: Session) -> TwinningResult:
        rest = TwinningResult(0, page.known, page.refused)
        ids = [twin["_id"] for twin in page.twins]
        condition = {"_id": {"$in": ids}}
        found = self._source.find_raw_batches(
            condition, dict.fromkeys(self.fields, 1), session=session, batch_size=len(ids), sort=[("_id", 1)]
        )
        raw = b"".join([batch async for batch in found])
        if raw != b"".join(page.sources):
            page = await self.prepare(raw)
            rest = TwinningResult.sum(rest, TwinningResult(0, page.known, page.refused))
        if page.twins:
            await self.insert(page, session)
            await self._complete(page.lacks, session)
        return TwinningResult.sum(rest, TwinningResult(len(page.twins), 0, []))

    async def _complete(self, lacks: dict[bytes, list[ObjectId]], session: Session) -> None:
        """Write to each document: what it lacks, else a field that comes and goes.

        An update that changes nothing is a no-op, and so would not conflict with anything.
        """
        changes = [(ids, {"$set": RawBSONDocument(change)}) for change, ids in lacks.items() if change != NOTHING]
        await self._update(changes, session)
        if whole := lacks.get(NOTHING):
            await self._update([(whole, {"$set": {_TOUCHED: True}})], session)
            await self._update([(whole, {"$unset": {_TOUCHED: ""}})], session)

    async def _update(self, changes: list[tuple[list[ObjectId], Document]], session: Session) -> None:
        statements = [{"q": {"_id": {"$in": ids}}, "u": change, "multi": True} for ids, change in changes]
        await upsert(self._database, self._source.name, statements, session)


def _refusal(error: OperationFailure) -> str | None:
    """Why the server refuses a document; None where the fault is elsewhere."""
    if error.has_error_label("TransientTransactionError"):
        return None  # a conflict lasted for longer than the driver retries
    write_errors = (error.details or {}).get("writeErrors")
    return str(write_errors[0]["errmsg"]) if write_errors else None
