"""Import who has which plan from another system: a CSV or JSONL file, or a collection such as user_subscriptions.

Columns are read in snake_case and camelCase: user_id, client_id, plan, status, current_period_start and
current_period_end, timezone, stripe_customer_id, stripe_subscription_id, usage_alerts_enabled, cancel_at_period_end,
and what one costs that is not its plan's: price (for an interval, in whole units), currency, discount_percent or
discount_amount, discount_until, trial_until.
The plans must be there already (POST /api/admin/plans). Periods are counted from the day of current_period_start.

Counters (content_generations_used and the like) are not imported: what is used is counted from the calls in the
ledger, so import those too (import_usage). Limits (content_generations_limit and the like) are compared with the
plan's allowance of that name, and differences are listed: they are the plan's matter, or an override's.

A row that is not understood is written to the rejects file, with its line and the reason, and the exit status is 3; the
others are imported. Who has the same subscription already is left alone, so it can be repeated. Without --execute every
row is checked, and nothing is written. It runs beside the server; interrupted, it resumes.

    python -m scripts.import_subscriptions subscriptions.csv                                        dry run
    python -m scripts.import_subscriptions subscriptions.csv --plan FREE=free --plan PRO=pro --execute
    python -m scripts.import_subscriptions mongodb://localhost/shop --collection user_subscriptions --execute
"""

import argparse
import contextlib
import hashlib
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.database import connected
from app.database.deployment import mongodb
from app.limits.defining.plans import PlanBook
from app.limits.defining.subscriptions import SubscriptionBook
from app.limits.definitions import Definitions
from app.process import tune_garbage_collector
from app.settings import Settings
from models.plans import PlanVersion, Subscription
from scripts.toolkit import command, job
from scripts.toolkit.job import Job, Page, Summary
from scripts.transfer.mapping import Mapping
from scripts.transfer.opening import is_address, open_source
from scripts.transfer.rejects import Rejects
from scripts.transfer.sources import Row, Source
from scripts.transfer.subscription_rows import Options, Read, RowError, SubscriptionRows

PAGE = 500
SHOWN = 10
NEW, KNOWN, ENDED, REJECTED, OTHER_LIMITS = "new", "known", "ended", "rejected", "other limits"


class _AnyColumns(Mapping):
    """Of files whose columns are looked at row by row."""

    def missing(self, columns: Any) -> list[str]:  # noqa: ARG002
        return []


class ImportSubscriptions(Job[Row]):
    """Imports the rows of a source. A page may be done again: who has the subscription already is left alone."""

    name = "import_subscriptions"
    counts = (NEW, KNOWN, ENDED, REJECTED, OTHER_LIMITS)
    worth_a_look = (REJECTED, OTHER_LIMITS)

    def __init__(
        self, source: Source, rows: SubscriptionRows, book: SubscriptionBook, rejects: Rejects, options: Options
    ) -> None:
        self._source, self._rows, self._book, self._rejects, self._options = source, rows, book, rejects, options
        self.what = source.measure
        self._unknown: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._shown: list[str] = []

    def key(self) -> dict[str, Any]:
        told = f"{self._source.identity}\n{self._options}"
        return {"source": hashlib.sha256(told.encode()).hexdigest()}

    async def total(self) -> int:
        return await self._source.total()

    async def pages(self, after: Any) -> AsyncGenerator[Page[Row], None]:
        place, size = (None, 0) if after is None else (after["place"], after["rejects"])
        self._rejects.begin(size)
        async for rows in self._source.pages(place, PAGE):
            written = {"place": rows[-1].after, "rejects": size}
            yield Page(rows, written, sum(row.size for row in rows))
            size = written["rejects"]

    async def do(self, page: Page[Row], *, execute: bool) -> Counter[str]:
        counts: Counter[str] = Counter()
        rejected: list[dict[str, Any]] = []
        wanted: dict[str, tuple[Row, Subscription]] = {}

        def reject(row: Row, reason: str) -> None:
            counts[REJECTED] += 1
            rejected.append({"line": row.line, "reason": reason, "row": row.values})
            self._note(f"{row.line}: {reason}")

        for row in page.items:
            try:
                read = self._read(row)
            except RowError as error:
                reject(row, str(error))
                continue
            if read.other_limits:
                counts[OTHER_LIMITS] += 1
                self._note(f"{row.line}: {'; '.join(read.other_limits)}")
            if read.subscription is None:
                counts[ENDED] += 1
            elif (subject := read.subscription.scope.subject or "") in wanted or subject in self._seen:
                reject(row, "user_id: another row before it is of the same subject")
            else:
                wanted[subject] = row, read.subscription
        known = await self._book.add_new([one for _, one in wanted.values()], execute=execute)
        for subject, (row, one) in wanted.items():
            if subject not in known:
                counts[NEW] += 1
            elif known[subject].is_like(one):
                counts[KNOWN] += 1
            else:
                reject(row, f"user_id: has subscription {known[subject].id} already, which says otherwise")
        self._seen |= wanted.keys()
        page.after["rejects"] = self._rejects.add(rejected)
        return counts

    async def finish(self, summary: Summary) -> None:
        summary.notes += self._shown
        for column, count in self._unknown.most_common():
            summary.notes.append(f"column {column} is not understood, and left out (in {count:,} rows)")
        if summary.counts[NEW] or summary.counts[KNOWN]:
            summary.notes.append(
                "what is used is counted from the ledger's calls: counters of the rows are not imported"
            )
        if summary.counts[REJECTED] and self._rejects.path is not None:
            summary.notes.append(f"rejected rows are in {self._rejects.path}")

    def _read(self, row: Row) -> Read:
        if row.values is None:
            raise RowError(row.fault)
        read = self._rows.read(row.values)
        self._unknown.update(read.unknown)
        return read

    def _note(self, text: str) -> None:
        if len(self._shown) < SHOWN:
            self._shown.append(text)


