"""Closed months: their figures as they were, and what has changed in the ledger since."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app import audit
from app.database import Database, Session
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError
from app.finance.months.details import Since
from app.finance.months.month import Month
from app.finance.months.report import Drift, MonthReport
from app.finance.revenue.book import RevenueBook
from app.observability.logs import Log
from app.reports.reader import Reader
from app.reports.rows import Totals
from app.rollups.lease import Lease
from models.audit import Target
from models.documents import Document
from models.faults import fields_at_fault
from models.months import MONTH_CLOSINGS, MonthClosing, closing_id
from models.shape import stored_value

CHANGE_SECONDS = 5.0

LEASE_SECONDS = 60
"""More than one report takes."""

Reports = Callable[[], AsyncGenerator[tuple[datetime, MonthReport], None]]
"""The reports to keep, each as of when it is; that of all clients last."""

log = Log(__name__)


class Closings:
    """The stored closings."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database, self._zone = database, zone
        self._stored = database.writes[MONTH_CLOSINGS]
        self._book = RevenueBook(database, zone)
        self._lease = Lease(database, None, name="month-closing", seconds=LEASE_SECONDS)

    async def is_closed(self, month: Month) -> bool:
        with answering(CHANGE_SECONDS):
            return await self._stored.find_one({"_id": closing_id(month.text, None)}, {"_id": 1}) is not None

    async def check_order(self, month: Month) -> None:
        """Months are closed one after the other, from the first one on that anybody closed: revenue that comes later
        belongs to what is open. Raises ConflictError.
        """
        with answering(CHANGE_SECONDS):
            newest = await self._stored.find_one({"clientId": {"$exists": False}}, {"month": 1}, sort=[("month", -1)])
        if newest is None:
            return
        next_one = Month.of_text(newest["month"]).after
        if month > next_one:
            raise ConflictError(f"{next_one.text} is not closed: close it before {month.text}")
        if month < next_one:
            raise ConflictError(f"{month.text} is before the first month that was closed, and stays as it is")

    async def close(self, month: Month, by: str, reports: Reports) -> None:
        """Keep the month's figures. Done again, it changes nothing; interrupted, the next one does all of it.

        First nothing is booked into the month any more, then its figures are read: what they say of revenue stays true.
        """
        await self._hold(month)
        try:
            if not await self.is_closed(month):
                await self._close(month, by, reports)
        finally:
            await self._lease.release()

    async def _close(self, month: Month, by: str, reports: Reports) -> None:
        end, kept = month.window(self._zone).end, 0
        with answering(CHANGE_SECONDS):
            await transact(self._database, lambda session: self._end_revenue(end, session))
        async with aclosing(reports()) as found:
            async for at, report in found:
                await self._hold(month)
                document = self._document(month, report, at, by)
                kept += 1
                with answering(CHANGE_SECONDS):
                    await transact(self._database, partial(self._keep, month, document))
        log.info("month.closed", month=month.text, reports=kept)

    async def _keep(self, month: Month, document: Document, session: Session | None) -> None:
        await self._stored.replace_one({"_id": document["_id"]}, document, upsert=True, session=session)
        if document["_id"] == closing_id(month.text, None):  # the last one, which closes the month
            said = {"at": document["at"]}
            await audit.record(self._database, session, "month.closed", Target(kind="month", id=month.text), after=said)

    async def _hold(self, month: Month) -> None:
        """Raises ConflictError where another one closes a month just now."""
        if not await self._lease.acquire():
            raise ConflictError(f"{month.text}: a month is being closed just now; look again in a minute")

    async def _end_revenue(self, end: datetime, session: Session | None) -> None:
        if session is not None:
            await self._book.close(end, session)

    def _document(self, month: Month, report: MonthReport, at: datetime, by: str) -> Document:
        figures = stored_value(report.model_dump(by_alias=True))
        id_ = closing_id(month.text, report.client_id)
        closing = MonthClosing(
            id=id_, month=month.text, client_id=report.client_id, timezone=self._zone.key, at=at, by=by, report=figures
        )
        return closing.stored() | {"report": figures}  # with what is null


async def closing_of(read: Reader, month: Month, client: str | None) -> MonthClosing | None:
    """What was kept of a month; None where nothing was. One that was damaged by hand is none: the log tells."""
    whole, own = closing_id(month.text, None), closing_id(month.text, client)
    found = {one["_id"]: one for one in await read.find(MONTH_CLOSINGS, {"_id": {"$in": [whole, own]}})}
    try:
        return MonthClosing.read(found[own]) if whole in found and own in found else None
    except ValidationError as error:
        log.warning("month.closing_unreadable", month=month.text, fields=fields_at_fault(error))
        return None


def kept_report(closing: MonthClosing) -> MonthReport:
    """The report as it was. Raises ValidationError for a damaged one."""
    return MonthReport.model_validate(closing.report)


def drift(kept: Totals, now: Totals, since: Since | None) -> Drift | None:
    """What has changed since the closing; None where nothing has. `since` is None where nobody looked at each call."""
    requests, cost = now.requests - kept.requests, now.cost - kept.cost
    if not requests and not cost:
        return None
    if since is None:
        return Drift(
            requests=requests,
            cost=cost,
            late_calls=None,
            late_cost=None,
            repriced_calls=None,
            repriced_cost=None,
            other_cost=None,
        )
    late, again = since
    return Drift(
        requests=requests,
        cost=cost,
        late_calls=late["calls"],
        late_cost=late["cost"],
        repriced_calls=again["calls"],
        repriced_cost=again["cost"],
        other_cost=cost - late["cost"] - again["cost"],
    )
