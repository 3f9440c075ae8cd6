"""Corrections: deltas with the differences where entries of the ledger are changed or deleted.

They are merged like all deltas, so that cells, deltas and ledger agree at every moment, however much waits. A recount
that read the ledger before a correction leaves it alone, as it does with a delta. User activity is only ever added to:
a correction does not take a user's day away.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from bson import Decimal128

from app.rollups.deltas import Key, delta_of
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.rollups.usage_sums import Row
from models.documents import Document
from models.money import from_units, stored_units
from models.rollups import AMOUNTS, CORRECTS, PART, VARIANT

_USAGE = ("day", "client", "synthetic", *PART, "part")
_FINDING = ("day", "client", "synthetic", "kind", "provider", "model", "name")
_SUBJECTS = {
    "users": ("user",),
    "conversations": ("conversation",),
    "campaigns": ("campaign",),
    "variants": VARIANT,
}
_NOTHING: Row = {"statuses": {}, "latency": {}, "hours": {}, "users": [], "conversations": []}

Sums = dict[str, Any]
"""Figures by name, or by two names. Amounts are integers in units of their last decimal."""


async def correction(
    before: Sequence[Document], after: Sequence[Document], local_time: LocalTime, caps: NameCaps
) -> Document:
    """The delta that subtracts entries as they were `before` and adds them as they are `after`.

    Names that were counted under `other` are counted so again: names are only ever admitted. Raises PyMongoError.
    """
    taken, given = [await asyncio.to_thread(delta_of, entries, local_time, caps) for entries in (before, after)]
    usage = _difference(map(_by_subject, taken["usage"]), map(_by_subject, given["usage"]), _USAGE)
    return {
        **given,
        **CORRECTS,
        # `calls` is how a merge measures its work
        "calls": taken["calls"] + given["calls"],
        "days": sorted({*taken["days"], *given["days"]}),
        "usage": [_NOTHING | _with_subjects(row) for row in usage],
        "findings": _difference(taken["findings"], given["findings"], _FINDING),
    }


def _difference(taken: Iterable[Row], given: Iterable[Row], names: tuple[str, ...]) -> list[Row]:
    """The rows, keyed by `names`, in which figures differ, with those figures."""
    found: dict[Key, Sums] = {}
    for rows, sign in ((taken, -1), (given, 1)):
        for row in rows:
            key = tuple(row[name] for name in names)
            _add(found.setdefault(key, {}), {name: row[name] for name in row.keys() - names}, sign)
    changed = ((key, _without_zeros(sums)) for key, sums in found.items())
    return [dict(zip(names, key, strict=True)) | figures for key, figures in changed if figures]


def _add(sums: Sums, figures: Row, sign: int) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            _add(sums.setdefault(name, {}), value, sign)
        else:
            sums[name] = sums.get(name, 0) + sign * (stored_units(value) if isinstance(value, Decimal128) else value)


def _without_zeros(sums: Sums) -> Row:
    found: Row = {}
    for name, value in sums.items():
        if isinstance(value, dict):
            if inner := _without_zeros(value):
                found[name] = inner
        elif value:
            found[name] = from_units(value) if name in AMOUNTS else value
    return found


def _by_subject(row: Row) -> Row:
    """Users, conversations and the like by their names, in place of lists."""
    subjects = {
        subjects: {
            tuple(each[name] for name in names): {key: each[key] for key in each.keys() - names}
            for each in row.get(subjects, ())
        }
        for subjects, names in _SUBJECTS.items()
    }
    return row | subjects


def _with_subjects(row: Row) -> Row:
    lists = {
        subjects: [dict(zip(names, named, strict=True)) | figures for named, figures in row[subjects].items()]
        for subjects, names in _SUBJECTS.items()
        if subjects in row
    }
    return row | lists
