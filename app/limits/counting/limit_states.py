"""What is used and held of limits, exactly as of one moment: also what was recorded and is not in the counters yet."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from app.database import Database, Session
from app.limits.answers import LimitState
from app.limits.counting.day_cells import READINESS, zone_of
from app.limits.counting.recount import Pending, queries
from app.limits.meters import Applied, CounterKey, Subject, decimal_of, in_units
from models.counters import COUNTERS, FOLD, STATE, UNCOUNTED
from models.documents import Document
from models.limits import Kind
from models.money import ZERO


async def states_of(
    database: Database, applied: Sequence[Applied], session: Session | None
) -> tuple[list[LimitState], list[CounterKey]]:
    """The states of limits, all as of the snapshot of `session`, which is of `database.reads`; and the counters that
    are missing, for which the ledger was summed. Raises PyMongoError.
    """
    keys = {each.counter.id: each.counter for each in applied}
    stored: dict[str, Document] = {}
    pending = Pending(None, ())
    if database.transactional:
        stored, pending = await _counted(database, session, applied)
    figures = {id_: _figures(keys[id_], counter, pending) for id_, counter in stored.items()}
    missing = [key for id_, key in keys.items() if id_ not in stored]
    if missing:
        zone = zone_of(await _rows(database, session, *READINESS))
        for query in queries(missing, zone):
            rows = await _rows(database, session, query.collection, query.pipeline)
            figures |= {key.id: (used, 0) for key, used in query.sums(rows)}
    return [_state(each, *figures[each.counter.id]) for each in applied], missing


async def _counted(
    database: Database, session: Session | None, applied: Sequence[Applied]
) -> tuple[dict[str, Document], Pending]:
    """The counters that are there, and what they do not have yet: in one question, for panels ask again and again.
    Holds, of which a busy counter has many, are read where calls have settled some of them.
    """
    ours: Document = {"_id": {"$in": [each.counter.id for each in applied]}, "counting": {"$exists": False}}
    rows = await _rows(
        database,
        session,
        COUNTERS,
        [
            {"$match": ours},
            {"$project": {"used": 1, "held": 1, "fold": 1}},
            *_and(STATE, {"_id": FOLD}),
            *_and(UNCOUNTED, _of_subjects(applied)),
        ],
    )
    of: dict[str, list[Document]] = {COUNTERS: [], STATE: [], UNCOUNTED: []}
    for row in rows:
        of[row.pop("of", COUNTERS)].append(row)
    pending = Pending(next(iter(of[STATE]), None), of[UNCOUNTED])
    stored = {one["_id"]: one for one in of[COUNTERS]}
    if pending.ends_holds:
        for one in await _rows(database, session, COUNTERS, [{"$match": ours}, {"$project": {"holds": 1}}]):
            stored[one["_id"]]["holds"] = one["holds"]
    return stored, pending


def _and(collection: str, where: Document) -> list[Document]:
    """The documents of another collection behind the others, each with where it is `of`."""
    return [{"$unionWith": {"coll": collection, "pipeline": [{"$match": where}, {"$set": {"of": collection}}]}}]


def _of_subjects(applied: Sequence[Applied]) -> Document:
    """Matches what waits of users alone, where only users are limited; what ends holds does so of any counter."""
    subjects = [Subject.of(each.counter.meter.subject) for each in applied]
    if any(subject.kind != "user" for subject in subjects):
        return {}
    users = sorted({subject.name for subject in subjects})
    ends = [{name: {"$exists": True}} for name in ("settled", "shares")]
    return {"$or": [{"groups.users": {"$in": users}}, *ends]}


async def _rows(database: Database, session: Session | None, collection: str, pipeline: list[Document]) -> Any:
    return await database.reads[collection].aggregate(pipeline, session=session).to_list(None)


def _figures(key: CounterKey, counter: Document, pending: Pending) -> tuple[int, int]:
    """Used and held, as `in_units` counts."""
    unit, fold = key.meter.unit, counter["fold"]
    used = in_units(unit, counter["used"]) + pending.of(key, fold)
    held = in_units(unit, counter["held"])
    if pending.ends_holds:
        holds = counter["holds"]
        held -= sum(in_units(unit, holds[id_]["amount"]) for id_ in pending.settled(fold) if id_ in holds)
        for share in pending.shares(fold):
            if share["counter"] == counter["_id"] and share["owner"] in holds:
                held -= in_units(unit, share["amount"])
    return used, held


def _state(applied: Applied, used: int, held: int) -> LimitState:
    limit, counter, allowance, _ = applied
    unit = counter.meter.unit
    amount = decimal_of(unit, used)
    overrun: Decimal = max(amount - allowance, ZERO) if limit.kind is Kind.HARD else ZERO
    return LimitState(limit, counter, amount, decimal_of(unit, held), allowance, overrun)
