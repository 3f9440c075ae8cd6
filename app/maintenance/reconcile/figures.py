"""The figures of cells in one form, whether stored, waiting in deltas, or from a recount."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from bson import Decimal128

from app.rollups.cell_updates import CellChanges, figures_of
from models.documents import Document
from models.rollups import (
    CONVERSATION_TOTALS,
    CONVERSATIONS,
    USER_MONTHS,
    USER_TOTALS,
    USERS,
    VARIANT,
    VARIANT_TOTALS,
    VARIANTS,
)

Cell = tuple[str, tuple[tuple[str, Any], ...]]
"""A collection, and the names and values of a key in it, in order."""
Number = int | Decimal


class Figures:
    """Figures of cells by path. Zero is equivalent to absent."""

    def __init__(self) -> None:
        self.cells: dict[Cell, dict[str, Number]] = {}

    def add(self, collection: str, key: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
        """Add to one cell."""
        cell = self.cells.setdefault(cell_of(collection, key), {})
        for path, value in figures.items():
            cell[path] = cell.get(path, 0) + (value.to_decimal() if isinstance(value, Decimal128) else value)

    def add_stored(self, collection: str, document: Document) -> None:
        """Add a stored cell."""
        self.add(collection, document["_id"], figures_of(document))

    def add_rows(self, rows: Document, day: str) -> None:
        """Add the figures of a delta that are not merged, of one day."""
        changes = CellChanges()
        changes.add({name: [row for row in rows[name] if row["day"] == day] for name in ("usage", "findings")})
        for collection, updates in changes.updates().items():
            for update in updates:
                self.add(collection, update["q"]["_id"], update["u"]["$inc"])

    def add_subjects(self, rows: Document, day: str) -> None:
        """Add the users, conversations and variants of a delta, of one day."""
        for row in rows["usage"]:
            if row["day"] == day:
                where = {name: row[name] for name in ("day", "client", "synthetic")}
                for user in row["users"]:
                    figures = {name: user[name] for name in USER_TOTALS if name in user}
                    by_part = {f"parts.{row['part']}.{name}": value for name, value in figures.items()}
                    self.add(USERS, {**where, "user": user["user"]}, figures | by_part)
                for each in row.get("variants", ()):
                    key = {**where, **{name: each[name] for name in VARIANT}}
                    self.add(VARIANTS, key, {name: each[name] for name in VARIANT_TOTALS if name in each})
                for each in row["conversations"]:
                    figures = {name: each[name] for name in CONVERSATION_TOTALS if name in each}
                    self.add(CONVERSATIONS, {**where, "conversation": each["conversation"]}, figures)

    def forget(self, *collections: str) -> None:
        """Leave their cells out."""
        self.cells = {cell: figures for cell, figures in self.cells.items() if cell[0] not in collections}

    def differences(self, other: "Figures") -> Iterator[tuple[Cell, dict[str, tuple[Number, Number]]]]:
        """By cell: the figures that differ, as they are here and there."""
        for cell in {**self.cells, **other.cells}:
            mine, theirs = self.cells.get(cell, {}), other.cells.get(cell, {})
            paths = [path for path in {**mine, **theirs} if mine.get(path, 0) != theirs.get(path, 0)]
            if paths:
                yield cell, {path: (mine.get(path, 0), theirs.get(path, 0)) for path in sorted(paths)}


def cell_of(collection: str, key: Mapping[str, Any]) -> Cell:
    return collection, tuple(sorted(key.items()))


def active_in(rows: Document, day: str) -> Iterator[tuple[Cell, str]]:
    """The months of users that a delta has active on a day, and the part of each."""
    for row in rows["usage"]:
        if row["day"] == day:
            where = {"month": day[:7], "client": row["client"], "synthetic": row["synthetic"]}
            for user in row["users"]:
                yield cell_of(USER_MONTHS, {**where, "user": user["user"]}), row["part"]
