"""The lines of a text file, compressed or not, each with the place after it."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from scripts.transfer.sources import Row, broken

GZIP = b"\x1f\x8b"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
MAX_LINE = 4_000_000
"""Bytes. A longer line would take all memory: it is passed over where a line is a row, and else ends the import."""
BLOCK = 1 << 20
PAGE_BYTES = 8_000_000
"""Total size of lines held at once, whatever their length."""

Place = tuple[int, int]
"""Bytes, uncompressed, and lines before it."""


class Lines:
    """Iterates over a file from a place. Bytes that are not valid in the encoding come as lone surrogates."""

    def __init__(self, path: Path, encoding: str, after: Place = (0, 0), *, are_rows: bool = False) -> None:
        self._path = path
        self._are_rows = are_rows
        self._encoding = encoding
        self.place = after
        self.ended = True
        """Whether the last line had a line break: without one it may be truncated."""
        self.quoted = False
        """Whether its last character was a quote, which ends a cell."""
        self.too_long = False
        """Whether the last line was, where lines are rows: it is given as an empty one."""

    def __iter__(self) -> Iterator[str]:
        try:
            with opened(self._path) as file:
                file.seek(self.place[0])
                while line := file.readline(MAX_LINE + 1):
                    yield self._text(line, file)
        except (OSError, EOFError, zlib.error) as error:
            raise broken(f"{self._path}, line {self.place[1] + 1}", f"cannot be read: {error}") from error

    def _text(self, line: bytes, file: IO[bytes]) -> str:
        (offset, number), size = self.place, len(line)
        self.too_long = size > MAX_LINE
        if self.too_long and not self._are_rows:
            raise broken(f"{self._path}, line {number + 1}", f"is longer than {MAX_LINE:,} bytes")
        if self.too_long and not line.endswith(b"\n"):
            size += _pass_over_line(file)
        if not offset and line.startswith(UTF_16):
            raise broken(f"{self._path}, line 1", "is UTF-16: convert it to UTF-8 first")
        self.place = offset + size, number + 1
        self.ended = line.endswith(b"\n")
        self.quoted = line.endswith(b'"')
        if self.too_long:
            return ""
        text = line.decode(self._encoding, "surrogateescape")
        return text if offset else text.removeprefix("\ufeff")


def _pass_over_line(file: IO[bytes]) -> int:
    """What is left of a line. Returns how many bytes that are."""
    passed = 0
    while part := file.readline(BLOCK):
        passed += len(part)
        if part.endswith(b"\n"):
            break
    return passed


def opened(path: Path) -> IO[bytes]:
    """The file, inflated where it is gzip by its first bytes. Raises OSError."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")


def identity_of(path: Path) -> str:
    """Distinguishes a file from others, and from earlier content under its name. Raises OSError."""
    state = path.stat()
    return f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"


def paged(rows: Iterable[Row], start: Place, size: int) -> Iterator[list[Row]]:
    """`rows`, of which the first begins at `start`, some at a time: at most `size`, and at most PAGE_BYTES or one."""
    page: list[Row] = []
    for row in rows:
        page.append(row)
        if len(page) == size or row.after[0] - start[0] >= PAGE_BYTES:
            yield page
            page, start = [], row.after
    if page:
        yield page


def count_bytes(path: Path) -> int:
    """How many bytes a file has, uncompressed. A compressed one is read whole, so that a damaged one is found before
    anything of it is written.
    """
    count = lines = 0
    try:
        with opened(path) as file:
            if not isinstance(file, gzip.GzipFile):
                return path.stat().st_size
            while block := file.read(BLOCK):
                count += len(block)
                lines += block.count(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise broken(f"{path}, after line {lines}", f"cannot be read: {error}") from error
    return count


def fault_of(text: str, encoding: str) -> str:
    """What is wrong with the raw text of a row; empty where nothing is."""
    if "\0" in text:
        return f"contains a NUL byte, at character {text.index(chr(0)) + 1}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) - 0xDC00
        return f"byte 0x{byte:02x} at character {error.start + 1} is not valid {encoding}: set encoding in the mapping"
    return ""
