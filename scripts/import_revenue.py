"""Import what came due before, or elsewhere: a CSV file or JSONL, of your own or exported from Stripe.

Columns are read in snake_case and camelCase: source_id (what you call it: sent again, it counts once), kind
(subscription, usage, one_time, refund, credit), amount (without tax, in whole units; or amount_minor in the smallest
ones) or amount and tax, currency, at (when it came due), start and end (of the service that it pays for), refunds (the
source_id of what a refund takes back), user_id, client_id, subscription_id, plan, plan_version, note.

Presets read Stripe's exports; --preset alone lists them. Whose a payment is, is known by the Stripe customer or
subscription of a subscription here; what a webhook has booked already is left alone. Payments say of no period: they
are recognised at once, unless --period says how long each pays for.

Currencies need rates (POST /api/admin/revenue/rates). A row that is not understood is written to the rejects file, with
its line and the reason, and the exit status is 3; the others are imported. Without --execute every row is checked, and
nothing is written. It runs beside the server; interrupted, it resumes.

    python -m scripts.import_revenue payments.csv                                            dry run
    python -m scripts.import_revenue payments.csv --column user_id=account --currency EUR --execute
    python -m scripts.import_revenue invoices.csv --preset stripe-invoices --client shop --execute
"""

import argparse
import contextlib
import hashlib
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.database import Database, connected
from app.database.deployment import mongodb
from app.errors import InvalidRequestError
from app.finance.revenue.book import BookedStatus, RevenueBook
from app.limits.stored_definitions import read
from app.process import tune_garbage_collector
from app.settings import Settings
from models.currencies import DECIMALS
from models.limits import Interval
from models.plans import SUBSCRIPTIONS, Subscription
from models.revenue import REVENUE, NewRevenue, RevenueKind, RevenueSource, revenue_id
from scripts.toolkit import command, job
from scripts.toolkit.job import Job, Page, Summary
from scripts.transfer.csv_file import CsvFile
from scripts.transfer.mapping import Mapping
from scripts.transfer.opening import open_source
from scripts.transfer.rejects import Rejects
from scripts.transfer.revenue_presets import FIELDS, PRESETS
from scripts.transfer.revenue_rows import ReadRevenue, RevenueOptions, RevenueRows
from scripts.transfer.sources import Row, Source
from scripts.transfer.subscription_rows import RowError

PAGE = 500
SHOWN = 10
MAX_NAME = 100
NEW, KNOWN, AT_STRIPE, LEFT_OUT, REJECTED = "new", "known", "known from Stripe", "left out", "rejected"
BY = "scripts.import_revenue"


class _AnyColumns(Mapping):
    """Of files whose columns are looked at row by row."""

    def missing(self, columns: Any) -> list[str]:  # noqa: ARG002
        return []


class _Sent(NamedTuple):
    """One entry, and the row that says it."""

    row: Row
    entry: NewRevenue


