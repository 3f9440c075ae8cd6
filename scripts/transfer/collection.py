"""Rows of a collection of another MongoDB, which need only be readable."""

import re
from collections.abc import AsyncIterator
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo.errors import PyMongoError

from app.database import Collection
from models import AIUsage, Analytics
from models.rollups import STATE
from scripts.transfer.mapping import Mapping
from scripts.transfer.sources import Row, broken

_OURS = {AIUsage.Settings.name, Analytics.Settings.name}
# dates that Python cannot hold and broken texts come as something that is refused with its row
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="surrogateescape",
)


class SourceCollection:
    """A collection in the order of its ids, whatever their types."""

    measure = "rows"

    def __init__(self, collection: Collection, mapping: Mapping, address: str) -> None:
        name: Any = collection.full_name  # the driver's stub takes the property for a method
        self.name = str(name)
        self.identity = f"{self.name} {re.sub('//[^/@]*@', '//', address)}"
        self._collection = collection.with_options(codec_options=_OPTIONS)
        self._where = {
            name: {"$in": value} if isinstance(value, list) else value for name, value in mapping.where.items()
        }

    async def check(self) -> None:
        try:
            if await self._collection.find_one({}, {"_id": 1}) is None:
                raise broken(self.name, "no such collection, or it is empty")
            if self._collection.name in _OURS and await self._collection.database[STATE].find_one({}, {"_id": 1}):
                # an import into itself would never end: what is imported would be read again
                raise broken(
                    self.name,
                    "is in use by twinmeter: move its calls with export_usage; for older documents in it, "
                    "use backfill_usage and backfill_analytics",
                )
        except PyMongoError as error:
            raise broken(self.name, f"cannot be read: {error}") from error

    async def total(self) -> int:
        return await self._collection.count_documents(self._where)

    async def pages(self, after: Any, size: int) -> AsyncIterator[list[Row]]:
        found = self._collection.find(self._where, batch_size=size).sort("_id").hint([("_id", 1)])
        if after is not None:
            # `$gt` would keep to ids of the same type; a lower bound of the index, itself included, does not
            found = found.min([("_id", after)])
        while documents := await self._some(found, size):
            if rows := [_row(document) for document in documents if document["_id"] != after]:
                yield rows

    async def _some(self, found: Any, size: int) -> list[dict[str, Any]]:
        try:
            some: list[dict[str, Any]] = await found.to_list(size)
        except (PyMongoError, BSONError) as error:
            raise broken(self.name, f"cannot be read: {error}") from error
        return some


def _row(document: dict[str, Any]) -> Row:
    return Row(f"_id {document['_id']}", document["_id"], document)
