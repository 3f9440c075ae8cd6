"""Rebuild the rollups from the ledger.

Use it when the start-up or a report says so: the ledger is older than its rollups, the time zone was changed, or cells
were damaged. It runs beside live writers, and reports stay exact meanwhile; only after a change of the time zone are
they unavailable until all days are rebuilt. Then the counters of limits are compared with the ledger, and mended.
Interrupted, it resumes. Run twice, it changes nothing.

    python -m scripts.rebuild_rollups                                   the whole ledger
    python -m scripts.rebuild_rollups --from 2026-11-01 --to 2026-11-07
"""

import argparse
import json
import sys
import time

from app.database import connected
from app.database.deployment import mongodb
from app.maintenance.reconcile.counters import CounterCheck
from app.process import tune_garbage_collector
from app.reports.queries.views import ensure_views
from app.rollups.rebuild import Rebuild
from app.settings import Settings
from scripts.toolkit import command, days


def main() -> int:
    parser = command.parser("rebuild_rollups", __doc__)
    days.add_arguments(parser, last="today")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    arguments = days.checked(parser, parser.parse_args())
    if arguments.first is None and arguments.last is not None:
        parser.error("--to needs --from")
    return command.run(lambda settings: _rebuild(arguments, settings))


async def _rebuild(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    started = time.monotonic()
    with mongodb(settings, shared=True) as uri:
        async with connected(uri, settings.database) as database:
            rebuild = Rebuild(database, settings.zone, arguments.first, arguments.last)
            recounted = await rebuild.prepare()
            with command.progress("days", len(recounted)) as advance:
                calls = await rebuild.run(recounted, advance)
            await ensure_views(database, settings.zone.key)
            counters = CounterCheck(database, settings.zone)
            differences = len(await counters.differences())
            await counters.repair()
            await command.ran(database, "rebuild_rollups", {"days": len(recounted), "calls": calls})
    seconds = round(time.monotonic() - started, 1)
    summary = {"days": len(recounted), "calls": calls, "countersDiffered": differences, "seconds": seconds}
    if arguments.json:
        sys.stdout.write(json.dumps(summary) + "\n")
    else:
        sys.stdout.write(f"{len(recounted):,} days with {calls:,} calls rebuilt in {seconds:,} s\n")
        if differences:
            sys.stdout.write(f"{differences:,} differences of counters were found, and mended\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
