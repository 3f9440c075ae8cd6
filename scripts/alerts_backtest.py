"""Which spending alerts would have been raised over stored days, before anybody is told by e-mail.

Costs, failed calls, latency and models without a price are judged as the running service does, at the end of each hour,
with what was known before it. Days without history enough are counted, and not judged. Nothing is written, and nothing
is sent. Models and content types count as new on the first of these days that has them.

    python -m scripts.alerts_backtest
    python -m scripts.alerts_backtest --days 90 --floor-usd 25 --json
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from rich.console import Console

from app.alerts.spending.backtest import Backtest, WouldTell
from app.alerts.spending.cells import reading
from app.database import Database, connected
from app.database.deployment import mongodb
from app.errors import ConfigurationError
from app.settings import Settings
from models.money import exact_units
from scripts.toolkit import command
from scripts.toolkit.job import table_of

DAYS = 90
MOST_DAYS = 731
MOST_USD = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    parser = command.parser("alerts_backtest", __doc__)
    parser.add_argument("--days", type=int, default=DAYS, help=f"so many days up to today (default: {DAYS})")
    parser.add_argument("--floor-usd", type=_usd, help="beyond the usual, at least (default: that of the settings)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    given = parser.parse_args(arguments)
    if not 1 <= given.days <= MOST_DAYS:
        parser.error(f"--days must be from 1 to {MOST_DAYS}")
    return command.run(lambda settings: _run(given, settings))


def _usd(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError("must be a number of USD") from None
    if not (amount.is_finite() and 0 <= amount <= MOST_USD and exact_units(amount) is not None):
        raise argparse.ArgumentTypeError(f"must be from 0 to {MOST_USD:,} USD")
    return amount


async def _run(given: argparse.Namespace, settings: Settings) -> int:
    floor = settings.spending_alerts_floor_usd if given.floor_usd is None else given.floor_usd
    with mongodb(settings, shared=True) as uri:
        async with connected(uri, settings.database) as database:
            rows, judged, unjudged = await asyncio.to_thread(_backtest, database, given.days, floor)
    counts = Counter(row.kind for row in rows)
    if given.json:
        found = {"judged": judged, "unjudged": unjudged, "counts": counts, "alerts": [row._asdict() for row in rows]}
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    console = Console()
    if rows:
        console.print(table_of(f"Alerts of {given.days} days", [row._asdict() for row in rows]))
    for kind, count in sorted(counts.items()):
        console.print(f"{kind}: {count:,}", highlight=False)
    console.print(
        f"{len(rows):,} alerts. Costs of {judged:,} days were judged, by client; {unjudged:,} had not enough history.",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _backtest(database: Database, days: int, floor: Decimal) -> tuple[list[WouldTell], int, int]:
    with reading(database) as cells:
        now = cells.moment()
        if now is None:
            raise ConfigurationError("the rollups are not complete: run `python -m scripts.rebuild_rollups`")
        backtest = Backtest(cells, now, days, exact_units(floor) or 0)
        return list(backtest.rows()), backtest.judged, backtest.unjudged


if __name__ == "__main__":
    sys.exit(main())
