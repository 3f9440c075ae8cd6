"""What must hold once all is quiet: nothing over a hard limit, counters equal to a recount, no hold, one alert each."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from app.database import Database
from app.ledger.twins import twin_id
from models.alerts import ALERTS, BEYOND, DELIVERIES, FAR_BEYOND
from models.counters import COUNTERS, FOLD, RESERVATIONS, STATE, UNCOUNTED
from models.limits import LIMITS, LimitFilter
from models.subjects import subject_of, user_subject
from scripts.drill.check import ids_of
from scripts.drill.check import named as _named
from scripts.drill.limits.callers import Told
from scripts.drill.limits.cohorts import Cohort, Made
from scripts.drill.limits.ledger import Key, Whole, plain
from scripts.drill.server import DrillError

QUIET_SECONDS = 180.0
"""How soon after the last call no hold may be left: reservations hold for seconds, and half a minute of grace."""
POLL_SECONDS = 0.1
PERCENTS = (80, 90, 100, FAR_BEYOND)

Meter = tuple[str, ...]
"""Subject, unit, filter and window."""


class Law(NamedTuple):
    """A hard limit."""

    id: str
    amount: Decimal
    loose: bool
    """Whether calls beyond it are to be expected, each of which carries a name."""


def laws_of(cohorts: Iterable[Cohort]) -> dict[Meter, Law]:
    """All hard limits that were made."""
    return {
        _meter(made): Law(made.id, Decimal(made.limited.amount), made.loose or made.limited.window == "minute")
        for cohort in cohorts
        for made in cohort.made
    }


def _meter(made: Made) -> Meter:
    scope, limit = made.scope, made.limited
    subject = user_subject(scope["userId"]) if "userId" in scope else subject_of("client", scope["clientId"])
    return subject, limit.unit, LimitFilter.model_validate(limit.filter or {}).text, limit.window


class Watch:
    """Looks at the counters while they change: at no moment may more be used and held than there is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.looks = 0
        self._over: dict[str, str] = {}

    def faults(self, whole: Whole) -> list[str]:
        """Of counters of which no call came too late."""
        over = (said for id_, said in self._over.items() if not whole.late_in(id_))
        return _named("at some moment more was used and held than there is", over)

    async def run(self, laws: Mapping[Meter, Law]) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with_room = {law for law in laws.values() if not law.loose}
            for counter in await self._database.reads[COUNTERS].find({}).to_list(None):
                law = laws.get(tuple(Key.of(counter["_id"])[:4]))
                if law in with_room and plain(counter["used"]) + plain(counter["held"]) > law.amount:
                    self._over[counter["_id"]] = f"{counter['_id']}: {counter['used']} used, {counter['held']} held"
            self.looks += 1


async def until_quiet(database: Database) -> float:
    """Wait until every call is counted and no hold is left, and return how long that took. Raises DrillError."""
    started, writes = time.monotonic(), database.writes
    while time.monotonic() - started < QUIET_SECONDS:
        state = await writes[STATE].find_one({"_id": FOLD}) or {}
        left = {
            "uncounted": await writes[UNCOUNTED].count_documents({}),
            "in the fold": len(state.get("calls", ())),
            "open": await writes[RESERVATIONS].count_documents({"state": "open"}),
            "holding": await writes[COUNTERS].count_documents({"holds": {"$nin": [None, {}]}}),
        }
        if not any(left.values()):
            return time.monotonic() - started
        await asyncio.sleep(POLL_SECONDS)
    raise DrillError(f"it was not quiet within {QUIET_SECONDS:g} s: {left}")


async def until_delivered(database: Database) -> None:
    """Wait until no message is on its way, for so long. What is not delivered then is a fault."""
    with suppress(TimeoutError):
        async with asyncio.timeout(QUIET_SECONDS):
            while await database.writes[DELIVERIES].find_one({"state": "pending"}) is not None:  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)


async def faults(
    database: Database, told: Told, laws: Mapping[Meter, Law], watch: Watch
) -> tuple[dict[str, Any], list[str]]:
    """Figures, and everything that is wrong."""
    whole = await Whole.read(database, {twin_id(client, request) for client, request in told.late})
    figures, wrong = over(whole, laws)
    return figures, [
        *told.faults,
        *watch.faults(whole),
        *await _lost(database, told),
        *wrong,
        *_named("not as a recount says", uncounted(whole)),
        *_named("held by nothing that is open", (each["_id"] for each in whole.counters if plain(each["held"]))),
        *_named("settled by no entry", unsettled(whole)),
        *_named("a limit without a counter", _without(whole, laws)),
    ]


