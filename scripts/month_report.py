"""The report of a month, as a file, as an e-mail, or both; closing a month; entering providers' invoices.

The form is that of the file's name: .pdf, .html, .csv or .json. Of a month that is not over there is a preview alone,
which says so on every page. With --close the month's figures are kept first: it stays as it is then, and what changes
later is shown beside it. --email sends a PDF through the server of TWINMETER_SMTP_HOST; on the first of each month a
server does so by itself, to TWINMETER_MONTH_REPORT_TO. It runs beside the server.

The exit status is 3 where the report is made, and has something that a person should look at: calls without a price, a
difference to an invoice that nothing explains, changes since the closing.

    python -m scripts.month_report 2026-10 --out october.pdf
    python -m scripts.month_report 2026-10 --client acme --out acme.pdf --email ann@acme.example
    python -m scripts.month_report 2026-10 --invoice openai INV-1 1234.56 USD --out october.pdf
    python -m scripts.month_report 2026-10 --close --out october.json
    python -m scripts.month_report 2026-11 --preview --out november.html
"""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from app.alerts.email import Mail
from app.database import Database, connected
from app.database.deployment import mongodb
from app.errors import AppError, invalid
from app.finance.figures.finance import Finance
from app.finance.months.mailing import email_with
from app.finance.months.month import Month
from app.finance.months.months import Months, Wanted
from app.finance.months.printing.printer import Printer
from app.finance.months.printing.words import exactly
from app.finance.months.report import MonthReport
from app.finance.months.table import as_csv
from app.finance.revenue.book import RevenueBook
from app.finance.revenue.due import Due
from app.http.serialization import encode
from app.limits.defining.storage import refused
from app.limits.definitions import Definitions
from app.observability.troubles import Troubles
from app.process import tune_garbage_collector
from app.reports.query import Filters
from app.settings import Settings
from models.months import InvoiceFields
from scripts.toolkit import command
from scripts.toolkit.job import FOUND

BY = "scripts.month_report"
FORMS = ("pdf", "html", "csv", "json")


def main() -> int:
    """Make the report and return the exit status."""
    parser = command.parser("month_report", __doc__)
    parser.add_argument("month", type=_month, metavar="MONTH", help="such as 2026-10")
    parser.add_argument("--client", help="of this client alone")
    parser.add_argument("--user", help="of this user alone")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"where to, by its ending: {', '.join(FORMS)}")
    parser.add_argument("--email", action="append", default=[], metavar="ADDRESS", help="send it there, as PDF")
    parser.add_argument("--preview", action="store_true", help="of a month that is not over: what there is up to now")
    parser.add_argument("--close", action="store_true", help="keep the figures of the month, for all clients")
    parser.add_argument(
        "--invoice",
        action="append",
        default=[],
        nargs=4,
        metavar=("PROVIDER", "NUMBER", "TOTAL", "CURRENCY"),
        help="enter an invoice of the month, without tax; the same one counts once",
    )
    arguments = parser.parse_args()
    if not (arguments.out or arguments.email or arguments.close or arguments.invoice):
        parser.error("say what to do: --out, --email, --close or --invoice")
    if arguments.out is not None and arguments.out.suffix.removeprefix(".") not in FORMS:
        parser.error(f"--out must end in one of .{', .'.join(FORMS)}")

    async def work(settings: Settings) -> int:
        tune_garbage_collector()
        with mongodb(settings, shared=True) as uri:
            async with connected(uri, settings.database) as database:
                return await _make(settings, database, arguments)

    return command.run(work)


def _month(text: str) -> Month:
    try:
        return Month.of_text(text)
    except AppError as error:
        raise argparse.ArgumentTypeError(error.detail) from error


async def _make(settings: Settings, database: Database, arguments: argparse.Namespace) -> int:
    due = Due(database, RevenueBook(database, settings.zone), Troubles())
    months = Months(database, Definitions(database, settings.zone), Finance(database, settings.zone, due.book_due))
    printer = Printer(settings.public_url)
    for provider, number, total, currency in arguments.invoice:
        await _enter(months, arguments, (provider, number, total, currency))
    if arguments.close:
        await months.close(arguments.month, BY)
        print(f"{arguments.month.text} is closed")
    if not (arguments.out or arguments.email or arguments.close):
        return 0
    of = Filters(client_id=arguments.client, user_id=arguments.user)
    report = await months.report(Wanted(arguments.month, of, preview=arguments.preview))
    if arguments.out is not None:
        arguments.out.write_bytes(await _form(arguments.out.suffix, report, printer))
        print(f"{arguments.out}: {report.of}, {report.totals.requests:,} calls, {exactly(report.totals.cost)} USD")
    if arguments.email:
        await _send(settings, report, await printer.pdf(report), arguments.email)
    return _looked_at(report)


async def _enter(months: Months, arguments: argparse.Namespace, said: tuple[str, str, str, str]) -> None:
    provider, number, total, currency = said
    fields = {"provider": provider, "number": number, "total": total, "currency": currency}
    try:
        invoice = InvoiceFields.model_validate({**fields, "month": arguments.month.text})
    except ValidationError as error:
        raise refused(error) from error
    entered, new = await months.invoices.add(invoice, client=arguments.client, by=BY)
    print(f"invoice {entered.number} of {entered.provider}: {'entered' if new else 'was there already'}")


async def _form(ending: str, report: MonthReport, printer: Printer) -> bytes:
    match ending:
        case ".pdf":
            return await printer.pdf(report)
        case ".html":
            return (await printer.page(report))[0].encode()
        case ".csv":
            return as_csv(report).encode()
    return encode(report.model_dump(by_alias=True))


async def _send(settings: Settings, report: MonthReport, document: bytes, addresses: list[str]) -> None:
    """Raises InvalidRequestError where one was not sent, once all others are."""
    mail, failed = Mail(settings), []
    for address in addresses:
        try:
            message = email_with(report, document, address, settings.smtp_from)
        except ValueError as error:
            raise invalid("--email", f"must be an e-mail address; {address!r} is none") from error
        outcome = await mail.deliver(message)
        if outcome.error is None:
            print(f"sent to {address}")
        else:
            failed.append(f"{address}: {outcome.error}")
    if failed:
        raise invalid("--email", f"was not sent: {'; '.join(failed)}")


def _looked_at(report: MonthReport) -> int:
    """The exit status, and why a person should look."""
    unexplained = [each.provider for each in report.reconciliation or () if each.unexplained]
    why = {
        f"{report.totals.unpriced:,} calls have no price": bool(report.totals.unpriced),
        f"invoices differ from the ledger, and nothing explains it: {', '.join(unexplained)}": bool(unexplained),
        "the ledger has changed since the month was closed": report.drift is not None,
    }
    found = [words for words, holds in why.items() if holds]
    for words in found:
        print(f"look: {words}")
    return FOUND if found else 0


if __name__ == "__main__":
    sys.exit(main())
