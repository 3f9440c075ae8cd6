"""Writes rows as CSV, JSONL or Parquet, in constant memory, to a file that appears only when it is complete."""

import contextlib
import csv
import gzip
import io
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from models.money import plain
from scripts.transfer.columns import COLUMNS, Kind, Row, rfc3339
from scripts.transfer.neutral import neutralised

ROWS_PER_GROUP = 20_000
"""What Parquet buffers in memory before writing."""
LEVEL = 6
"""Of gzip: as small as its best to a hundredth, in half the time."""


class RowWriter(ABC):
    """Rows of COLUMNS in one format."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Write what is left; the file itself stays open."""


class CsvRows(RowWriter):
    """One header, then one line per call. Absent is empty; numbers are plain decimals, with all digits."""

    def __init__(self, file: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._csv = csv.writer(self._text, lineterminator="\n")
        self._csv.writerow(COLUMNS)

    def write(self, rows: Sequence[Row]) -> None:
        self._csv.writerows(
            ["" if (value := row[name]) is None else written(value) for name, written in _CELLS.items()] for row in rows
        )

    def close(self) -> None:
        self._text.detach()


class JsonRows(RowWriter):
    """One object per line, with every column; decimals are JSON numbers with all their digits."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, rows: Sequence[Row]) -> None:
        self._file.write("".join(map(_json_line, rows)).encode())

    def close(self) -> None:
        """Every line is written already."""


class ParquetRows(RowWriter):
    """Typed columns: decimal128, timestamps in ms UTC; metadata and former costs are JSON text."""

    def __init__(self, file: IO[bytes]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - large, and for this format alone
        import pyarrow.parquet as pq  # noqa: PLC0415

        types = {
            Kind.COUNT: pa.int64(),
            Kind.FLAG: pa.bool_(),
            Kind.AMOUNT: pa.decimal128(34, 15),  # what Decimal128 holds, with the places that are stored
            Kind.MOMENT: pa.timestamp("ms", tz="UTC"),
        }
        self._table = pa.Table
        self._schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in COLUMNS.items()])
        self._parquet = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        self._waiting += [row | {name: _json_or_none(row[name]) for name in _AS_JSON} for row in rows]
        if len(self._waiting) >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._parquet.close()

    def _flush(self) -> None:
        if self._waiting:
            self._parquet.write_table(self._table.from_pylist(self._waiting, self._schema))
        self._waiting = []


FORMATS: dict[str, Callable[[IO[bytes]], RowWriter]] = {"csv": CsvRows, "jsonl": JsonRows, "parquet": ParquetRows}


@contextlib.contextmanager
def output(path: Path | None) -> Iterator[IO[bytes]]:
    """A file to write to, which is renamed to `path` when all went well and else removed; standard output for None.

    It is compressed where the name ends in .gz. Readable only by its owner, since it says what users did.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            with _compressed(file, path) as target:
                yield target
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _compressed(file: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if path.suffix != ".gz":
        yield file
        return
    # no name and no time inside, so that equal rows give equal bytes
    with gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as target:
        yield target  # type: ignore[misc]


def _json_line(row: Row) -> str:
    values = (
        f'"{name}": {"null" if (value := row[name]) is None else written(value)}' for name, written in _JSON.items()
    )
    return "{" + ", ".join(values) + "}\n"


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _json_or_none(value: Any) -> str | None:
    return None if value is None else _json(value)


def _json(value: Any) -> str:
    # all ASCII: some readers take U+2028 and its like for a line break
    return json.dumps(value)


_AS_JSON = [name for name, kind in COLUMNS.items() if kind is Kind.JSON]

Written = dict[str, Callable[[Any], str]]
_WRITTEN: dict[Kind, Callable[[Any], str]] = {
    Kind.COUNT: str,
    Kind.FLAG: _flag,
    Kind.AMOUNT: plain,
    Kind.JSON: _json,
}
_IN_CSV = _WRITTEN | {Kind.MOMENT: rfc3339, Kind.ID: str, Kind.TEXT: neutralised}
_IN_JSON = _WRITTEN | {Kind.MOMENT: lambda moment: f'"{rfc3339(moment)}"', Kind.ID: _json, Kind.TEXT: _json}
_CELLS: Written = {name: _IN_CSV[kind] for name, kind in COLUMNS.items()}
_JSON: Written = {name: _IN_JSON[kind] for name, kind in COLUMNS.items()}
