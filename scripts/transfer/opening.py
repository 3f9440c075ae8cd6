"""From an operator's argument to a source."""

from contextlib import AsyncExitStack
from pathlib import Path

from app.database.connection import foreign_collection
from app.errors import InvalidRequestError
from scripts.transfer.collection import SourceCollection
from scripts.transfer.columns import NEEDED
from scripts.transfer.csv_file import CsvFile
from scripts.transfer.json_file import JsonFile
from scripts.transfer.lines import opened
from scripts.transfer.mapping import Mapping
from scripts.transfer.parquet_file import ParquetFile
from scripts.transfer.sources import Source, broken

PARQUET = b"PAR1"
JSON_STARTS = (b"{", b"[", b"\xef\xbb\xbf{")


def is_address(name: str) -> bool:
    """Whether `name` is a MongoDB address, not a file."""
    return name.startswith(("mongodb://", "mongodb+srv://"))


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


def _file(path: Path, mapping: Mapping) -> Source:
    needed = NEEDED if mapping.entries else ()
    try:
        with opened(path) as file:
            start = file.read(len(PARQUET))
    except (OSError, EOFError) as error:
        raise broken(str(path), f"cannot be read: {error}") from error
    if start == PARQUET:
        return ParquetFile(path, mapping, needed)
    if start.lstrip().startswith(JSON_STARTS):
        return JsonFile(path, mapping)
    return CsvFile(path, mapping, needed)
