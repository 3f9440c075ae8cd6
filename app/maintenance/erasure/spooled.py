"""Erasure of calls that wait in the spool."""

from dataclasses import replace

from app.ledger.twins import Pair
from app.maintenance.erasure.pseudonyms import Rename, erased_pair
from app.spool.journal import Spool
from app.spool.rewriting import all_pairs, rewrite


def spooled_of(spool: Spool, rename: Rename) -> int:
    """How many calls `erased_in_spool` would rename. Raises SpoolError."""
    return sum(rename.concerns(pair.entry) or rename.knows(pair.event) for pair in all_pairs(spool))


def erased_in_spool(spool: Spool, rename: Rename) -> int:
    """Rename calls that wait for MongoDB, and those that it refused. Returns how many. Raises SpoolError."""

    def change(pair: Pair) -> Pair | None:
        entry, event = erased_pair(pair.entry, pair.event, rename)
        return None if entry is pair.entry and event is pair.event else replace(pair, entry=entry, event=event)

    changed = rewrite(spool, change)
    spool.shrink()  # or the old names would stay in SQLite's log for a while
    return changed
