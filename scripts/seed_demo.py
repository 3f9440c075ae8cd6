"""Generate demo data: a history of calls like a busy application's, for trying out reports, screenshots and training.

Weekdays are busier than weekends and noon than night; few users make most calls; every provider has only its own
models, each with its own durations; some calls fail, some come from caches. They are always marked synthetic, and stay
out of every report that does not request them (`synthetic=only`).

The same seed gives the same calls: run again, it adds only those that have become past meanwhile, and with more
--calls or --days the rest. Without --execute they are only counted. It runs beside the server; interrupted, it resumes.
With --money their users have plans, whose prices are booked, and buy something: synthetic, too, but for the plans
themselves (demo-starter, demo-pro, demo-team), which limit nothing.

    python -m scripts.seed_demo --days 90 --calls 100000
    python -m scripts.seed_demo --days 90 --calls 100000 --seed 7 --execute
"""

import argparse
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.database import connected
from app.database.deployment import mongodb
from app.process import tune_garbage_collector
from app.settings import Settings
from app.tracking import AICall, ReceiptStatus
from scripts.toolkit import command, job
from scripts.toolkit.call_store import Store, storing
from scripts.toolkit.demo_calls import Plan
from scripts.toolkit.demo_money import add_money
from scripts.toolkit.job import Job, Page, Summary

DAYS = 30
CALLS = 22_000
PAGE = 1_000

Call = dict[str, Any]


def plan(days: int, calls: int, seed: int = 1, *, tells: bool = False) -> Plan:
    """The plan of the last `days` days, today included."""
    now = datetime.now(UTC)
    return Plan(now.date() - timedelta(days=days - 1), now, calls, seed, tells)


class SeedDemo(Job[Call]):
    """Writes the calls of a plan, day by day."""

    name = "seed_demo"
    what = "demo calls"
    counts = ("new", "known", "left out", "refused")
    worth_a_look = ("refused",)

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store = store
        self._plan = plan

    def key(self) -> dict[str, Any]:
        return {
            "seed": self._plan.seed,
            "first": self._plan.first.isoformat(),
            "calls": self._plan.calls,
            "story": self._plan.tells,
        }

    async def total(self) -> int:
        return self._plan.calls

    async def pages(self, after: Any) -> AsyncGenerator[Page[Call], None]:
        begun, numbered = ("", 0) if after is None else (after["day"], after["number"])
        for day, count in self._plan.days():
            if day.isoformat() >= begun:
                start = numbered if day.isoformat() == begun else 0
                for first in range(start, count, PAGE):
                    yield self._page(day, range(first, min(first + PAGE, count)))

    async def do(self, page: Page[Call], *, execute: bool) -> Counter[str]:
        now = datetime.now(UTC)
        made = [self._store.recorder.record(AICall.model_validate(call), now).pair for call in page.items]
        # what retention has deleted would be counted again
        pairs = [pair for pair in made if self._store.deleted_before(pair) is None]
        outcomes = await (self._store.commit if execute else self._store.look)(pairs)
        return Counter({"left out": len(made) - len(pairs), **Counter(_counted(each.status) for each in outcomes)})

    async def finish(self, summary: Summary) -> None:
        if summary.executed:
            await self._store.merge()

    def _page(self, day: date, numbers: range) -> Page[Call]:
        return Page(list(self._plan.calls_of(day, numbers)), {"day": day.isoformat(), "number": numbers.stop})


def _counted(status: ReceiptStatus) -> str:
    return {ReceiptStatus.COMMITTED: "new", ReceiptStatus.DUPLICATE: "known"}.get(status, "refused")


def main() -> int:
    parser = command.parser("seed_demo", __doc__)
    parser.add_argument("--days", type=_count(3_650), default=DAYS, help=f"up to today (default: {DAYS})")
    parser.add_argument("--calls", type=_count(100_000_000), default=CALLS, help=f"in total (default: {CALLS:,})")
    parser.add_argument(
        "--story", action="store_true", help="growth, a new model, an incident and a runaway script, too"
    )
    parser.add_argument("--money", action="store_true", help="subscriptions, revenue and purchases of their users, too")
    parser.add_argument("--seed", type=int, default=1, help="a different seed gives different calls (default: 1)")
    job.add_arguments(parser)
    arguments = parser.parse_args()
    return command.run(lambda settings: _seed(arguments, settings))


async def _seed(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    with mongodb(settings, shared=True) as uri:
        async with (
            connected(uri, settings.database) as database,
            storing(database, settings, execute=arguments.execute) as store,
        ):
            planned = plan(arguments.days, arguments.calls, arguments.seed, tells=arguments.story)
            work = SeedDemo(store, planned)
            summary = await job.run_job(work, database, execute=arguments.execute, restart=arguments.restart)
            if arguments.money and arguments.execute:
                await add_money(database, settings, planned)
    job.show(summary, as_json=arguments.json)
    return job.FOUND if summary.counts["refused"] else 0


def _count(most: int) -> Any:
    def count(text: str) -> int:
        if not 1 <= (number := int(text)) <= most:
            raise argparse.ArgumentTypeError(f"must be from 1 to {most:,}")
        return number

    return count


if __name__ == "__main__":
    sys.exit(main())
