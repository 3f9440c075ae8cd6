"""Stores product events, durably and each once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo.errors import BulkWriteError

from app.database import Database
from app.database.outages import answering
from app.events.documents import differs, document_of
from app.ledger.outcomes import ReceiptStatus
from app.observability.metrics import Counters
from models.documents import Document
from models.faults import Fault
from models.moments import moment_now
from models.product_event import ProductEvent

RECORD_SECONDS = 5.0
THERE_ALREADY = 11_000
AWAY = "MongoDB does not answer, and product events wait nowhere: send this again; what has a requestId counts once"


class EventReceipt(NamedTuple):
    """The answer to one reported event."""

    status: ReceiptStatus
    """Committed, duplicate or rejected."""
    id: str | None = None
    """The `_id` of the document, as 24 hexadecimal digits."""
    conflicting: bool = False
    """Only with `duplicate`: this report differs from the first one, which stands."""
    errors: tuple[Fault, ...] = ()


class EventRecorder:
    """Writes product events. They are acknowledged when they are on the journals of a majority, and never before:
    while MongoDB is away they are refused, for whoever sends them to send them again.
    """

    def __init__(self, database: Database, counters: Counters) -> None:
        self._database = database
        self._counters = counters

    async def record(self, events: Sequence[ProductEvent], *, by_user: bool) -> list[EventReceipt]:
        """Store these; receipts are in the same order. `by_user`: the events' own user reports them.

        Raises DatabaseUnavailableError: any of them may be stored then, or none.
        """
        now = moment_now()
        documents = [document_of(event, now, by_user=by_user) for event in events]
        with answering(RECORD_SECONDS, AWAY):
            known = await self._insert(documents)
            firsts = await self._firsts([documents[place]["_id"] for place in known])
        receipts = [
            _again(event, document, firsts.get(document["_id"])) if place in known else _committed(document)
            for place, (event, document) in enumerate(zip(events, documents, strict=True))
        ]
        for receipt in receipts:
            self._counters.events.labels(receipt.status).inc()
        return receipts

    def rejected(self, faults: Sequence[Fault]) -> EventReceipt:
        """The receipt of what is not a valid event, which is counted."""
        self._counters.events.labels(ReceiptStatus.REJECTED).inc()
        return EventReceipt(ReceiptStatus.REJECTED, errors=tuple(faults))

    async def _insert(self, documents: list[Document]) -> set[int]:
        """Returns the places of those that are there already. Raises PyMongoError."""
        if not documents:
            return set()
        try:
            await self._database.events.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            details: Any = error.details or {}
            refused = {one["index"]: one["code"] for one in details.get("writeErrors", [])}
            if details.get("writeConcernErrors") or set(refused.values()) != {THERE_ALREADY}:
                raise
            return set(refused)
        return set()

    async def _firsts(self, ids: list[ObjectId]) -> dict[ObjectId, Document]:
        if not ids:
            return {}
        found = self._database.events.find({"_id": {"$in": ids}})
        return {document["_id"]: document async for document in found}


def _committed(document: Document) -> EventReceipt:
    return EventReceipt(ReceiptStatus.COMMITTED, str(document["_id"]))


def _again(event: ProductEvent, document: Document, first: Document | None) -> EventReceipt:
    conflicting = first is not None and differs(event, document, first)
    return EventReceipt(ReceiptStatus.DUPLICATE, str(document["_id"]), conflicting)
