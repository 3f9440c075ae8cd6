"""Which stored calls a repricing is of, page by page, and at which prices."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.database import Database
from app.maintenance.repricing.price_versions import PriceVersions
from app.pricing.price_book import PriceBook
from app.settings import Settings
from models.documents import Document

PAGE = 1_000
ORDER = [("createdAt", 1), ("_id", 1)]


class Selection(NamedTuple):
    """Calls by day and, where they are given, by client, model and source of their cost."""

    first: date
    last: date | None
    """None for without end."""
    client: str | None = None
    model: str | None = None
    only: Sequence[str] | None = None

    def condition(self, zone: ZoneInfo) -> Document:
        """What selects them in the ledger."""
        within: Document = {"$gte": _start(self.first, zone)}
        if self.last is not None:
            within["$lt"] = _start(self.last + timedelta(days=1), zone)
        names = {"clientId": self.client, "aiModel": self.model}
        return {
            "createdAt": within,
            **({} if self.only is None else {"costSource": {"$in": list(self.only)}}),
            **{name: {"$eq": value} for name, value in names.items() if value is not None},
        }

    async def pages(
        self, database: Database, zone: ZoneInfo, after: Any, size: int = PAGE
    ) -> AsyncGenerator[tuple[list[Document], Document], None]:
        """Their entries in order of time, with the place after each page; behind the place `after`, if given."""
        while True:
            behind = {} if after is None else _behind(after["at"], after["id"])
            found = database.ledger.find(self.condition(zone) | behind).sort(ORDER).limit(size)
            if not (entries := await found.to_list(None)):
                return
            after = {"at": entries[-1]["createdAt"], "id": entries[-1]["_id"]}
            yield entries, after


async def versions_of(database: Database, settings: Settings) -> PriceVersions:
    """The prices of this deployment as they are now. Raises PyMongoError, and ConfigurationError."""
    book = PriceBook(database)
    await book.refresh()
    return PriceVersions(await book.all(), settings.estimates_file, settings.model_aliases, book.table.tokens)


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _behind(moment: datetime, last_id: Any) -> Document:
    return {"$or": [{"createdAt": {"$gt": moment}}, {"createdAt": moment, "_id": {"$gt": last_id}}]}
