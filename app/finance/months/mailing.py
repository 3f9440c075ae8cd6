"""The report of the last month as an e-mail, on the first day of the next one: sent by one process, once to each.

Due six hours into the month, by the deployment's zone: what applications kept in their spools over night is there then,
and what comes later changes an open month's report, as always. Where the server was down, or the setting is new, the
last month's report is sent as soon as somebody can.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import pymongo
from pymongo.errors import PyMongoError

from app.alerts.email import Mail, id_of_message
from app.alerts.sending import Outcome
from app.database import Database
from app.database.following import follow
from app.errors import AppError, NotFoundError
from app.finance.months.month import Month
from app.finance.months.months import Months, Wanted
from app.finance.months.printing.printer import Printer
from app.finance.months.printing.words import exactly, usd
from app.finance.months.report import MonthReport
from app.observability.logs import Log
from app.observability.troubles import Code, Troubles
from app.reports.query import Filters
from app.reports.windows import today
from app.rollups.lease import Lease
from app.settings import Settings
from models.months import MAILS, MonthMail, mail_id

GRACE = timedelta(hours=6)
"""After the end of a month."""
EVERY_SECONDS = 60.0
LEASE_SECONDS = 150
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=2), timedelta(hours=2)
GIVEN_UP = timedelta(days=7)
"""After so long nobody tries again."""
FOR_GOOD = range(500, 600)
"""Answers of a mail server that stay."""

log = Log(__name__)


class MonthMails:
    """One process's. Only the one with the lease sends."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        months: Months,
        printer: Printer,
        troubles: Troubles,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._to, self._sender = settings.month_report_to, settings.smtp_from
        self._months, self._printer, self._troubles = months, printer, troubles
        self._mail = Mail(settings)
        self._stored = database.writes[MAILS]
        self._lease = Lease(database, None, name="month-report", seconds=LEASE_SECONDS)
        self._clock = clock or (lambda: datetime.now(UTC))

    async def run(self) -> None:
        """Look until cancelled; where nobody is to be sent anything, end."""
        if not self._to:
            return
        try:
            await follow(self.look, what="month_report", every=EVERY_SECONDS)
        finally:
            with suppress(PyMongoError), pymongo.timeout(1):
                await self._lease.release()

    async def look(self) -> None:
        """Send what is due, if no other process does. Raises PyMongoError."""
        if not await self._lease.acquire():
            return
        now = self._clock()
        month = Month.of_day(today(now - GRACE, self._months.zone)).before
        mails = {address: await self._mail_to(month, address, now) for address in self._to}
        waiting = {address: mail for address, mail in mails.items() if mail.done_at is None and mail.next_at <= now}
        if waiting:
            mails |= await self._send(month, waiting, now)
        failed = [mail for mail in mails.values() if mail.error is not None]
        # without the addresses, which are of people
        said = failed[0].error if failed else ""
        where = f"at {len(failed)} of {len(mails)} addresses"
        self._troubles.show(
            Code.MONTH_REPORT, len(failed), f"the report of {month.text} has not arrived {where}: {said}"
        )

    async def _mail_to(self, month: Month, address: str, now: datetime) -> MonthMail:
        """The e-mail as it is, noted when it is due for the first time."""
        fresh = MonthMail(id=mail_id(month.text, address), month=month.text, next_at=now).stored()
        key = {"_id": fresh.pop("_id")}
        await self._stored.update_one(key, {"$setOnInsert": fresh}, upsert=True)
        stored = await self._stored.find_one(key)
        return MonthMail.read(stored or {**key, **fresh})

    async def _send(self, month: Month, waiting: dict[str, MonthMail], now: datetime) -> dict[str, MonthMail]:
        try:
            report = await self._months.report(Wanted(month, Filters()))
            document = await self._printer.pdf(report)
        except NotFoundError:
            # there were no calls yet: nobody waits for that
            return {to: await self._keep(mail, now, Outcome(250)) for to, mail in waiting.items()}
        except AppError as error:
            return {to: await self._keep(mail, now, Outcome(error=error.detail)) for to, mail in waiting.items()}
        sent = {}
        for address, mail in waiting.items():
            await self._lease.acquire()
            message = email_with(report, document, address, self._sender)
            sent[address] = await self._keep(mail, now, await self._mail.deliver(message))
        return sent

    async def _keep(self, mail: MonthMail, now: datetime, outcome: Outcome) -> MonthMail:
        """Note what came of an attempt."""
        arrived = outcome.error is None
        pause = min(FIRST_PAUSE * 2 ** min(mail.attempts, 20), LONGEST_PAUSE)
        given_up = outcome.status in FOR_GOOD or now - self._due(mail) > GIVEN_UP
        changed = mail.model_copy(
            update={
                "attempts": mail.attempts + 1,
                "error": outcome.error,
                "done_at": now if arrived or given_up else None,
                "next_at": now + pause,
            }
        )
        document = changed.stored()
        await self._stored.replace_one({"_id": changed.id}, document)
        if arrived:
            log.info("month_report.sent", month=mail.month, attempts=changed.attempts)
        else:
            log.warning("month_report.not_sent", month=mail.month, attempts=changed.attempts, error=outcome.error)
        return changed

    def _due(self, mail: MonthMail) -> datetime:
        return Month.of_text(mail.month).window(self._months.zone).end + GRACE


def email_with(report: MonthReport, document: bytes, address: str, sender: str) -> EmailMessage:
    """The message to one address, with the report as PDF. Its id is the same at each attempt."""
    message = EmailMessage()
    named = hashlib.sha256(address.encode()).hexdigest()[:16]
    message["From"] = sender
    message["To"] = Address(addr_spec=address)
    message["Subject"] = f"[twinmeter] AI usage and cost, {report.month}: {usd(report.totals.cost)} USD"
    message["Date"] = format_datetime(report.generated_at)
    message["Message-ID"] = id_of_message(f"month-{report.month}.{named}", sender)
    message["Auto-Submitted"] = "auto-generated"
    lines = [
        f"The report of {report.month} ({report.of}) is attached.",
        "",
        f"Cost: {exactly(report.totals.cost)} USD, {exactly(report.changed.cost)} USD more than in the month before",
        f"Calls: {report.totals.requests:,}",
        f"Calls without a price, whose cost is not in it: {report.totals.unpriced:,}",
    ]
    message.set_content("\n".join(lines))
    name = f"twinmeter-{report.month}.pdf"
    message.add_attachment(document, maintype="application", subtype="pdf", filename=name)
    return message