def main() -> int:
    parser = command.parser("import_subscriptions", __doc__)
    parser.add_argument("source", metavar="SOURCE", help="a file, or mongodb://HOST/DATABASE")
    parser.add_argument("--collection", metavar="NAME", help="collection of a MongoDB source")
    parser.add_argument("--plan", action="append", default=[], metavar="THEIRS=OURS", help="which plan is which")
    parser.add_argument(
        "--status", action="append", default=[], metavar="THEIRS=active|ended", help="what a status means"
    )
    parser.add_argument("--column", action="append", default=[], metavar="FIELD=THEIRS", help="a column's other name")
    parser.add_argument("--client", metavar="ID", help="only for this client, where rows name none")
    parser.add_argument("--timezone", metavar="ZONE", help="of dates without one, and in which days begin")
    parser.add_argument(
        "--rejects", type=Path, metavar="FILE", help="where rejected rows go (default: beside the source)"
    )
    job.add_arguments(parser)
    arguments = parser.parse_args()
    try:
        options = _options(arguments)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        parser.error(str(error))
    return command.run(lambda settings: _import(arguments, options, settings))


def _options(arguments: argparse.Namespace) -> Options:
    """Raises ValueError, and ZoneInfoNotFoundError."""
    statuses = _pairs(arguments.status)
    if wrong := sorted(set(statuses.values()) - {"active", "ended"}):
        raise ValueError(f"--status: {', '.join(wrong)} is neither active nor ended")
    if arguments.timezone is not None:
        ZoneInfo(arguments.timezone)
    return Options(_pairs(arguments.column), _pairs(arguments.plan), statuses, arguments.client)


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, sign, value in pairs if not (name and sign and value)]:
        raise ValueError(f"{', '.join(wrong)}: must be like THIS=THAT")
    return {name: value for name, _, value in pairs}


async def _import(arguments: argparse.Namespace, options: Options, settings: Settings) -> int:
    tune_garbage_collector()
    rejects = Rejects(_rejects(arguments))
    rejects.check([arguments.source])
    async with contextlib.AsyncExitStack() as stack:
        mapping = _AnyColumns.model_construct(name="subscriptions", entries=True)
        source = await open_source(arguments.source, mapping, arguments.collection, stack)
        uri = stack.enter_context(mongodb(settings, shared=True))
        database = await stack.enter_async_context(connected(uri, settings.database))
        zone = ZoneInfo(arguments.timezone) if arguments.timezone else settings.zone
        definitions = Definitions(database, settings.zone)
        plans = await _offered(PlanBook(database, definitions))
        rows = SubscriptionRows(plans, zone, options, datetime.now(UTC))
        work = ImportSubscriptions(source, rows, SubscriptionBook(database, definitions), rejects, options)
        summary = await job.run_job(work, database, execute=arguments.execute, restart=arguments.restart)
    job.show(summary, as_json=arguments.json)
    return job.FOUND if any(summary.counts[name] for name in work.worth_a_look) else 0


async def _offered(book: PlanBook) -> dict[str, PlanVersion]:
    """The newest version of each plan that has not ended."""
    offered: dict[str, PlanVersion] = {}
    while page := await book.newest(after=max(offered, default=None), size=PAGE, ended=False):
        offered |= {one.plan: one for one in page}
    return offered


def _rejects(arguments: argparse.Namespace) -> Path | None:
    if arguments.rejects is not None or not arguments.execute:
        given: Path | None = arguments.rejects
        return given
    name: str = arguments.source
    return Path("import_subscriptions.rejects.jsonl" if is_address(name) else f"{name}.rejects.jsonl")


if __name__ == "__main__":
    sys.exit(main())
