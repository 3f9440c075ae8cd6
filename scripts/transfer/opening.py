"""From what an operator names to sources."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from app.database.connection import foreign_collection
from app.errors import InvalidRequestError
from scripts.transfer.cells import as_object
from scripts.transfer.collection import SourceCollection
from scripts.transfer.csv_file import CsvFile
from scripts.transfer.json_file import JsonFile
from scripts.transfer.lines import opened
from scripts.transfer.mapping import Mapping, advice
from scripts.transfer.parquet_file import ParquetFile
from scripts.transfer.sources import Source, broken

PARQUET = b"PAR1"
JSON_STARTS = (b"{", b"[", b"\xef\xbb\xbf{")
LOOKED_AT = 1_000
"""Rows of JSON, in which its columns are looked for."""
_DEPTH = 5


def is_address(name: str) -> bool:
    """Whether `name` is a MongoDB address, not a file."""
    return name.startswith(("mongodb://", "mongodb+srv://"))


async def open_sources(name: str, mapping: Mapping, collection: str | None, stack: AsyncExitStack) -> list[Source]:
    """What `name` names, checked: a file, with `collection` a collection, or all files of a folder that the mapping
    means, in the order of their names. Raises AppError.
    """
    if is_address(name) or not (folder := Path(name)).is_dir():
        sources = [await open_source(name, mapping, collection, stack)]
    else:
        sources = [_file(path, mapping) for path in _files(folder, mapping)]
        for source in sources:
            await source.check()
    if not sources:
        raise broken(name, f"nothing in the folder is {' or '.join(mapping.files)}")
    await _check_columns(name, mapping, sources)
    return sources


async def open_source(name: str, mapping: Mapping, collection: str | None, stack: AsyncExitStack) -> Source:
    """The file or, with `collection`, the collection that `name` names, checked. Raises AppError."""
    if not is_address(name):
        source = _file(Path(name), mapping)
    elif collection is None:
        raise InvalidRequestError("a MongoDB source needs --collection, such as aiusages")
    else:
        found = await stack.enter_async_context(foreign_collection(name, collection))
        source = SourceCollection(found, mapping, name)
    await source.check()
    return source


def _files(folder: Path, mapping: Mapping) -> list[Path]:
    """Those that hold something, in order."""
    found = {path for pattern in mapping.files for path in folder.rglob(pattern) if path.is_file()}
    return [path for path in sorted(found) if path.stat().st_size]


def _file(path: Path, mapping: Mapping) -> Source:
    try:
        with opened(path) as file:
            start = file.read(len(PARQUET))
    except (OSError, EOFError) as error:
        raise broken(str(path), f"cannot be read: {error}") from error
    if start == PARQUET:
        return ParquetFile(path, mapping)
    if start.lstrip().startswith(JSON_STARTS):
        return JsonFile(path, mapping)
    return CsvFile(path, mapping)


async def _check_columns(name: str, mapping: Mapping, sources: list[Source]) -> None:
    """That a preset is not used on other files than it is for. JSON has no header: the first rows are looked at."""
    there: set[str] = set()
    async for row in _first_rows([source for source in sources if isinstance(source, JsonFile)]):
        there.update(_paths(row, _DEPTH))
        if not (missing := mapping.missing(there)):
            return
    if there and mapping.reads and not mapping.entries:
        raise broken(name, f"no row has {', '.join(missing)}{advice(there)}")


async def _first_rows(sources: list[Source]) -> AsyncIterator[dict[str, Any]]:
    for count, source in enumerate(sources):
        async for rows in source.pages(None, LOOKED_AT if count == 0 else LOOKED_AT // 10):
            for row in rows:
                if row.values is not None:
                    yield row.values
            break


def _paths(row: dict[str, Any], depth: int, before: str = "") -> set[str]:
    found = {f"{before}{name}" for name in row}
    for name, value in row.items():
        if depth and (inner := as_object(value)) is not None:
            found |= _paths(inner, depth - 1, f"{before}{name}.")
    return found
