"""What counters should say, counted from the ledger itself, entry by entry, by none of the code that is drilled."""

from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import unquote

from bson import Decimal128, ObjectId

from app.database import Database
from models.counters import COUNTERS, RESERVATIONS

Document = dict[str, Any]


def plain(value: Any) -> Decimal:
    """A stored number, or none."""
    return value.to_decimal() if isinstance(value, Decimal128) else Decimal(value or 0)


FIGURES: dict[str, Callable[[Document], Decimal]] = {
    "requests": lambda _: Decimal(1),
    "tokens": lambda entry: plain(entry.get("inputTokens")) + plain(entry.get("outputTokens")),
    "usd": lambda entry: plain(entry.get("cost")),
    "images": lambda entry: plain(entry.get("images")),
    "seconds": lambda entry: plain(entry.get("videoSeconds")) + plain(entry.get("audioSeconds")),
    "concurrent": lambda _: Decimal(0),
}
"""What an entry adds, by unit."""
_FILTERS = {"s": "serviceType", "m": "aiModel", "f": "feature"}


class Key(NamedTuple):
    """The `_id` of a counter."""

    subject: str
    unit: str
    filter: str
    window: str
    start: str
    end: str

    @classmethod
    def of(cls, text: str) -> "Key":
        return cls(*text.split("|"))


class Counted(NamedTuple):
    """What the ledger says of one counter."""

    used: Decimal
    asked: Decimal
    """Of it, the calls that had a hold in this counter, and settled it."""
    late: Decimal
    """Of it, the calls that were reported when their reservation had ended."""


class Whole:
    """The ledger and the reservations, in memory."""

    def __init__(
        self,
        entries: list[Document],
        reservations: dict[str, Document],
        counters: list[Document],
        late: Collection[ObjectId],
    ) -> None:
        self._late = late
        self.entries = entries
        self.reservations = reservations
        self.counters = counters
        self._by_user: dict[str, list[Document]] = defaultdict(list)
        for entry in entries:
            self._by_user[entry["userId"]].append(entry)

    @classmethod
    async def read(cls, database: Database, late: Collection[ObjectId] = ()) -> "Whole":
        """All of it, in one snapshot; `late` are entries whose receipts said that their reservation had ended."""
        async with database.snapshot() as session:
            entries = await database.ledger.find({}, session=session).to_list(None)
            stored = await database.writes[RESERVATIONS].find({}, session=session).to_list(None)
            counters = await database.writes[COUNTERS].find({}, session=session).to_list(None)
        return cls(entries, {each["_id"]: each for each in stored}, counters, late)

    def counted(self, counter: Document) -> Counted:
        """What this counter should have."""
        key, figure = Key.of(counter["_id"]), FIGURES[counter["unit"]]
        used = asked = late = Decimal(0)
        for entry in self._of(key):
            if self._within(entry["createdAt"], counter) and not entry.get("synthetic"):
                used += figure(entry)
                asked += figure(entry) if self._settled(entry, counter["_id"]) else 0
                late += figure(entry) if self._ended(entry) else 0
        return Counted(used, asked, late)

    def late_in(self, id_: str) -> bool:
        """Whether calls came too late that a counter counts, as far as it is there still."""
        counter = next((each for each in self.counters if each["_id"] == id_), None)
        return counter is not None and self.counted(counter).late > 0

    def _of(self, key: Key) -> list[Document]:
        kind, _, named = key.subject.partition(":")
        name, _, client = (unquote(part) for part in named.partition("@"))
        match kind:
            case "user":
                found = [each for each in self._by_user[name] if not client or each["clientId"] == client]
            case "client":
                found = [each for each in self.entries if each["clientId"] == name]
            case _:
                found = self.entries
        for part in filter(None, key.filter.split(",")):
            letter, _, value = part.partition("=")
            found = [each for each in found if each.get(_FILTERS[letter]) == unquote(value)]
        return found

    @staticmethod
    def _within(moment: datetime, counter: Document) -> bool:
        end: datetime | None = counter.get("end")
        return counter["start"] <= moment and (end is None or moment < end)

    def _settled(self, entry: Document, counter: str) -> bool:
        reservation = self.reservations.get(entry.get("reservationId", ""))
        if reservation is None or reservation.get("entry") != entry["_id"]:
            return False
        return any(hold["counter"] == counter for hold in reservation["holds"])

    def _ended(self, entry: Document) -> bool:
        """What an application had in hand has no document: its receipt said so."""
        reservation = self.reservations.get(entry.get("reservationId", ""))
        return entry["_id"] in self._late or (
            reservation is not None and reservation["state"] in {"expired", "released"}
        )
