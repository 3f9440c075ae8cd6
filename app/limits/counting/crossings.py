"""Which thresholds of limits are crossed by what was counted. Each is told at least once, by whatever process."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime

from cachetools import LRUCache

from app.limits.counting.counters import Counters, CountingError
from app.limits.counting.fold_steps import Folded
from app.limits.definitions import Definitions
from app.limits.meters import Applied, Caller, CounterKey, Purpose, Subject, decimal_of, units_of
from models.alerts import Crossing
from models.alerts import crossed as crossed_by
from models.money import ZERO

MOST_TOLD = 100_000
"""Counters of limits of which is remembered what was told; of others it is told again, which is nothing new."""
MOST_CHANGED = 200
"""Subjects that are looked at when they have changed; of more, as after an import, with their next call."""
MOST_IDS = 20_000
"""Limits of callers whose counters' ids are kept."""

Crossed = dict[tuple[str, int, str], list[Crossing]]
"""By limit, its generation and counter."""
OnCrossed = Callable[[Sequence[Crossing]], Awaitable[None]]


async def nobody(_: Sequence[Crossing]) -> None:
    """Who wants to hear of crossings where nobody does."""


class Crossings:
    """Those of one process."""

    def __init__(self, definitions: Definitions, counters: Counters) -> None:
        self._definitions = definitions
        self._counters = counters
        self._told: LRUCache[tuple[str, int, str], tuple[int, ...]] = LRUCache(MOST_TOLD)
        self._ids: dict[int, tuple[Applied, str]] = {}
        self._changed: set[str] = set()
        self.on_crossed: OnCrossed = nobody

    def changed(self, subjects: set[str]) -> None:
        """Other limits apply to these: what was counted without knowing of them may have crossed them."""
        self._changed |= subjects

    async def tell_changed(self) -> None:
        """Tell what these have crossed. Raises PyMongoError."""
        subjects, self._changed = self._changed, set()
        if not subjects or len(subjects) > MOST_CHANGED:
            return
        try:
            now = datetime.now(UTC)
            wanted: dict[str, list[Applied]] = {}
            for subject in subjects:
                for applied in await self._definitions.applied_to(subject, now):
                    wanted.setdefault(self._id_of(applied), []).append(applied)
            crossed: Crossed = {}
            for applied, used in await self._made(wanted):
                self._look(applied, applied.counter.id, used, crossed)
            await self._told_all(crossed)
        except BaseException:
            self._changed |= subjects
            raise

    async def tell(self, folded: Folded) -> None:
        """Tell what a fold has crossed, and make the counters that limits want and that are missing. Raises
        PyMongoError.
        """
        if self._definitions.none:
            return
        crossed: Crossed = {}
        missing: dict[str, list[Applied]] = {}
        now = datetime.now(UTC)
        for applied in await self._applying(folded.contributions.callers):
            id_ = self._id_of(applied)
            if (counted := folded.counted.get(id_)) is not None:
                self._look(applied, id_, counted.used, crossed)
            elif applied.counter.period.end > now:
                missing.setdefault(id_, []).append(applied)
        if missing:
            for applied, used in await self._made(missing):
                self._look(applied, applied.counter.id, used, crossed)
        await self._told_all(crossed)

    async def _told_all(self, crossed: Crossed) -> None:
        if crossed:
            await self.on_crossed([each for some in crossed.values() for each in some])
            for key, some in crossed.items():
                self._told[key] = (*self._told.get(key, ()), *(each.threshold for each in some))

    async def _applying(self, callers: Iterable[tuple[Caller, Purpose, datetime]]) -> list[Applied]:
        """The limits of calls, each of a counter once."""
        found: dict[int, Applied] = {}
        asked = list(callers)
        for again in (False, True):
            unknown = []
            for caller, purpose, at in asked:
                applying = self._definitions.applying(caller, purpose, at)
                if applying is None:
                    unknown.append((caller, purpose, at))
                else:
                    found |= {id(each): each for each in applying}
            if not unknown or again:
                break
            await self._definitions.learn({caller for caller, _, _ in unknown})
            asked = unknown
        return list(found.values())

    def _id_of(self, applied: Applied) -> str:
        """Of its counter: kept, as `applied` is the same object until something changes."""
        if (known := self._ids.get(id(applied))) is None:
            if len(self._ids) >= MOST_IDS:
                self._ids.clear()
            known = self._ids[id(applied)] = applied, applied.counter.id
        return known[1]

    async def _made(self, missing: dict[str, list[Applied]]) -> list[tuple[Applied, int]]:
        keys: list[CounterKey] = [some[0].counter for some in missing.values()]
        try:
            await self._counters.ensure(keys)
        except CountingError:  # it goes on; what it crosses is told with the next call
            return []
        used = await self._counters.used(missing)
        return [(applied, used[id_]) for id_, some in missing.items() if id_ in used for applied in some]

    def _look(self, applied: Applied, id_: str, used: int, crossed: Crossed) -> None:
        limit, (meter, period), allowance, _ = applied
        lowest = limit.alert_percents[0] if limit.alert_percents else 100
        if 100 * used < lowest * units_of(meter.unit, allowance):
            return
        key = limit.id, limit.generation, id_
        if key in crossed:
            return
        amount, subject = decimal_of(meter.unit, used), Subject.of(meter.subject)
        reached = crossed_by(limit.alert_percents, allowance, ZERO, amount)
        if new := sorted(set(reached).difference(self._told.get(key, ()))):
            user = subject.name if subject.kind == "user" else None
            client = subject.name if subject.kind == "client" else subject.client
            crossed[key] = [
                Crossing(limit, meter.subject, *period, percent, amount, allowance, id_, user, client)
                for percent in new
            ]
