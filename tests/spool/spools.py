"""What tests look at in a spool."""

import sqlite3

from app.ledger.twins import Pair
from app.spool.journal import Spool


def waiting(spool: Spool, limit: int = 10_000) -> list[Pair]:
    """The calls that wait, the oldest first."""
    page = spool.page(limit)
    return [] if page is None else [each.pair for each in page.calls]


def connection_of(spool: Spool) -> sqlite3.Connection:
    """Its connection, to look or to do harm."""
    assert spool._connection is not None
    return spool._connection
