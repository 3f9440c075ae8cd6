"""Documents as the server sends them: bytes that can be compared, and decoded without errors."""

import struct
from collections.abc import Iterator

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from models.documents import Document

# what Python cannot represent, dates after the year 9999 and broken strings, is decoded so that it can be refused
_OPTIONS: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="surrogateescape",
)
_length = struct.Struct("<i").unpack_from


def decoded(raw: bytes) -> list[tuple[bytes, Document]]:
    """Each document of `raw` with its own bytes. One that cannot be read is empty."""
    sources = list(_split(raw))
    try:
        documents = bson.decode_all(raw, _OPTIONS)
    except BSONError:
        documents = [_decoded_alone(source) for source in sources]
    return list(zip(sources, documents, strict=True))


def _split(raw: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(raw):
        end = start + _length(raw, start)[0]
        yield raw[start:end]
        start = end


def _decoded_alone(source: bytes) -> Document:
    try:
        return bson.decode(source, _OPTIONS)
    except BSONError:
        return {}
