"""Limits in USD per month against what was spent: the budgets of a month."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from app.database import Database
from app.finance.months.month import Month
from app.finance.months.report import Budget
from app.limits.counting.day_cells import READINESS, zone_of
from app.limits.counting.recount import queries
from app.limits.defining.storage import told
from app.limits.definitions import Definitions
from app.limits.meters import CounterKey, Meter, decimal_of
from app.limits.periods import period_of
from app.limits.stored_definitions import read as read_stored
from app.reports.query import Filters
from app.reports.reader import Document, Reader
from app.reports.rows import ratio
from models.limits import LIMITS, Limit, LimitScope, Period, Unit, Window

MOST = 100
"""Budgets of one report."""
MOST_READ = 1_000


class Budgets:
    """Those of a deployment."""

    def __init__(self, database: Database, definitions: Definitions, zone: ZoneInfo) -> None:
        self._database, self._definitions, self._zone = database, definitions, zone

    async def of(self, read: Reader, month: Month, of: Filters) -> list[Budget]:
        """Those that were in force at any time of the month, the most used first. What was spent is as of the snapshot
        of `read`. Raises PyMongoError.
        """
        window = month.window(self._zone)
        condition: Document = {
            "unit": Unit.USD.value,
            "window": Window.MONTH.value,
            "createdAt": {"$lt": window.end},
            "subject": {"$exists": True},
            **_of(of),
        }
        stored = await read.find(LIMITS, {**condition, "$or": [{"endedAt": None}, {"endedAt": {"$gt": window.start}}]})
        limits = [limit for one in stored[:MOST_READ] if (limit := read_stored(Limit, one)) is not None]
        keys = [_counter(limit, month, self._zone) for limit in limits]
        spent = await self._spent(read, keys)
        rows = [await self._budget(limit, key, spent.get(key.id, 0)) for limit, key in zip(limits, keys, strict=True)]
        return sorted(rows, key=lambda row: (row.percent is not None, -(row.percent or 0), row.of, row.limit))[:MOST]

    async def _spent(self, read: Reader, keys: list[CounterKey]) -> dict[str, int]:
        """By counter, in units of the last decimal of USD: from whole days, and calls where a day is not all of the
        period's.
        """
        zone = zone_of(await read.cells(READINESS))
        found: dict[str, int] = {}
        for query in queries({key.id: key for key in keys}.values(), zone):
            rows = await read.cells((query.collection, query.pipeline))
            found |= {key.id: used for key, used in query.sums(rows)}
        return found

    async def _budget(self, limit: Limit, key: CounterKey, spent: int) -> Budget:
        applied = None
        if limit.ended_at is None:
            last_moment = key.period.end - timedelta(milliseconds=1)
            applied = await self._definitions.applied_of(limit, key.meter.subject, last_moment)
        amount = limit.amount if applied is None else applied.allowance
        used = decimal_of(limit.unit, spent)
        return Budget(
            limit=limit.id,
            name=limit.name,
            scope=_scope(limit.scope),
            user_id=limit.scope.user_id,
            kind=limit.kind.value,
            amount=amount,
            spent=used,
            percent=ratio(100 * used / amount, 1) if amount else None,
            timezone=limit.timezone or self._zone.key,
        )


def _scope(scope: LimitScope) -> str:
    """In words, without the user's name, which erasures find where it stands alone."""
    if scope.user_id is None:
        return told(scope)
    return "user" if scope.client_id is None else f"user of client {scope.client_id}"


def _of(of: Filters) -> Document:
    """Which limits are of whose report: a client's are those of it and its users; a user's those of that user alone."""
    if of.user_id is not None:
        client = {} if of.client_id is None else {"scope.clientId": {"$in": [None, of.client_id]}}
        return {"scope.userId": {"$eq": of.user_id}, **client}
    return {} if of.client_id is None else {"scope.clientId": {"$eq": of.client_id}}


def _counter(limit: Limit, month: Month, zone: ZoneInfo) -> CounterKey:
    own = zone if limit.timezone is None else ZoneInfo(limit.timezone)
    period: Period = period_of(month.window(own).start, Window.MONTH, own)
    return CounterKey(Meter(limit.scope.subject or "", limit.unit, limit.filter, limit.window), period)
