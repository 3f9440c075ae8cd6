"""What the rollups say now, for judging it: cells, with the deltas that are not merged yet, as of one moment.

For a thread. Past days are read seldom and kept, so that a look reads the cells of the running day alone.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from app.database import Database
from app.database.blocking import BlockingDatabase, ClientSession
from app.rollups.cell_updates import CellChanges
from app.rollups.state import STATE_KEY
from models.alerts import ALERTS, MUTES, AlertKind, Mute, alert_id
from models.documents import Document
from models.money import stored_units
from models.rollups import DAYS, DELTAS, NOT_MERGED, STATE

MOST_DELTAS = 1_000
"""What waits beyond is judged at a later look: it is merged within seconds."""
HOURS = 24

Found = TypeVar("Found")


class Moment(NamedTuple):
    """When it is, by the clock of MongoDB, as the rollups count time."""

    at: datetime
    zone: ZoneInfo

    @property
    def day(self) -> date:
        return self.at.astimezone(self.zone).date()

    @property
    def hour(self) -> int:
        return self.at.astimezone(self.zone).hour

    @property
    def midnight(self) -> datetime:
        """At which the day began."""
        return datetime.combine(self.day, time(), self.zone).astimezone(UTC)

    def back(self, gone: timedelta) -> "Moment":
        return self._replace(at=self.at - gone)


class Cells:
    """Cells by scope and day, of real calls alone."""

    def __init__(self, database: BlockingDatabase[dict[str, Any]], session: "ClientSession | None") -> None:
        self._database = database
        self._session = session
        self._waiting: Mapping[str, list[Document]] | None = None

    def moment(self) -> Moment | None:
        """None where the rollups do not hold the whole ledger. Raises PyMongoError."""
        pipeline = [{"$match": STATE_KEY}, {"$set": {"now": "$$NOW"}}]
        state = next(self._database[STATE].aggregate(pipeline, session=self._session), None)
        return Moment(state["now"], ZoneInfo(state["timezone"])) if state and state["complete"] else None

    def scopes(self) -> list[str]:
        """Every client, and everyone."""
        # a scan of distinct keys of the index; on a sharded cluster snapshots know no `distinct`
        pipeline: list[Document] = [{"$sort": {"_id.scope": 1}}, {"$group": {"_id": "$_id.scope"}}]
        merged = {each["_id"] for each in self._database[DAYS].aggregate(pipeline, session=self._session)}
        return sorted(merged | {cell["_id"]["scope"] for cell in self._deltas().get(DAYS, ())})

    def of(
        self, collection: str, scopes: Sequence[str], days: Iterable[date], shown: Sequence[str]
    ) -> Iterator[Document]:
        """The cells of these days, with the fields that are `shown`. There may be several of one key, to be added."""
        named = [day.isoformat() for day in days]
        chosen = {"_id.scope": {"$in": list(scopes)}, "_id.synthetic": False, "_id.day": {"$in": named}}
        yield from self._database[collection].find(chosen, dict.fromkeys(shown, 1), session=self._session)
        wanted = set(scopes)
        for cell in self._deltas().get(collection, ()):
            key = cell["_id"]
            if key["scope"] in wanted and not key["synthetic"] and key["day"] in named:
                yield cell

    def rows(self, collection: str, pipeline: list[Document]) -> Iterator[Document]:
        """The rows of a pipeline, of the same moment."""
        yield from self._database[collection].aggregate(pipeline, session=self._session)

    def recorded(self, kind: AlertKind, keys: Iterable[str]) -> set[str]:
        """Those keys of a kind of which there is an alert already."""
        ids = {alert_id(kind.value, key): key for key in keys}
        found = self._database[ALERTS].find({"_id": {"$in": list(ids)}}, {"_id": 1}, session=self._session)
        return {ids[each["_id"]] for each in found}

    def told(self, kind: AlertKind, keys: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        """What those alerts of a kind say that there are, by their keys, as webhooks are sent it."""
        ids = {alert_id(kind.value, key): key for key in keys}
        found = self._database[ALERTS].find({"_id": {"$in": list(ids)}}, {"body": 1}, session=self._session)
        return {ids[each["_id"]]: json.loads(each["body"], parse_float=Decimal)["data"] for each in found}

    def raised_since(self, kind: AlertKind, since: datetime) -> int:
        """How many alerts of a kind."""
        chosen = {"at": {"$gte": since}, "kind": kind.value}
        return sum(1 for _ in self._database[ALERTS].find(chosen, {"_id": 1}, session=self._session))

    def mutes(self, at: datetime) -> list[Mute]:
        """Those that hold at a time."""
        found = self._database[MUTES].find({"until": {"$gt": at}}, session=self._session)
        return [Mute.read(each) for each in found]

    def _deltas(self) -> Mapping[str, list[Document]]:
        """What deltas will add to the cells, as cells."""
        if self._waiting is None:
            changes = CellChanges()
            without = {"usage.users": 0, "usage.conversations": 0}
            for delta in self._database[DELTAS].find(NOT_MERGED, without, session=self._session).limit(MOST_DELTAS):
                changes.add(delta)
            self._waiting = {
                name: [{"_id": each["q"]["_id"], **_nested(each["u"]["$inc"])} for each in updates]
                for name, updates in changes.updates().items()
            }
        return self._waiting


class PastDays(Generic[Found]):
    """What is known of the days before the running one: read once a day."""

    def __init__(self, read: Callable[[Cells, Iterable[date]], Found], days: int) -> None:
        """`read` so many days."""
        self._read, self._days = read, days
        self._known: tuple[date, ZoneInfo, Found] | None = None

    def of(self, cells: Cells, now: Moment) -> Found:
        """What was read. Raises PyMongoError."""
        if self._known is None or self._known[:2] != (now.day, now.zone):
            days = [now.day - timedelta(days=back) for back in range(1, self._days + 1)]
            self._known = now.day, now.zone, self._read(cells, days)
        return self._known[2]


@contextmanager
def reading(database: Database) -> Iterator[Cells]:
    """The cells as of one moment, for a block in a thread. Raises PyMongoError."""
    blocking = database.blocking
    if not database.transactional:
        yield Cells(blocking, None)
        return
    with blocking.client.start_session(snapshot=True) as session:
        yield Cells(blocking, session)


def hours_of(cells: Iterable[Document]) -> dict[str, dict[date, list[int]]]:
    """By scope and day, what each hour cost in the smallest stored unit, from cells of days."""
    found: dict[str, dict[date, list[int]]] = {}
    for cell in cells:
        day = date.fromisoformat(cell["_id"]["day"])
        add_hours(found.setdefault(cell["_id"]["scope"], {}).setdefault(day, [0] * HOURS), cell, "cost")
    return found


def add_hours(hours: list[int], cell: Document, name: str) -> None:
    """Add a figure of a cell by the hour."""
    for hour, figures in cell.get("hours", {}).items():
        if (value := figures.get(name)) is not None:
            hours[int(hour)] += value if isinstance(value, int) else stored_units(value)


def _nested(paths: Mapping[str, Any]) -> Document:
    """`{"hours.3.cost": 1}` as `{"hours": {"3": {"cost": 1}}}`."""
    found: Document = {}
    for path, value in paths.items():
        *parents, name = path.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return found
