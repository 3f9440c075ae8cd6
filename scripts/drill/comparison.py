"""Two collections compared, a page at a time: as the server's bytes, and document by document where these differ."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import bson
from bson import Decimal128
from bson.codec_options import CodecOptions

from app.database import Collection
from models.documents import Document
from scripts.toolkit.command import Advance

PAGE = 2_000
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)

Different = dict[str, tuple[Any, Any]]
"""By id what each collection has, where that is not the same; None where it has nothing."""


async def differences(
    one: Collection, other: Collection, advance: Advance, *, without: str | None = None, of_cells: bool = False
) -> Different:
    """Where two collections differ, but for the field `without` and, `of_cells`, for figures that are zero.

    Both are read in the order of their ids, so that few documents wait in memory for their counterparts.
    Raises PyMongoError.
    """
    pages, comparison = (_pages(one, without), _pages(other, without)), _Comparison(of_cells=of_cells)
    left = await other.estimated_document_count()
    while any(read := [await anext(of_one, b"") for of_one in pages]):
        if read[0] != read[1]:
            await asyncio.to_thread(comparison.add, *read)
        advance(min(left, PAGE))
        left -= min(left, PAGE)
    return comparison.result()


class _Comparison:
    def __init__(self, *, of_cells: bool) -> None:
        self._of_cells = of_cells
        self._waiting: tuple[dict[str, Document], dict[str, Document]] = {}, {}
        self._different: Different = {}

    def add(self, one: bytes, other: bytes) -> None:
        for page, waiting in zip((one, other), self._waiting, strict=True):
            waiting.update((_taken_id(document), document) for document in bson.decode_all(page, _AWARE))
        first, second = self._waiting
        for id_ in first.keys() & second.keys():
            mine, theirs = first.pop(id_), second.pop(id_)
            if mine != theirs and (told := (self._told(mine), self._told(theirs)))[0] != told[1]:
                self._different[id_] = told

    def result(self) -> Different:
        first, second = self._waiting
        alone = {id_: (self._told(first.get(id_)), self._told(second.get(id_))) for id_ in first.keys() | second}
        return self._different | alone

    def _told(self, document: Document | None) -> Document | None:
        return _figures(document) if document is not None and self._of_cells else document


def _pages(collection: Collection, without: str | None) -> AsyncIterator[bytes]:
    shown = None if without is None else {without: 0}
    found: Any = collection.find_raw_batches({}, shown, batch_size=PAGE, sort=[("_id", 1)])
    pages: AsyncIterator[bytes] = aiter(found)
    return pages


def _taken_id(document: Document) -> str:
    """A cell's by the names of its parts."""
    id_ = document.pop("_id")
    return ", ".join(str(part) for _, part in sorted(id_.items())) if isinstance(id_, dict) else str(id_)


def _figures(cell: Document, prefix: str = "") -> Document:
    """By path, without those that are zero."""
    found: Document = {}
    for name, value in cell.items():
        if isinstance(value, dict):
            found |= _figures(value, f"{prefix}{name}/")
        elif figure := value.to_decimal() if isinstance(value, Decimal128) else value:
            found[prefix + name] = figure
    return found