async def _lost(database: Database, told: Told) -> list[str]:
    names = {twin_id(client, request): request for client, request in told.acknowledged}
    begun = {twin_id(client, request) for client, request in told.begun}
    stored = await ids_of(database.ledger)
    return [
        *_named("acknowledged and not in the ledger", (names[each] for each in names.keys() - stored)),
        *_named("in the ledger and acknowledged to nobody", map(str, stored - names.keys() - begun)),
    ]


def uncounted(whole: Whole) -> Iterable[str]:
    for counter in whole.counters:
        if plain(counter["used"]) != (counted := whole.counted(counter)).used:
            yield f"{counter['_id']}: {counter['used']} used, the ledger has {counted.used}"


def over(whole: Whole, laws: Mapping[Meter, Law]) -> tuple[dict[str, Any], list[str]]:
    """Of strict users nothing may be over; of others, no more than what was named."""
    over: Counter[str] = Counter()
    wrong, spent = [], 0
    for counter in whole.counters:
        law = laws.get(tuple(Key.of(counter["_id"])[:4]))
        if law is None:
            continue
        counted = whole.counted(counter)
        excess = counted.used - law.amount
        named = counted.used - counted.asked if law.loose else counted.late
        if excess > named:
            parts = f"{counted.asked} asked for, {counted.late} late"
            wrong.append(f"{counter['_id']}: {counted.used} of {law.amount}: {parts}")
        spent += excess >= 0
        over["over by calls that nobody asked for"] += law.loose and excess > 0
        over["over by calls that came when their reservation had ended"] += not law.loose and excess > 0
    figures = {"counters": len(whole.counters), "limits spent": spent, **over}
    return figures, _named("over a hard limit", wrong)


def unsettled(whole: Whole) -> Iterable[str]:
    entries = {entry["_id"]: entry for entry in whole.entries}
    for reservation in whole.reservations.values():
        entry = entries.get(reservation.get("entry"))
        if reservation["state"] == "settled" and (entry is None or entry.get("reservationId") != reservation["_id"]):
            yield reservation["_id"]


def _without(whole: Whole, laws: Mapping[Meter, Law]) -> Iterable[str]:
    known = {tuple(Key.of(counter["_id"])[:4]) for counter in whole.counters}
    called = {user_subject(entry["userId"]) for entry in whole.entries}
    called |= {subject_of("client", entry["clientId"]) for entry in whole.entries}
    for meter in laws:
        if meter[0] in called and meter[1] != "concurrent" and meter not in known:
            yield str(meter)


class Crossed(NamedTuple):
    """A threshold of a limit that was passed."""

    limit: str
    subject: str
    start: datetime
    threshold: int


async def alert_faults(database: Database, came: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], list[str]]:
    """One alert for each threshold that was crossed, and each of them told by a message with the id of an alert."""
    whole, meters = await Whole.read(database), await _meters(database)
    wanted: Counter[Crossed] = Counter()
    for counter in whole.counters:
        used = whole.counted(counter).used
        for limit, amount in meters.get(tuple(Key.of(counter["_id"])[:4]), ()):
            crossed = [percent for percent in PERCENTS if used * 100 >= amount * percent]
            beyond = [BEYOND] if used > amount else []
            at = counter["subject"], counter["start"]
            wanted.update(Crossed(limit, *at, threshold) for threshold in crossed + beyond)
    stored = await database.writes[ALERTS].find({"limit": {"$exists": True}}).to_list(None)
    found = Counter(Crossed(each["limit"], each["subject"], each["periodStart"], each["threshold"]) for each in stored)
    ids = set(await database.writes[ALERTS].distinct("_id"))  # also of those without a limit
    told = {each.get("toldBy", each["_id"]) for each in stored}
    deliveries = await database.writes[DELIVERIES].find({}).to_list(None)
    wrong = [
        *_named("crossed and not recorded", map(str, wanted - found)),
        *_named("recorded and not crossed, or twice", map(str, found - wanted)),
        *_named("not delivered", (each["_id"] for each in deliveries if each["state"] != "delivered")),
        *_named("an alert that no message told", told - came.keys()),
        *_named("a message with an id that no alert has", came.keys() - ids),
    ]
    again = sum(len(bodies) > 1 for bodies in came.values())
    return {"alerts": len(ids), "messages": len(came), "messages that came more than once": again}, wrong


async def _meters(database: Database) -> dict[tuple[str, ...], list[tuple[str, Decimal]]]:
    """Ids and amounts of the limits as they are stored: a kill may have left one that nobody was told of."""
    found: dict[tuple[str, ...], list[tuple[str, Decimal]]] = defaultdict(list)
    for stored in await database.writes[LIMITS].find({}).to_list(None):
        text = LimitFilter.model_validate(stored["filter"]).text
        found[stored["subject"], stored["unit"], text, stored["window"]].append(
            (stored["_id"], plain(stored["amount"]))
        )
    return found
