"""The documents of a template as BSON, packed by hand: a third of what building and encoding them takes.

A document is encoded once with a mark in place of each value that varies, and cut at the marks. Counts are to be below
2^31, and amounts below 2^64 units of their last decimal.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import bson
from bson import ObjectId

from models.documents import Document
from models.money import from_units

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
_END = b"\0"
_int32 = struct.Struct("<i").pack

_ID = ObjectId(b"\xee\x01\xee\x02" * 3)
_USER = "\ueeee\ue001\ueeee"
_COUNTS = 0x6E01_EE01, 0x6E02_EE02, 0x6E03_EE03
_AMOUNTS = 0x6E04_EE04_EEEE_0404, 0x6E05_EE05_EEEE_0505, 0x6E06_EE06_EEEE_0606
_MOMENTS = 0x0000_1E07_EE07_0707, 0x0000_1E08_EE08_0808


class PackedEntry:
    """An entry but for what it may have beside its template's fields, which comes last."""

    def __init__(self, entry: Document) -> None:
        marked = {"_id": _ID, "userId": _USER, "createdAt": _moment(_MOMENTS[0]), "recordedAt": _moment(_MOMENTS[1])}
        marked |= zip(("inputTokens", "outputTokens", "tokensUsed"), _COUNTS, strict=True)
        marked |= zip(("cost", "inputCost", "outputCost"), map(from_units, _AMOUNTS), strict=True)
        i, q = [_int32(mark) for mark in _COUNTS], [_uint64(mark) for mark in _AMOUNTS]
        marks = [*i, q[0], *map(_uint64, _MOMENTS), q[1], q[2]]
        self._id, self._user, *self._parts = _cut(bson.encode(entry | marked), marks)
        sizes = [f"{len(part)}s" for part in self._parts]
        self._head = struct.Struct(f"<i{len(self._id)}s12s{len(self._user)}si")
        self._body = struct.Struct("<" + "".join(map(str.__add__, sizes, ("i", "i", "i", "Q", "q", "q", "Q", "Q", ""))))
        self._size = self._head.size + self._body.size + len(_END)

    def pack(
        self,
        entry_id: ObjectId,
        user: str,
        *,
        inputs: int,
        outputs: int,
        amounts: tuple[int, int, int],
        created: int,
        recorded: int,
        more: bytes,
    ) -> bytes:
        """`amounts` are the cost, and that of input and output; moments are in ms since 1970."""
        name, (cost, of_input, of_output) = user.encode(), amounts
        first, second, third, fourth, fifth, sixth, seventh, eighth, last = self._parts
        size = self._size + len(name) + len(more)
        head = self._head.pack(size, self._id, entry_id.binary, self._user, len(name) + 1)
        body = self._body.pack(
            *(first, inputs, second, outputs, third, inputs + outputs, fourth, cost, fifth, created),
            *(sixth, recorded, seventh, of_input, eighth, of_output, last),
        )
        return b"".join((head, name, body, more, _END))


class PackedAlike:
    """An entry that differs from others in its id, its user and its times alone."""

    def __init__(self, entry: Document) -> None:
        marked = {"_id": _ID, "userId": _USER, "createdAt": _moment(_MOMENTS[0]), "recordedAt": _moment(_MOMENTS[1])}
        self._id, self._user, *parts = _cut(bson.encode(entry | marked), list(map(_uint64, _MOMENTS)))
        self._head = struct.Struct(f"<i{len(self._id)}s12s{len(self._user)}si")
        self._first, self._second, last = parts
        self._body = struct.Struct(f"<{len(self._first)}sq{len(self._second)}sq")
        self._last = last + _END
        self._size = self._head.size + self._body.size + len(self._last)

    def pack(self, entry_id: ObjectId, user: str, created: int, recorded: int) -> bytes:
        """Moments are in ms since 1970."""
        name = user.encode()
        head = self._head.pack(self._size + len(name), self._id, entry_id.binary, self._user, len(name) + 1)
        return b"".join((head, name, self._body.pack(self._first, created, self._second, recorded), self._last))


class PackedEvent:
    """An event, likewise."""

    def __init__(self, event: Document) -> None:
        properties = {**event["properties"], "cost": from_units(_AMOUNTS[0])}
        marked = {"_id": _ID, "userId": _USER, "properties": properties, "createdAt": _moment(_MOMENTS[0])}
        marks = [_uint64(_AMOUNTS[0]), _uint64(_MOMENTS[0])]
        self._id, self._user, *self._parts = _cut(bson.encode(event | marked), marks)
        sizes = [f"{len(part)}s" for part in self._parts]
        self._head = struct.Struct(f"<i{len(self._id)}s12s{len(self._user)}si")
        self._body = struct.Struct(f"<{sizes[0]}Q{sizes[1]}q{sizes[2]}")
        self._size = self._head.size + self._body.size + len(_END)

    def pack(self, entry_id: ObjectId, user: str, cost: int, created: int, more: bytes) -> bytes:
        name, (first, second, last) = user.encode(), self._parts
        size = self._size + len(name) + len(more)
        head = self._head.pack(size, self._id, entry_id.binary, self._user, len(name) + 1)
        return b"".join((head, name, self._body.pack(first, cost, second, created, last), more, _END))


def milliseconds(moment: datetime) -> int:
    """As BSON has a moment: since 1970, without what is less."""
    return (moment - EPOCH) // MILLISECOND


def int_field(name: bytes, value: int) -> bytes:
    return b"\x10%b\0%b" % (name, _int32(value))


def text_field(name: bytes, value: str) -> bytes:
    text = value.encode()
    return b"\x02%b\0%b%b\0" % (name, _int32(len(text) + 1), text)


def fields(document: Document) -> bytes:
    """Any fields, without the size and the end of a document."""
    return bson.encode(document)[4:-1]


def _cut(encoded: bytes, marks: list[bytes]) -> Iterator[bytes]:
    """The parts around the marks, without size and end. Where a name happens to hold a mark, it is cut there."""
    text = _USER.encode()
    rest = encoded[4:-1]
    for mark in (_ID.binary, _int32(len(text) + 1) + text, *marks):
        part, _, rest = rest.partition(mark)
        yield part
    yield rest


def _moment(mark: int) -> datetime:
    return EPOCH + mark * MILLISECOND


def _uint64(mark: int) -> bytes:
    return mark.to_bytes(8, "little")