class ImportRevenue(Job[Row]):
    """Imports the rows of a source, twice over: first what came due, then what refunds take back of it, whichever order
    they are in. A page may be done again: what is there counts once.
    """

    name = "import_revenue"
    counts = (NEW, KNOWN, AT_STRIPE, LEFT_OUT, REJECTED)
    worth_a_look = (REJECTED,)

    def __init__(
        self, source: Source, rows: RevenueRows, database: Database, *, zone: ZoneInfo, rejects: Rejects, told: str
    ) -> None:
        """`told`: what the operator says of the rows, as text."""
        self._source, self._rows, self._rejects, self._told = source, rows, rejects, told
        self._database, self._book = database, RevenueBook(database, zone)
        self.what = source.measure
        self._refunds = False
        """Whether it is the second time."""
        self._wanted: dict[str, Decimal] = {}
        """What a dry run would book, by id: the amount, without what would be refunded of it."""
        self._shown: list[str] = []

    def key(self) -> dict[str, Any]:
        told = f"{self._source.identity}\n{self._told}"
        return {"source": hashlib.sha256(told.encode()).hexdigest()}

    async def total(self) -> int:
        return 2 * await self._source.total()

    async def pages(self, after: Any) -> AsyncGenerator[Page[Row], None]:
        place, size, time = (None, 0, 0) if after is None else (after["place"], after["rejects"], after["time"])
        self._rejects.begin(size)
        for again in range(time, 2):
            self._refunds = bool(again)
            async for rows in self._source.pages(place, PAGE):
                written = {"place": rows[-1].after, "rejects": size, "time": again}
                yield Page(rows, written, sum(row.size for row in rows))
                size = written["rejects"]
            place = None

    async def do(self, page: Page[Row], *, execute: bool) -> Counter[str]:
        counts: Counter[str] = Counter()
        rejected: list[dict[str, Any]] = []

        def reject(row: Row, reason: str) -> None:
            counts[REJECTED] += 1
            rejected.append({"line": row.line, "reason": reason, "row": row.values})
            if len(self._shown) < SHOWN:
                self._shown.append(f"{row.line}: {reason}")

        read: list[tuple[Row, ReadRevenue]] = []
        for row in page.items:
            try:
                found = self._read(row)
            except RowError as error:
                if not self._refunds:
                    reject(row, str(error))
                continue
            if found.entries:
                read.append((row, found))
            elif not self._refunds:
                counts[LEFT_OUT] += 1
        sent = await self._whose(read, reject)
        at_stripe = await self._at_stripe(one.entry for one in sent)
        counts[AT_STRIPE] += sum(one.entry.source_id in at_stripe for one in sent)
        sent = [one for one in sent if one.entry.source_id not in at_stripe]
        await self._book_all(sent, counts, reject, execute=execute)
        page.after["rejects"] = self._rejects.add(rejected)
        return counts

    async def _book_all(self, sent: list[_Sent], counts: Counter[str], reject: Any, *, execute: bool) -> None:
        entries = [one.entry for one in sent]
        receipts = await self._book.book(entries, client=None, by=BY, execute=execute)
        for (row, entry), receipt in zip(sent, receipts, strict=True):
            if receipt.status is BookedStatus.BOOKED or (not execute and self._would_refund(entry)):
                counts[NEW] += 1
                if not execute:
                    self._wanted[revenue_id(entry.source, entry.source_id)] = entry.amount
            elif receipt.status is BookedStatus.THERE and receipt.message is None:
                counts[KNOWN] += 1
            else:
                reject(row, receipt.message or "")

    def _would_refund(self, entry: NewRevenue) -> bool:
        """Whether an entry takes back what this dry run would have booked, and what is left of it."""
        left = self._wanted.get(entry.refunds or "")
        if left is None or left + entry.amount < 0:
            return False
        self._wanted[entry.refunds or ""] = left + entry.amount
        return True

    async def _whose(self, read: list[tuple[Row, ReadRevenue]], reject: Any) -> list[_Sent]:
        """The entries of this time, with user and client of who is the customer."""
        known = await self._subscribers(found for _, found in read)
        sent: list[_Sent] = []
        for row, found in read:
            theirs = known.get(found.subscription or "") or known.get(found.customer or "")
            for entry in found.entries:
                if (entry.kind is RevenueKind.REFUND) is not self._refunds:
                    continue
                if entry.user_id or entry.subscription_id or entry.refunds or found.customer is None:
                    sent.append(_Sent(row, entry))
                elif theirs is not None:
                    sent.append(_Sent(row, _of(entry, theirs, found.subscription)))
                else:
                    who = found.customer[:MAX_NAME]
                    reject(row, f"customer: no subscription here has {who}: say whose by --column user_id=COLUMN")
        return sent

    def _read(self, row: Row) -> ReadRevenue:
        if row.values is None:
            raise RowError(row.fault)
        return self._rows.read(row.values)

    async def _subscribers(self, found: Iterable[ReadRevenue]) -> dict[str, Subscription]:
        """By Stripe's ids of subscriptions and customers."""
        ids = sorted({name for one in found for name in (one.customer, one.subscription) if name is not None})
        chosen = {"$or": [{name: {"$in": ids}} for name in ("stripeSubscriptionId", "stripeCustomerId")]}
        known: dict[str, Subscription] = {}
        if ids:
            async for stored in self._database.reads[SUBSCRIPTIONS].find(chosen).sort("createdAt", 1):
                if (one := read(Subscription, stored)) is not None:
                    for name in (one.stripe_customer_id, one.stripe_subscription_id):
                        if name is not None:
                            known[name] = one
        return known

    async def _at_stripe(self, entries: Iterable[NewRevenue]) -> set[str]:
        """Those of the names that are invoices which Stripe's own events have booked here."""
        invoices = {one.source_id for one in entries if one.source_id.startswith("in_")}
        starts = [revenue_id(RevenueSource.STRIPE, f"{name}/") for name in sorted(invoices)]
        if not starts:
            return set()
        chosen = {"$or": [{"_id": {"$gte": start, "$lt": f"{start[:-1]}0"}} for start in starts]}
        found = self._database.reads[REVENUE].find(chosen, {"sourceId": 1})
        return {str(one["sourceId"]).partition("/")[0] async for one in found}

    async def finish(self, summary: Summary) -> None:
        summary.notes += self._shown
        if summary.counts[REJECTED] and self._rejects.path is not None:
            summary.notes.append(f"rejected rows are in {self._rejects.path}")


