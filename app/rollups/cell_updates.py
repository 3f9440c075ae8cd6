"""From the usage rows and findings of deltas to updates of cells. Users and conversations: see `subject_updates`."""

from typing import Any

from bson import Decimal128

from models.documents import Document
from models.money import from_units, stored_units
from models.rollups import (
    AMOUNTS,
    CAMPAIGN_TOTALS,
    CAMPAIGNS,
    DAYS,
    EVERYONE,
    FINDINGS,
    HOUR_TOTALS,
    LATENCY,
    MERGE,
    PART,
    SPEEDS,
    TOTALS,
    USAGE,
    USAGE_TOTALS,
)

KEYS = {
    DAYS: ("day", "scope", "synthetic"),
    USAGE: ("day", "scope", "synthetic", *PART),
    LATENCY: ("day", "scope", "synthetic", "provider", "serviceType"),
    SPEEDS: ("day", "scope", "synthetic", *PART),
    FINDINGS: ("day", "scope", "synthetic", "kind", "provider", "model", "name"),
    CAMPAIGNS: ("day", "client", "synthetic", "campaign"),
}
"""The keys of the cells of each collection."""

Key = tuple[Any, ...]


class _Sums:
    """What is added to one cell, by path. Amounts are integers in units of their last decimal."""

    __slots__ = ("amounts", "counts")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.amounts: dict[str, int] = {}

    def add_row(self, row: Document, figures: tuple[str, ...], path: str = "") -> None:
        """Add those `figures` that `row` has, below `path`."""
        for name in figures:
            if (value := row.get(name)) is not None:
                if name in AMOUNTS:
                    self.amounts[path + name] = self.amounts.get(path + name, 0) + stored_units(value)
                else:
                    self.counts[path + name] = self.counts.get(path + name, 0) + value

    def add_counts(self, counts: dict[str, int], path: str) -> None:
        for name, count in counts.items():
            self.counts[path + name] = self.counts.get(path + name, 0) + count

    def add(self, other: "_Sums") -> None:
        for mine, theirs in ((self.counts, other.counts), (self.amounts, other.amounts)):
            for path, value in theirs.items():
                mine[path] = mine.get(path, 0) + value

    def increments(self) -> Document:
        return self.counts | {path: from_units(units) for path, units in self.amounts.items()}


class CellChanges:
    """What deltas add to the cells. Rows are summed by client first, then spread over scopes and collections."""

    def __init__(self) -> None:
        self._figures: dict[Key, _Sums] = {}
        """By day, client, synthetic and part."""
        self._latency: dict[Key, _Sums] = {}
        """By day, client, synthetic, provider and service type."""
        self._speeds: dict[Key, _Sums] = {}
        """By day, client, synthetic and part."""
        self._findings: dict[Key, _Sums] = {}
        """By day, client, synthetic, kind, provider, model and name."""
        self._campaigns: dict[Key, _Sums] = {}
        """By day, client, synthetic and campaign."""

    def add(self, delta: Document) -> None:
        """Add one delta."""
        for row in delta["usage"]:
            where = row["day"], row["client"], row["synthetic"]
            sums = _at(self._figures, (*where, *(row[name] for name in PART)))
            sums.add_row(row, USAGE_TOTALS)
            sums.add_counts(row["statuses"], "statuses.")
            for hour, figures in row["hours"].items():
                sums.add_row(figures, HOUR_TOTALS, f"hours.{hour}.")
            for each in row.get("campaigns", ()):
                of_campaign = _at(self._campaigns, (*where, each["campaign"]))
                of_campaign.add_row(each, CAMPAIGN_TOTALS)
                of_campaign.add_row(each, CAMPAIGN_TOTALS, f"parts.{row['part']}.")
            if row["latency"]:
                sketch = _at(self._latency, (*where, row["provider"], row["serviceType"]))
                sketch.add_counts(row["latency"], "latency.")
            for name, counts in row.get("speeds", {}).items():
                _at(self._speeds, (*where, *(row[each] for each in PART))).add_counts(counts, f"{name}.")
        for row in delta["findings"]:
            names = row["day"], row["client"], row["synthetic"], row["kind"], row["provider"], row["model"], row["name"]
            _at(self._findings, names).add_row(row, TOTALS)

    def updates(self) -> dict[str, list[Document]]:
        """By collection, upserts of its cells, as the `update` command accepts them."""
        cells: dict[str, dict[Key, _Sums]] = {collection: {} for collection in KEYS} | {CAMPAIGNS: self._campaigns}
        for collections, found in (
            ((DAYS, USAGE), self._figures),
            ((DAYS, LATENCY), self._latency),
            ((FINDINGS,), self._findings),
        ):
            for (day, client, synthetic, *names), sums in found.items():
                for scope in (EVERYONE, client):
                    for collection in collections:
                        where = day, scope, synthetic
                        _at(cells[collection], where if collection == DAYS else (*where, *names)).add(sums)
        for (day, client, synthetic, *part), sums in self._speeds.items():
            for scope in (EVERYONE, client):
                for counted_as in parts_of_speeds(*part):
                    _at(cells[SPEEDS], (day, scope, synthetic, *counted_as)).add(sums)
        return {collection: _upserts(KEYS[collection], of_collection) for collection, of_collection in cells.items()}


def parts_of_speeds(provider: str, model: str, service_type: str, feature: str) -> tuple[Key, ...]:
    """What the speeds of a part are counted as: it, its model over all features, and its feature over all models."""
    return (provider, model, service_type, feature), (provider, model, service_type, None), (None, None, None, feature)


def figures_of(cell: Document, path: str = "") -> Document:
    """The figures of a cell that are not zero, by path."""
    found: Document = {}
    for name, value in cell.items():
        if isinstance(value, dict):
            found |= {} if name == "_id" else figures_of(value, f"{path}{name}.")
        elif isinstance(value, Decimal128):
            found |= {path + name: value} if value.to_decimal() else {}
        elif isinstance(value, int) and value and name != MERGE:
            found[path + name] = value
    return found


def _at(sums: dict[Key, _Sums], key: Key) -> _Sums:
    if (found := sums.get(key)) is None:
        found = sums[key] = _Sums()
    return found


def _upserts(names: tuple[str, ...], cells: dict[Key, _Sums]) -> list[Document]:
    return [
        {"q": {"_id": dict(zip(names, key, strict=True))}, "u": {"$inc": sums.increments()}, "upsert": True}
        for key, sums in cells.items()
    ]
