"""Corrections: deltas that move calls from one user or conversation to another, and leave every other figure alone.

They are merged like all deltas, so that cells, deltas and ledger agree at every moment, however much waits. A recount
that read the ledger before a correction leaves it alone, as it does with a delta.
"""

from collections.abc import Sequence

from bson import Decimal128

from app.tracking.increments import LocalTime, Row, delta_of
from app.tracking.name_caps import NameCaps
from app.tracking.twins import Document
from models.money import from_units, stored_units
from models.rollups import PART

_ROW = ("day", "client", "synthetic", *PART, "part")


async def correction(
    before: Sequence[Document], after: Sequence[Document], local_time: LocalTime, caps: NameCaps
) -> Document:
    """The delta that takes entries away as they stood `before` and adds them as they stand `after`.

    They must differ in user and conversation alone. Raises PyMongoError.
    """
    taken, given = [await delta_of(entries, local_time, caps) for entries in (before, after)]
    rows = [_subjects(row, -1) for row in taken["usage"]] + [_subjects(row, 1) for row in given["usage"]]
    # `calls` is what a merge measures its work by
    return {**given, "calls": taken["calls"] + given["calls"], "usage": rows, "findings": []}


def _subjects(row: Row, sign: int) -> Row:
    users, conversations = (
        [{name: _signed(value, sign) for name, value in subject.items()} for subject in row[subjects]]
        for subjects in ("users", "conversations")
    )
    figures = {"statuses": {}, "latency": {}, "hours": {}, "users": users, "conversations": conversations}
    return {**{name: row[name] for name in _ROW}, **figures}


def _signed(value: object, sign: int) -> object:
    if isinstance(value, Decimal128):
        return from_units(sign * stored_units(value))
    return sign * value if isinstance(value, int) else value
