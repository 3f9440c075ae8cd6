"""Read all subscriptions, invoices, refunds, credit notes and disputes of Stripe, and have them here as they are there.

It takes over what was before the webhook was set up, and repairs what was missed while it was off. Events count the
same whether they came or not, so it can be repeated: what is there already is left alone, and nothing counts twice.
TWINMETER_STRIPE_API_KEY must be set. Of a subscription only its terms of now are known to Stripe: what it cost before a
change that no event told of is not known here either, but what was paid for it is.

Without --execute it says what would be done, each object as if those before it had not been. It runs beside the server;
interrupted, it resumes. Exit status 3: something is left that a person should look at.

    python -m scripts.stripe_sync                                     dry run
    python -m scripts.stripe_sync --execute
    python -m scripts.stripe_sync --kind subscription --execute       only those
    python -m scripts.stripe_sync --since 2026-10-01 --execute        only what was made since then
"""

import argparse
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

from app.database import Database
from app.errors import AppError, ConfigurationError, InvalidRequestError
from app.finance.stripe.api import Api, Fetched
from app.finance.stripe.billing import Secrets
from app.finance.stripe.fetching import Fetching
from app.finance.stripe.settlements import OPEN, State
from app.finance.stripe.settling import Received, Settling
from app.finance.stripe.store import Objects
from app.settings import Settings
from scripts.toolkit import command, job
from scripts.toolkit.job import Job, Page, Summary

KINDS = ("subscription", "invoice", "refund", "credit_note", "dispute")
"""In the order in which they are read: first what others are of."""
OBJECTS, BOOKED = "objects", "entries booked"
SHOWN = 20
NO_KEY = "set TWINMETER_STRIPE_API_KEY, or its file: a restricted key that may read, see docs/finance.md"


class StripeSync(Job[Fetched]):
    """Settles all objects of Stripe. A page may be done again."""

    name = "stripe_sync"
    what = "objects"
    counts = (OBJECTS, BOOKED, *(state.value for state in (State.SETTLED, *OPEN)), "unreadable")
    worth_a_look = (*(state.value for state in OPEN), "unreadable")

    def __init__(self, database: Database, settings: Settings, arguments: argparse.Namespace) -> None:
        secrets = Secrets.of(settings)
        if secrets.key is None:
            raise ConfigurationError(NO_KEY)
        self._key, self._base = secrets.key, settings.stripe_api_base
        self._database, self._kinds = database, arguments.kind or KINDS
        self._since: date | None = arguments.since
        self._settling = Settling(database, settings.zone, settings.stripe_plans)
        self._shown: list[str] = []

    def key(self) -> dict[str, Any]:
        return {"kinds": list(self._kinds), "since": None if self._since is None else self._since.isoformat()}

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:  # noqa: ARG002 - they resume by page
        self._api = Api(self._key, self._base)
        self._fetching = Fetching(self._api, Objects(self._database))
        try:
            await self._settling.prepare()
            yield
        finally:
            await self._api.close()

    async def total(self) -> int:
        return 0  # Stripe does not say

    async def pages(self, after: Any) -> AsyncGenerator[Page[Fetched], None]:
        first = 0 if after is None else self._kinds.index(after["kind"])
        last = None if after is None else after["id"]
        for kind in self._kinds[first:]:
            chosen: dict[str, Any] = {"status": "all"} if kind == "subscription" else {}
            if self._since is not None:
                moment = datetime(self._since.year, self._since.month, self._since.day, tzinfo=UTC)
                chosen["created"] = {"gte": int(moment.timestamp())}
            async for page in self._api.all_of(kind, last, **chosen):
                yield Page([Fetched(row, page.at) for row in page.rows], {"kind": kind, "id": page.after})
            last = None

    async def do(self, page: Page[Fetched], *, execute: bool) -> Counter[str]:
        counts = Counter({OBJECTS: len(page.items)})
        received: list[Received] = []
        for found in page.items:
            try:
                received += await self._fetching.around(found)
            except InvalidRequestError as error:
                counts["unreadable"] += 1
                self._note(error)
        effect = await self._settling.take(None, received, execute=execute, again=True)
        own = {found.object.get("id") for found in page.items}
        for one in effect.settled:
            counts[BOOKED] += one.booked
            if own.isdisjoint({one.id, *one.also}):  # it has its turn on another page
                continue
            counts[one.state.value] += 1
            if one.reason is not None and len(self._shown) < SHOWN:
                self._shown.append(f"{one.kind} {one.id}: {one.state.value}: {one.reason}")
        return counts

    async def finish(self, summary: Summary) -> None:
        summary.notes += self._shown
        if any(summary.counts[state.value] for state in OPEN):
            summary.notes.append("GET /api/admin/billing/stripe names all that is left, and what each waits for")

    def _note(self, error: AppError) -> None:
        if len(self._shown) < SHOWN:
            self._shown.append(error.detail)


def _day(text: str) -> date:
    return date.fromisoformat(text)


def main() -> int:
    parser = command.parser("stripe_sync", __doc__)
    parser.add_argument("--kind", action="append", choices=KINDS, help="only objects of this kind; may be repeated")
    parser.add_argument("--since", type=_day, metavar="DAY", help="only objects that were made since this day (UTC)")
    job.add_arguments(parser)
    arguments = parser.parse_args()
    return job.run(arguments, lambda database, settings: StripeSync(database, settings, arguments))


if __name__ == "__main__":
    sys.exit(main())
