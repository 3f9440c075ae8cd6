"""From the usage rows and findings of deltas to updates of cells. Users and conversations: see `subject_cells`."""

from typing import Any

from app.tracking.twins import Document
from models.money import from_units, stored_units
from models.rollups import AMOUNTS, DAYS, EVERYONE, FINDINGS, HOUR_TOTALS, LATENCY, PART, TOTALS, USAGE, USAGE_TOTALS

KEYS = {
    DAYS: ("day", "scope", "synthetic"),
    USAGE: ("day", "scope", "synthetic", *PART),
    LATENCY: ("day", "scope", "synthetic", "provider", "serviceType"),
    FINDINGS: ("day", "scope", "synthetic", "kind", "provider", "model", "name"),
}
"""What the cells of each collection are told apart by."""

Key = tuple[Any, ...]


class _Cell:
    """What is added to one cell, by path. Amounts are whole numbers of their last decimal."""

    __slots__ = ("amounts", "counts")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.amounts: dict[str, int] = {}

    def add(self, row: Document, figures: tuple[str, ...], path: str = "") -> None:
        """Add those `figures` that `row` has, below `path`."""
        for name in figures:
            if (value := row.get(name)) is not None:
                if name in AMOUNTS:
                    self.amounts[path + name] = self.amounts.get(path + name, 0) + stored_units(value)
                else:
                    self.counts[path + name] = self.counts.get(path + name, 0) + value

    def count(self, path: str, value: int) -> None:
        self.counts[path] = self.counts.get(path, 0) + value

    def increments(self) -> Document:
        return self.counts | {path: from_units(units) for path, units in self.amounts.items()}


class CellChanges:
    """What deltas add to the cells of every scope."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[Key, _Cell]] = {collection: {} for collection in KEYS}

    def add(self, delta: Document) -> None:
        """Add one delta."""
        for row in delta["usage"]:
            for scope in (EVERYONE, row["client"]):
                self._add_usage((row["day"], scope, row["synthetic"]), row)
        for row in delta["findings"]:
            for scope in (EVERYONE, row["client"]):
                names = row["kind"], row["provider"], row["model"], row["name"]
                self._cell(FINDINGS, (row["day"], scope, row["synthetic"], *names)).add(row, TOTALS)

    def updates(self, collection: str) -> list[Document]:
        """Upserts of the cells of one collection, as the `update` command takes them."""
        names = KEYS[collection]
        return [
            {"q": {"_id": dict(zip(names, key, strict=True))}, "u": {"$inc": cell.increments()}, "upsert": True}
            for key, cell in self._cells[collection].items()
        ]

    def _add_usage(self, where: Key, row: Document) -> None:
        day = self._cell(DAYS, where)
        for cell in (day, self._cell(USAGE, (*where, *(row[name] for name in PART)))):
            cell.add(row, USAGE_TOTALS)
            for status, count in row["statuses"].items():
                cell.count(f"statuses.{status}", count)
            for hour, figures in row["hours"].items():
                cell.add(figures, HOUR_TOTALS, f"hours.{hour}.")
        if row["latency"]:
            sketch = self._cell(LATENCY, (*where, row["provider"], row["serviceType"]))
            for bucket, count in row["latency"].items():
                day.count(f"latency.{bucket}", count)
                sketch.count(f"latency.{bucket}", count)

    def _cell(self, collection: str, key: Key) -> _Cell:
        cells = self._cells[collection]
        if (cell := cells.get(key)) is None:
            cell = cells[key] = _Cell()
        return cell
