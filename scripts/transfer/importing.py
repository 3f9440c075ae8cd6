"""The work of `import_usage`: rows become pairs, pairs become calls of the ledger, and the rest becomes rejects."""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from app.ledger.outcomes import Outcome
from app.ledger.twins import Pair
from app.tracking import ReceiptStatus
from models.documents import Document
from scripts.toolkit.call_store import Store
from scripts.toolkit.job import Job, Page, Summary, ahead
from scripts.transfer.calls import Calls, RowError
from scripts.transfer.conventions import ADVICE, proves_exclusive
from scripts.transfer.entries import Entries
from scripts.transfer.groups import Groups
from scripts.transfer.mapping import Mapping
from scripts.transfer.rejects import Rejects
from scripts.transfer.seen import Met, SeenIds, digest
from scripts.transfer.sources import Row, Source, broken
from scripts.transfer.sums import SumsError, is_midnight
from scripts.transfer.together import Group, Place
from scripts.transfer.values import UnreadableError

PAGE = 1_000
SHOWN = 10

_DELETED = (
    "createdAt: is before {}, and retention has deleted the calls of that time but not their totals: "
    "this one may be counted already"
)
_UNNAMED = (
    "look like counts that the mapping does not name, so calls with them are unpriced unless their row has a cost: "
    "map them, or list them under ignore"
)
_FREE = "where 0 means unknown, set zero_is_unknown for the cost in the mapping"

NEW, KNOWN, REJECTED, LEFT_OUT = "new", "known", "rejected", "left out"
MERGED = "told again"
"""Rows of a call that another row tells better."""


class Read(NamedTuple):
    """A call, and what it says, digested."""

    pair: Pair
    said: bytes


Judged = tuple[str, str]
"""What comes of a row, and why."""


class Item(NamedTuple):
    """A row, or several rows of one call, and the source."""

    source: str
    group: Group
    found: "Read | Judged"

    @property
    def place(self) -> str:
        return f"{self.source}, {self.group.line}"


@dataclass(slots=True)
class _Message(Pair):
    """A call of a transcript, which copies of it in other transcripts tell again, under their own name."""

    def said_by(self, entry: Document) -> Document:
        said = Pair.said_by(self, entry)
        return {name: value for name, value in said.items() if name not in {"conversationId", "createdAt"}}


