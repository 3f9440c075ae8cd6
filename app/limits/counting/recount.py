"""What a counter should say: the sum of the ledger, less what waits in documents that the counter does not have yet.

All of it is read in one snapshot. The difference to what the counter says there is then added to it, once, whatever is
counted meanwhile: so a recount may take as long as it needs.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pymongo.client_session import ClientSession

from app.database.blocking import BlockingDatabase
from app.limits.counting import day_cells
from app.limits.counting.contributions import Contributions
from app.limits.counting.day_cells import READINESS, Stretch, zone_of
from app.limits.meters import CounterKey, Subject, in_units, key_of
from models import AIUsage
from models.counters import COUNTERS, FOLD, STATE, UNCOUNTED
from models.documents import Document
from models.limits import LimitFilter, Period, Unit

_NOTHING_BEGAN: Document = {"fold": 0, "calls": []}
_SUMS: Document = {
    "requests": {"$sum": 1},
    "tokens": {"$sum": "$tokensUsed"},
    "usd": {"$sum": "$cost"},
    "images": {"$sum": "$images"},
    "seconds": {"$sum": {"$add": [{"$ifNull": ["$videoSeconds", 0]}, {"$ifNull": ["$audioSeconds", 0]}]}},
}
_FILTERS = {"service_type": "serviceType", "model": "aiModel", "feature": "feature"}
MOST_USERS = 1_000
"""Whose calls one query sums."""


class Query(NamedTuple):
    """One pipeline, and whose counters it is for: by user, where it is for several."""

    collection: str
    pipeline: list[Document]
    counters: dict[str | None, list[CounterKey]]

    def sums(self, rows: Iterable[Document]) -> Iterator[tuple[CounterKey, int]]:
        """The sum of each counter, from the rows of the pipeline."""
        found = {row["_id"]: row for row in rows}
        for user, counters in self.counters.items():
            for counter in counters:
                row, unit = found.get(user), counter.meter.unit
                yield counter, 0 if row is None or unit is Unit.CONCURRENT else in_units(unit, row[unit.value])


def queries(counters: Iterable[CounterKey], zone: ZoneInfo | None = None) -> list[Query]:
    """How to sum the ledger for `counters`: in one query all users whose counters are of the same calls.

    With the `zone` of the rollups' day cells (`day_cells.zone_of`) those are read for days that are whole.
    """
    alike: dict[tuple[Subject, LimitFilter, Period, Stretch | None], dict[str | None, list[CounterKey]]] = {}
    for counter in counters:
        subject, filter_, unit = Subject.of(counter.meter.subject), counter.meter.filter, counter.meter.unit
        user = subject.name if subject.kind == "user" else None
        where = subject._replace(name="") if user is not None else subject
        by_cells = zone is not None and day_cells.answer(subject, filter_, unit)
        stretch = Stretch.of(counter.period, zone) if zone is not None and by_cells else None
        named = alike.setdefault((where, filter_, counter.period, stretch), {})
        named.setdefault(user, []).append(counter)
    return [
        Query(*_source(*key, [user for user in some if user is not None]), some)
        for key, named in alike.items()
        for some in _parts(named)
    ]


def _parts(named: dict[str | None, list[CounterKey]]) -> Iterator[dict[str | None, list[CounterKey]]]:
    users = list(named)
    for first in range(0, len(users), MOST_USERS):
        yield {user: named[user] for user in users[first : first + MOST_USERS]}


def _source(
    subject: Subject, filter_: LimitFilter, period: Period, stretch: Stretch | None, users: list[str]
) -> tuple[str, list[Document]]:
    ledger = AIUsage.Settings.name
    if stretch is None:
        return ledger, _pipeline(subject, filter_, [period], users)
    collection, stages = day_cells.pipeline(subject, users, stretch)
    if stretch.rest:
        rest = _pipeline(subject, filter_, stretch.rest, users)
        stages = [*stages, {"$unionWith": {"coll": ledger, "pipeline": rest}}]
    return collection, [*stages, {"$group": {"_id": "$_id", **{unit: {"$sum": f"${unit}"} for unit in _SUMS}}}]


def _pipeline(
    subject: Subject, filter_: LimitFilter, spans: Sequence[tuple[datetime, datetime]], users: Sequence[str]
) -> list[Document]:
    of_client = {} if subject.client is None else {"clientId": subject.client}
    of_subject: dict[str, Document] = {
        "user": {"userId": {"$in": users}, **of_client},
        "client": {"clientId": subject.name},
        "key": {"keyId": subject.name},
        "campaign": {"campaignId": subject.name, **of_client},
        "feature": {"feature": subject.name},
        "everyone": {},
    }
    times: list[Document] = [{"createdAt": {"$gte": start, "$lt": end}} for start, end in spans]
    within = times[0] if len(times) == 1 else {"$or": times}
    match = {**of_subject[subject.kind], **within, "synthetic": {"$ne": True}}
    conditions = [{_FILTERS[name]: str(value)} for name, value in filter_ if value is not None]
    by = "$userId" if users else None
    return [{"$match": {"$and": [match, *conditions]} if conditions else match}, {"$group": {"_id": by, **_SUMS}}]


class Pending:
    """The documents that wait to be counted, as of one moment."""

    def __init__(self, state: Document | None, documents: Iterable[Document]) -> None:
        state = state or _NOTHING_BEGAN
        self.fold: int = state["fold"]
        taken = set(state["calls"])
        kept = list(documents)
        self._waiting = Contributions(each for each in kept if each["_id"] not in taken)
        self._in_fold = Contributions(each for each in kept if each["_id"] in taken)

    def of(self, counter: CounterKey, fold: int) -> int:
        """What a counter that has folds up to this one does not have yet, as `in_units` counts."""
        missing = self._waiting.of(counter)
        return missing if fold >= self.fold else missing + self._in_fold.of(counter)

    @property
    def ends_holds(self) -> bool:
        """Whether anything held is of calls that are recorded."""
        return any(each.settled or each.shares for each in (self._waiting, self._in_fold))

    def settled(self, fold: int) -> list[str]:
        """Reservations whose holds such a counter still has, although their calls are recorded."""
        return self._waiting.settled if fold >= self.fold else self._waiting.settled + self._in_fold.settled

    def shares(self, fold: int) -> list[Document]:
        """The same of leases."""
        return self._waiting.shares if fold >= self.fold else self._waiting.shares + self._in_fold.shares


class Recounted(NamedTuple):
    """A counter as of one moment, and what it should say."""

    stored: Document
    key: CounterKey
    used: int
    """What it should say, as `in_units` counts."""
    fold: int
    """Up to which folds had begun then."""

    @property
    def difference(self) -> int:
        """What is to be added to it."""
        return self.used - in_units(self.key.meter.unit, self.stored["used"])


def recounted(
    database: BlockingDatabase[dict[str, Any]], session: ClientSession, where: Document, *, by_cells: bool = False
) -> list[Recounted]:
    """What the counters that match `where` should say, all as of the snapshot of `session`: by the ledger alone, or
    `by_cells` where these can say it. Raises PyMongoError.
    """
    counters = list(database[COUNTERS].find(where, session=session))
    if not counters:
        return []
    pending = Pending(
        database[STATE].find_one({"_id": FOLD}, session=session), database[UNCOUNTED].find({}, session=session)
    )
    keys = {counter["_id"]: key_of(counter) for counter in counters}
    zone = zone_of(_rows(database, session, READINESS)) if by_cells else None
    sums = {
        counter: used
        for query in queries(keys.values(), zone)
        for counter, used in query.sums(_rows(database, session, query))
    }
    found = []
    for counter in counters:
        key, fold = keys[counter["_id"]], counter["fold"]
        found.append(Recounted(counter, key, sums[key] - pending.of(key, fold), pending.fold))
    return found


def _rows(
    database: BlockingDatabase[dict[str, Any]], session: ClientSession, source: Query | tuple[str, list[Document]]
) -> Iterable[Document]:
    return database[source[0]].aggregate(source[1], session=session)
