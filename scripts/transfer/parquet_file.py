"""Rows of a Parquet file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from scripts.transfer.lines import BLOCK, identity_of
from scripts.transfer.mapping import Mapping, advice
from scripts.transfer.sources import Row, broken


class ParquetFile:
    """A file whose rows are counted: its lines are row 1, 2, …"""

    measure = "rows"

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self.name = str(path)
        self.identity = identity_of(path)
        self._path = path
        self._mapping = mapping

    async def check(self) -> None:
        with self._opened() as file:
            names = file.schema_arrow.names
        if missing := self._mapping.missing(names):
            had = f"(it has {', '.join(names)})"
            raise broken(self.name, f"missing column {', '.join(missing)} {had}{advice(names)}")

    async def total(self) -> int:
        with self._opened() as file:
            return int(file.metadata.num_rows)

    async def pages(self, after: Any, size: int) -> AsyncIterator[list[Row]]:
        done = after or 0
        with self._opened() as file:
            group, number = _group_of(file.metadata, done)
            groups = list(range(group, file.metadata.num_row_groups))
            try:
                for batch in file.iter_batches(size, row_groups=groups):
                    rows = _plain(batch.slice(max(0, done - number))).to_pylist()
                    number += batch.num_rows
                    first = number - len(rows) + 1
                    if rows:
                        yield [Row(f"row {n}", n, values) for n, values in enumerate(rows, first)]
            except (OSError, ValueError) as error:
                raise broken(f"{self.name}, after row {number}", f"cannot be read: {error}") from error

    def _opened(self) -> Any:
        import pyarrow.parquet as pq  # noqa: PLC0415 - large, and for this format alone

        try:
            return pq.ParquetFile(self._path, pre_buffer=False, buffer_size=BLOCK)
        except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
            raise broken(self.name, f"is not a complete Parquet file: {error}") from error


def _plain(batch: Any) -> Any:
    """Moments in ns, as pandas writes them, become whole us: Python holds no more."""
    import pyarrow as pa  # noqa: PLC0415

    for place, column in enumerate(batch.schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            whole = batch.column(place).cast(pa.timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(place, column.name, whole)
    return batch


def _group_of(metadata: Any, row: int) -> tuple[int, int]:
    """The row group that `row` (from 0) is in, and how many rows precede that group."""
    before = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if before + rows > row:
            return group, before
        before += rows
    return metadata.num_row_groups, before