def _of(entry: NewRevenue, theirs: Subscription, subscription: str | None) -> NewRevenue:
    """An entry as that of a subscriber. `subscription`: the one that Stripe says it is for."""
    whose = {"user_id": theirs.scope.user_id, "client_id": theirs.scope.client_id or entry.client_id}
    if subscription is not None and theirs.stripe_subscription_id == subscription:
        whose["subscription_id"] = theirs.id
    return entry.model_copy(update=whose)


def main() -> int:
    parser = command.parser("import_revenue", __doc__)
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="a file of CSV or JSONL")
    parser.add_argument("--preset", nargs="?", const="", metavar="NAME", help="of an export; alone: list them")
    parser.add_argument("--column", action="append", default=[], metavar="FIELD=THEIRS", help="a column's other name")
    parser.add_argument("--client", metavar="ID", help="of rows that name none")
    parser.add_argument("--currency", metavar="CODE", help="of rows that name none")
    parser.add_argument("--kind", choices=[*RevenueKind], help="of rows that say none (default: one_time)")
    parser.add_argument("--period", choices=[*Interval], help="how long rows pay for that do not say it")
    parser.add_argument("--timezone", metavar="ZONE", help="of times without one")
    parser.add_argument(
        "--rejects", type=Path, metavar="FILE", help="where rejected rows go (default: beside the source)"
    )
    job.add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.preset == "":
        sys.stdout.writelines(f"{name:16} {preset.reads}\n" for name, preset in PRESETS.items())
        return 0
    try:
        options = _options(arguments)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        parser.error(str(error))
    return command.run(lambda settings: _import(arguments, options, settings))


def _options(arguments: argparse.Namespace) -> RevenueOptions:
    """Raises ValueError, and ZoneInfoNotFoundError."""
    if arguments.source is None:
        raise ValueError("SOURCE is missing: a file of CSV or JSONL")
    if arguments.preset is not None and arguments.preset not in PRESETS:
        raise ValueError(f"--preset: there is no {arguments.preset}; there are {', '.join(PRESETS)}")
    currency = arguments.currency and arguments.currency.upper()
    if currency is not None and currency not in DECIMALS:
        raise ValueError(f"--currency: {currency} is not one of ISO 4217")
    if arguments.timezone is not None:
        ZoneInfo(arguments.timezone)
    pairs = [pair.partition("=") for pair in arguments.column]
    if wrong := [name for name, _, theirs in pairs if name not in FIELDS or not theirs]:
        raise ValueError(f"--column: {', '.join(wrong)} is no field; there are {', '.join(FIELDS)}")
    return RevenueOptions(
        PRESETS.get(arguments.preset),
        {name: theirs for name, _, theirs in pairs},
        arguments.client,
        currency,
        arguments.kind and RevenueKind(arguments.kind),
        arguments.period and Interval(arguments.period),
    )


async def _import(arguments: argparse.Namespace, options: RevenueOptions, settings: Settings) -> int:
    tune_garbage_collector()
    named = arguments.rejects or (f"{arguments.source}.rejects.jsonl" if arguments.execute else None)
    rejects = Rejects(None if named is None else Path(named))
    rejects.check([arguments.source])
    async with contextlib.AsyncExitStack() as stack:
        mapping = _AnyColumns.model_construct(name="revenue", entries=True)
        source = await open_source(arguments.source, mapping, None, stack)
        rows = RevenueRows(options, ZoneInfo(arguments.timezone) if arguments.timezone else settings.zone)
        _check_columns(source, rows)
        uri = stack.enter_context(mongodb(settings, shared=True))
        database = await stack.enter_async_context(connected(uri, settings.database))
        work = ImportRevenue(source, rows, database, zone=settings.zone, rejects=rejects, told=f"{options}")
        summary = await job.run_job(work, database, execute=arguments.execute, restart=arguments.restart)
    job.show(summary, as_json=arguments.json)
    return job.FOUND if any(summary.counts[name] for name in work.worth_a_look) else 0


def _check_columns(source: Source, rows: RevenueRows) -> None:
    """Raises InvalidRequestError where this is no such file."""
    header = source.columns if isinstance(source, CsvFile) else []
    if header and (missing := rows.missing(header)):
        there = ", ".join(header[:20])
        raise InvalidRequestError(f"{source.name}: missing column {', '.join(missing)}; there are {there}")


if __name__ == "__main__":
    sys.exit(main())
