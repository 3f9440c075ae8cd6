"""Rows of a damaged SQLite file, read page by page without SQLite, which gives up on the whole.

The file format is documented and stable (sqlite.org/fileformat2.html). Every leaf page of a table says by itself which
rows it has, so that neither the header nor the pages above it are needed. Pages of the journal beside it (`-wal`)
replace those of the file, up to its last commit. Rows that were deleted may be found again.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

HEADER_BYTES = 100
MAGIC = b"SQLite format 3\0"
TABLE_LEAF = 13
INDEX_PAGES = {2: (12, 4), 10: (8, 0)}
"""Kinds of pages with keys: the bytes of their headers, and of what is in front of each key."""
WAL_MAGIC = (0x377F0682, 0x377F0683)
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
USUAL_PAGE = 4_096
PAGE_SIZES = {2**n for n in range(9, 17)}
LONGEST_ROW = 64_000_000
"""Bytes; a longer one is damage."""
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_CONSTANTS = {0: None, 8: 0, 9: 1}

Value = bytes | str | int | None


class BadRow(NamedTuple):
    """A row of a page that cannot be read."""

    page: int
    why: str


class DamagedFile:
    """A file, and the journal beside it, as pages."""

    def __init__(self, path: Path) -> None:
        self._data, self._log = _content(path), _content(path.with_name(path.name + "-wal"))
        self._has_header = self._data[: len(MAGIC)] == MAGIC
        self._size = self._page_size()
        self._usable = self._size - (self._data[20] if self._has_header else 0)
        self._in_log = self._committed()
        # and no range up to the last one: a damaged number would be one of four thousand million
        self._pages = sorted({*range(1, len(self._data) // self._size + 1), *self._in_log})

    def rows(self) -> Iterator[list[Value] | BadRow]:
        """The rows of all tables, in no order."""
        for number in self._pages:
            yield from self._rows_of(number)

    def keys(self) -> Iterator[list[Value]]:
        """The keys of all indexes, each with the number of its row, in no order, as far as they can be read."""
        for number in self._pages:
            page = self._page(number)
            if not page or page[0] not in INDEX_PAGES:
                continue
            header, before = INDEX_PAGES[page[0]]
            count = int.from_bytes(page[3:5])
            for place in range(header, min(header + 2 * count, self._usable - 1), 2):
                try:
                    length, at = _varint(page, int.from_bytes(page[place : place + 2]) + before)
                    yield _values(page[at : at + length])
                except (ValueError, IndexError):
                    continue

    def _page_size(self) -> int:
        sizes = [int.from_bytes(self._data[16:18])] if self._has_header else []
        if int.from_bytes(self._log[:4]) in WAL_MAGIC:
            sizes.append(int.from_bytes(self._log[8:12]))
        return next((size for each in sizes if (size := 65_536 if each == 1 else each) in PAGE_SIZES), USUAL_PAGE)

    def _committed(self) -> dict[int, int]:
        """Where in the journal the newest committed content of each page is."""
        found: dict[int, int] = {}
        begun: dict[int, int] = {}
        for at in _frames(self._log, self._size):
            begun[int.from_bytes(self._log[at : at + 4])] = at + FRAME_HEADER_BYTES
            if _ends_transaction(self._log, at):
                found |= begun
                begun = {}
        return found

    def _page(self, number: int) -> bytes:
        if (at := self._in_log.get(number)) is not None:
            return self._log[at : at + self._size]
        return self._data[(number - 1) * self._size : number * self._size]

    def _rows_of(self, number: int) -> Iterator[list[Value] | BadRow]:
        page = self._page(number)
        start = HEADER_BYTES if number == 1 else 0
        if len(page) <= start + 8 or page[start] != TABLE_LEAF:
            return
        count = int.from_bytes(page[start + 3 : start + 5])
        for place in range(start + 8, min(start + 8 + 2 * count, self._usable - 1), 2):
            try:
                yield _values(self._payload(page, int.from_bytes(page[place : place + 2])))
            except (ValueError, IndexError) as error:
                yield BadRow(number, str(error))

    def _payload(self, page: bytes, at: int) -> bytes:
        """The content of the cell at an offset, with what of it is on further pages."""
        length, at = _varint(page, at)
        _, at = _varint(page, at)
        if not 0 < length <= LONGEST_ROW:
            raise ValueError(f"a row of {length:,} bytes")
        here = self._local(length)
        found = [page[at : at + here]]
        if len(found[0]) < here:
            raise ValueError("a row that is longer than its page")
        missing, following = length - here, int.from_bytes(page[at + here : at + here + 4])
        while missing > 0:
            further = self._page(following) if following else b""
            if len(further) < self._usable:
                raise ValueError("a row whose rest is on no page")
            found.append(further[4 : 4 + min(missing, self._usable - 4)])
            missing, following = missing - len(found[-1]), int.from_bytes(further[:4])
        return b"".join(found)

    def _local(self, length: int) -> int:
        """How many bytes of a row are on its own page."""
        if length <= self._usable - 35:
            return length
        least = (self._usable - 12) * 32 // 255 - 23
        most = least + (length - least) % (self._usable - 4)
        return most if most <= self._usable - 35 else least


def _content(path: Path) -> bytes | mmap.mmap:
    if not path.exists() or not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def is_torn(log: bytes) -> bool:
    """Whether SQLite would read less of a journal than was committed: it stops at the first wrong checksum, and deletes
    what follows. The end of a transaction that a kill cut short is no damage: nobody was told that it was written.
    """
    if len(log) <= WAL_HEADER_BYTES:
        return False
    size = int.from_bytes(log[8:12])
    magic = int.from_bytes(log[:4])
    if magic not in WAL_MAGIC or size not in PAGE_SIZES:
        return True
    if not _has_sound_header(log):
        return True
    order, sums, sound = _order(log), _stored_sums(log, 24), True
    for at in _frames(log, size):
        if sound:
            sums = _checksum(log[at : at + 8], order, sums)
            sums = _checksum(log[at + FRAME_HEADER_BYTES : at + FRAME_HEADER_BYTES + size], order, sums)
            sound = sums == _stored_sums(log, at + 16)
        if not sound and _ends_transaction(log, at):
            return True
    return False


def _frames(log: bytes | mmap.mmap, size: int) -> Iterator[int]:
    """The offsets of the pages in a journal, without those of its earlier rounds, which have other salts."""
    places = range(WAL_HEADER_BYTES, len(log) - FRAME_HEADER_BYTES - size + 1, FRAME_HEADER_BYTES + size)
    salts = log[16:24]
    # where it is sound, and no page is of its round, the process was killed before it wrote the first one
    if places and not _has_sound_header(log) and all(log[at + 8 : at + 16] != salts for at in places):
        salts = log[places[0] + 8 : places[0] + 16]
    yield from (at for at in places if log[at + 8 : at + 16] == salts)


def _order(log: bytes | mmap.mmap) -> Literal["big", "little"]:
    return "big" if log[3] & 1 else "little"


def _has_sound_header(log: bytes | mmap.mmap) -> bool:
    return _checksum(log[:24], _order(log), (0, 0)) == _stored_sums(log, 24)


def _ends_transaction(log: bytes | mmap.mmap, at: int) -> bool:
    return log[at + 4 : at + 8] != bytes(4)


def _stored_sums(log: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    return int.from_bytes(log[at : at + 4]), int.from_bytes(log[at + 4 : at + 8])


def _checksum(data: bytes, order: Literal["big", "little"], sums: tuple[int, int]) -> tuple[int, int]:
    one, two = sums
    words = struct.unpack(f"{'>' if order == 'big' else '<'}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _values(row: bytes) -> list[Value]:
    end, at = _varint(row, 0)
    kinds, values = [], []
    while at < end:
        kind, at = _varint(row, at)
        kinds.append(kind)
    for kind in kinds:
        size = _size(kind)
        raw = row[at : at + size]
        if len(raw) < size:
            raise ValueError("a row that ends before its last column")
        values.append(_value(kind, raw))
        at += size
    return values


def _size(kind: int) -> int:
    if kind in _INTEGERS:
        return _INTEGERS[kind]
    if kind in _CONSTANTS:
        return 0
    if kind == 7:  # noqa: PLR2004 - a float, which no table of ours has
        return 8
    if kind < 12:  # noqa: PLR2004 - the first blob
        raise ValueError(f"a column of the unknown kind {kind}")
    return (kind - 12) // 2


def _value(kind: int, raw: bytes) -> Value:
    if kind in _CONSTANTS:
        return _CONSTANTS[kind]
    if kind in _INTEGERS:
        return int.from_bytes(raw, signed=True)
    return raw.decode(errors="replace") if kind > 12 and kind % 2 else raw  # noqa: PLR2004


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset, of one to nine bytes, and the offset after it. Raises IndexError."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:  # noqa: PLR2004 - no byte follows
            return value, place + 1
    return value << 8 | data[at + 8], at + 9
