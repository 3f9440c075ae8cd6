"""Every call of a spool, including those that were set aside as refused, for who changes what is stored of a person.

Rows that are no calls any more, and damaged files, are left as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from app.ledger.twins import Pair
from app.spool.journal import Spool
from app.spool.rows import UnreadableRowError, checksum, decoded, encoded

PAGE = 1_000
"""Calls that are rewritten in one transaction."""

Change = Callable[[Pair], Pair | None]


def all_pairs(spool: Spool) -> Iterator[Pair]:
    """Every call, including refused ones. Raises SpoolError."""
    with spool.reading() as connection:
        rows = connection.execute("SELECT pair, crc FROM calls UNION ALL SELECT pair, NULL FROM refused")
        for blob, crc in rows:
            with suppress(UnreadableRowError):
                yield decoded(blob, crc)


def rewrite(spool: Spool, change: Change) -> int:
    """Replace each call, including refused ones, by what `change` returns, except where that is None. Page by page, so
    that others can write in between. Returns how many were changed. Raises SpoolError.
    """
    return _rewritten(spool, "calls", "crc", change) + _rewritten(spool, "refused", "NULL", change)


def _rewritten(spool: Spool, table: str, crc: str, change: Change) -> int:
    changed, last = 0, 0
    keep = "pair = ?, crc = ?" if crc == "crc" else "pair = coalesce(?, ?)"
    while True:
        with spool.transaction() as connection:
            select = f"SELECT rowid, pair, {crc} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"  # noqa: S608 - ours
            rows = connection.execute(select, (last,)).fetchall()
            if not rows:
                return changed
            new = [(blob, checksum(blob), row[0]) for row in rows if (blob := _changed(row[1:], change)) is not None]
            connection.executemany(f"UPDATE {table} SET {keep} WHERE rowid = ?", new)  # noqa: S608 - ours
            changed, last = changed + len(new), rows[-1][0]


def _changed(row: Sequence[object], change: Change) -> bytes | None:
    try:
        pair = change(decoded(*row))  # type: ignore[arg-type]
    except UnreadableRowError:
        return None
    return None if pair is None else encoded(pair)
