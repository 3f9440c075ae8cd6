"""The work of `import_usage`: rows become pairs, pairs become calls of the ledger, and the rest becomes rejects."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.ledger.outcomes import Outcome
from app.ledger.twins import Pair
from app.tracking import ReceiptStatus
from scripts.toolkit.call_store import Store
from scripts.toolkit.job import Job, Page, Summary
from scripts.transfer.calls import Calls, RowError
from scripts.transfer.entries import pair_of
from scripts.transfer.mapping import Mapping
from scripts.transfer.rejects import Rejects
from scripts.transfer.seen import SeenIds
from scripts.transfer.sources import Row, Source
from scripts.transfer.values import UnreadableError

PAGE = 1_000
SHOWN = 10
MAX_COLUMNS = 500
"""How many column names are remembered for the notes at the end."""

_DELETED = (
    "createdAt: is before {}, and retention has deleted the calls of that time but not their totals: "
    "this one may be counted already"
)

NEW, KNOWN, REJECTED, LEFT_OUT = "new", "known", "rejected", "left out"


class Item(NamedTuple):
    """A row and its source."""

    source: str
    row: Row

    @property
    def place(self) -> str:
        return f"{self.source}, {self.row.line}"


class Import(Job[Item]):
    """Imports `sources`, one after the other. Pages are safe to repeat, because ids follow from rows."""

    name = "import_usage"
    what = "rows"
    counts = (NEW, KNOWN, REJECTED, LEFT_OUT)
    worth_a_look = (REJECTED,)

    def __init__(
        self, sources: Sequence[Source], mapping: Mapping, store: Store, rejects: Rejects, seen: SeenIds
    ) -> None:
        self._sources = sources
        self._mapping = mapping
        self._calls = Calls(mapping)
        self._store = store
        self._rejects = rejects
        self._seen = seen
        self._shown: list[str] = []
        self._columns: set[str] = set()

    def key(self) -> dict[str, Any]:
        told = "\n".join([*(source.identity for source in self._sources), self._mapping.model_dump_json()])
        return {"sources": hashlib.sha256(told.encode()).hexdigest()}

    async def total(self) -> int:
        return sum([await source.total() for source in self._sources])

    async def pages(self, after: Any) -> AsyncIterator[Page[Item]]:
        first, place, size = (0, None, 0) if after is None else (after["source"], after["place"], after["rejects"])
        self._rejects.begin(size)
        for number, source in enumerate(self._sources[first:], first):
            async for rows in source.pages(place, PAGE):
                # the size of the rejects file is known when the page is done
                after = {"source": number, "place": rows[-1].after, "rejects": 0}
                yield Page([Item(source.name, row) for row in rows], after)
            place = None

    async def do(self, page: Page[Item], *, execute: bool) -> Counter[str]:
        await self._store.refresh()
        read = [(item, self._read(item.row)) for item in page.items]
        pairs = [pair for _, pair in read if isinstance(pair, Pair)]
        outcomes = iter(await (self._store.commit(pairs) if execute else self._store.look(pairs)))
        counts: Counter[str] = Counter()
        rejected = []
        for item, found in read:
            what, why = self._judged(item, found, next(outcomes)) if isinstance(found, Pair) else found
            counts[what] += 1
            if what == REJECTED:
                rejected.append((item, why))
        page.after["rejects"] = self._rejects.add([_noted(item, why) for item, why in rejected])
        self._shown += [f"{item.place}: {why}" for item, why in rejected[: SHOWN - len(self._shown)]]
        return counts

    async def finish(self, summary: Summary) -> None:
        if summary.executed:
            await self._store.merge()
        summary.notes += self._shown
        if summary.counts[REJECTED] and self._rejects.path is not None:
            summary.notes.append(f"rejected rows: {self._rejects.path}")
        if self._columns and (unseen := self._mapping.missing(self._columns)):
            summary.notes.append(f"no row has {', '.join(unseen)}, which the mapping names")
        heads = {name.split(".")[0] for name in self._mapping.columns}
        if unused := sorted(self._columns - heads - self._mapping.columns):
            summary.notes.append(f"not imported, because the mapping does not name it: {', '.join(unused)}")

    def _read(self, row: Row) -> Pair | tuple[str, str]:
        if row.values is None:
            return REJECTED, row.fault
        try:
            if (pair := self._pair(row.values)) is None:
                return LEFT_OUT, ""
        except (RowError, UnreadableError) as error:
            return REJECTED, str(error)
        if (whole_from := self._store.deleted_before(pair)) is not None:
            return REJECTED, _DELETED.format(whole_from)
        return pair

    def _pair(self, values: dict[str, Any]) -> Pair | None:
        """None for a row that is not wanted."""
        if self._mapping.entries:
            return pair_of(values, self._store.recorder)
        self._remember(values)
        if not self._calls.wanted(values):
            return None
        return self._store.recorder.record(self._calls.call(values), datetime.now(UTC)).pair

    def _judged(self, item: Item, pair: Pair, outcome: Outcome) -> tuple[str, str]:
        if outcome.status is ReceiptStatus.REJECTED:
            return REJECTED, outcome.reason or ""
        first = self._seen.meet(pair, item.place)
        if outcome.conflicting or (first is not None and not first.same):
            where = "the ledger" if first is None else first.where
            return REJECTED, f"a call with this id is already in {where} and differs; the first one stands"
        return (NEW if outcome.status is ReceiptStatus.COMMITTED and first is None else KNOWN), ""

    def _remember(self, values: dict[str, Any]) -> None:
        if len(self._columns) < MAX_COLUMNS:
            self._columns.update(values)
            self._columns.update(column for column in self._mapping.columns if "." in column and _has(values, column))


def _has(values: Any, column: str) -> bool:
    for name in column.split("."):
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


def _noted(item: Item, why: str) -> dict[str, Any]:
    row = {} if item.row.values is None else {"row": item.row.values}
    return {"source": item.source, "at": item.row.line, "reason": why, **row}
