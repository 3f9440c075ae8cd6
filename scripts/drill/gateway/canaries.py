"""Words that were said to models and by them, looked for wherever something is kept."""

import base64
import zlib
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from bson import Binary, decode
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from app.database import Database

_RAW = CodecOptions(document_class=RawBSONDocument)
_WINDOWS = (zlib.MAX_WBITS, -zlib.MAX_WBITS, zlib.MAX_WBITS | 16)
"""Of zlib, of bare deflate, and of gzip."""


def in_files(folder: Path, word: str) -> list[str]:
    """Which files below a folder have a word."""
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):  # it has just been removed
            if path.is_file() and has(path.read_bytes(), word):
                found.append(str(path.relative_to(folder)))
    return found


async def in_documents(database: Database, word: str) -> list[str]:
    """Which collections have a word, in any field of any document, as it is stored."""
    found = []
    for name in await database.writes.list_collection_names(filter={"type": "collection"}):
        if name.startswith("system."):
            continue
        documents = database.writes.get_collection(name, codec_options=_RAW).find({})
        async for document in documents:
            if has(document.raw, word) or any(_unpacked_has(each, word) for each in _binaries(decode(document.raw))):
                found.append(name)
                break
    return sorted(found)


def has(content: bytes, word: str) -> bool:
    """Whether a word is somewhere, as it is, as hexadecimal digits, or as a part of something in base64."""
    return any(form in content for form in _forms(word))


@cache
def _forms(word: str) -> tuple[bytes, ...]:
    plain = word.encode()
    found = [plain, plain.hex().encode()]
    for shift in range(3):
        # what stands next to the word decides over the first and the last of these characters
        encoded = base64.b64encode(b"\0" * shift + plain)
        found.append(encoded[(0, 2, 3)[shift] : len(encoded) - 4])
    return tuple(found)


def _binaries(value: Any) -> Iterable[bytes]:
    if isinstance(value, bytes | Binary):
        yield bytes(value)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _binaries(each)
    elif isinstance(value, list):
        for each in value:
            yield from _binaries(each)


def _unpacked_has(content: bytes, word: str) -> bool:
    for window in _WINDOWS:
        with suppress(zlib.error):
            if has(zlib.decompressobj(window).decompress(content), word):
                return True
    return False