class Import(Job[Item]):
    """Imports `sources`, one after the other. Pages are safe to repeat, because ids follow from rows."""

    name = "import_usage"
    what = "rows"
    counts = (NEW, KNOWN, REJECTED, LEFT_OUT)
    worth_a_look = (REJECTED,)

    def __init__(
        self,
        sources: Sequence[Source],
        mapping: Mapping,
        store: Store,
        rejects: Rejects,
        seen: SeenIds,
        *,
        as_sums: bool = False,
    ) -> None:
        self._sources = sources
        self._mapping = mapping
        self._calls = Calls(mapping, as_sums=as_sums)
        self._as_sums = as_sums
        self._store = store
        self._entries = Entries(store.recorder)
        self._rejects = rejects
        self._seen = seen
        self._shown: list[str] = []
        self._groups = Groups(mapping, self._calls)
        self._total = self._free = 0
        self.what = " and ".join(sorted({source.measure for source in sources}))

    def key(self) -> dict[str, Any]:
        told = "\n".join([*(source.identity for source in self._sources), self._mapping.model_dump_json()])
        return {"sources": hashlib.sha256(f"{told}\n{self._as_sums}".encode()).hexdigest()}

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:  # noqa: ARG002 - the same for all
        """Before anything is written: that no file is one of sums, and that none leaves the cache out of the input
        where nothing says so. Raises InvalidRequestError.
        """
        self._total = sum([await source.total() for source in self._sources])
        mapping, is_open = self._mapping, self._calls.conventions.open
        if not mapping.entries and (is_open or mapping.of_sums or not mapping.has_own_ids):
            for source in self._sources:
                async for rows in source.pages(None, PAGE):
                    self._look_through(source, rows)
                    if not is_open:
                        break
        yield

    async def total(self) -> int:
        return self._total

    def pages(self, after: Any) -> AsyncGenerator[Page[Item], None]:
        return ahead(self._prepared(after))

    async def _prepared(self, after: Any) -> AsyncGenerator[Page[Item], None]:
        first, place, size = (0, None, 0) if after is None else (after["source"], after["place"], after["rejects"])
        self._rejects.begin(size)
        start = Place(None, {}, {}) if place is None else Place(**place)
        for number, source in enumerate(self._sources[first:], first):
            async for groups, behind in self._groups.of(source, start, PAGE):
                # the size of the rejects file is known when the page is done
                after = {"source": number, "place": behind._asdict(), "rejects": 0}
                items = [Item(source.name, group, self._read_off(group)) for group in groups]
                yield Page(items, after, sum(each.size for each in groups))
            start = Place(None, {}, {})

    async def do(self, page: Page[Item], *, execute: bool) -> Counter[str]:
        await self._store.refresh()
        found = [self._checked(item.found) for item in page.items]
        pairs = [read.pair for read in found if isinstance(read, Read)]
        outcomes = await (self._store.commit(pairs) if execute else self._store.look(pairs))
        counts: Counter[str] = Counter()
        rejected = []
        for item, (what, why) in zip(page.items, self._judged(page.items, found, outcomes), strict=True):
            counts[what] += 1
            if item.group.rows > 1:
                counts[MERGED] += item.group.rows - 1
            if what == REJECTED:
                rejected.append((item, why))
        page.after["rejects"] = self._rejects.add([self._noted(item, why) for item, why in rejected])
        self._shown += [f"{item.place}: {why}" for item, why in rejected[: SHOWN - len(self._shown)]]
        return counts

    async def finish(self, summary: Summary) -> None:
        if summary.executed:
            await self._store.merge()
        columns = self._groups.columns
        summary.notes += self._shown
        if summary.counts[REJECTED] and self._rejects.path is not None:
            summary.notes.append(f"rejected rows: {self._rejects.path}")
        if columns and (unseen := self._mapping.missing(columns)):
            summary.notes.append(f"no row has {', '.join(unseen)}, which the mapping names")
        if self._free:
            summary.notes.append(f"{self._free:,} calls with tokens cost 0, by their rows: {_FREE}")
        if unnamed := self._calls.unnamed:
            summary.notes.append(f"{', '.join(sorted(unnamed))}: {_UNNAMED}")
        heads = {name.split(".")[0] for name in self._mapping.columns}
        if unused := sorted(columns - heads - self._mapping.columns - unnamed):
            summary.notes.append(f"not imported, because the mapping does not name it: {', '.join(unused)}")

    def _look_through(self, source: Source, rows: list[Row]) -> None:
        times = []
        for row in rows:
            try:
                if row.values is None or not self._calls.wanted(row.values):
                    continue
                told = self._calls.read(row.values, source.name, row.line)
            except (RowError, UnreadableError):
                continue
            if self._calls.conventions.open and not told.fields.get("tokens_used") and proves_exclusive(told.fields):
                raise broken(f"{source.name}, {row.line}", f"the cache is more than the input: {ADVICE}")
            times.append(told.fields["created_at"])
        if times and not self._mapping.has_own_ids and not self._as_sums and all(map(is_midnight, times)):
            raise SumsError(source.name)

    def _read_off(self, group: Group) -> Read | Judged:
        if group.told is None:
            return (REJECTED, group.fault) if group.fault else (LEFT_OUT, "")
        try:
            pair = self._recorded(group)
        except (RowError, UnreadableError) as error:
            return REJECTED, str(error)
        return Read(pair, digest(pair))

    def _checked(self, found: Read | Judged) -> Read | Judged:
        if isinstance(found, Read) and (whole_from := self._store.deleted_before(found.pair)) is not None:
            return REJECTED, _DELETED.format(whole_from)
        return found

    def _recorded(self, group: Group) -> Pair:
        assert group.told is not None  # noqa: S101 - see _pair
        if self._mapping.entries:
            assert group.row is not None  # noqa: S101 - entries are taken from their row
            return self._entries.pair_of(group.row)
        call = self._calls.call(group.told)
        self._free += call.cost == 0 and not call.cached and bool(call.tokens_used or call.usage.total_tokens)
        pair = self._store.recorder.record(call, datetime.now(UTC)).pair
        if self._mapping.rows is None:
            return pair
        return _Message(pair.id, pair.entry, pair.event, pair.stamped)

    def _judged(
        self, items: Sequence[Item], found: Sequence[Read | Judged], outcomes: Sequence[Outcome]
    ) -> Iterator[Judged]:
        """What comes of each row. Those that are refused are not seen, so that a later one of that id is the first."""
        outcome_of = iter(outcomes)
        told = [next(outcome_of) if isinstance(read, Read) else None for read in found]
        firsts = iter(
            self._seen.meet(
                (read.pair.id, read.said, item.place)
                for item, read, outcome in zip(items, found, told, strict=True)
                if isinstance(read, Read) and outcome is not None and outcome.status is not ReceiptStatus.REJECTED
            )
        )
        for read, outcome in zip(found, told, strict=True):
            if outcome is None:
                yield cast("Judged", read)
            elif outcome.status is ReceiptStatus.REJECTED:
                yield REJECTED, outcome.reason or ""
            else:
                yield _met(outcome, next(firsts))

    def _noted(self, item: Item, why: str) -> dict[str, Any]:
        """A rejected row: of others than our own only the columns that the mapping names, as the rest may hold prompts
        and answers.
        """
        row = item.group.row
        if row is not None and not self._mapping.entries:
            row = self._groups.named(row)
        return {"source": item.source, "at": item.group.line, "reason": why, **({} if row is None else {"row": row})}


def _met(outcome: Outcome, first: Met | None) -> Judged:
    if outcome.conflicting or (first is not None and not first.same):
        where = "the ledger" if first is None else first.where
        return REJECTED, f"a call with this id is already in {where} and differs; the first one stands"
    return (NEW if outcome.status is ReceiptStatus.COMMITTED and first is None else KNOWN), ""
