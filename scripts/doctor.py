"""Check a deployment, and report on one page its status and what to do.

Use it after an installation, before an upgrade, every night, and whenever something seems wrong. It checks MongoDB
(version, topology, majority, journal, disk, clock), collections and indexes, documents that were damaged, the rollups
(zone, freshness, every invariant on the last days and on random older ones), limits and alerts (some counters against
the ledger, whether all is counted and delivered), the calls of the last 30 days (unpriced, estimated, impossible pairs
of provider and model, unmapped content types, wrong dates, demo data), this machine (spool, disk), settings that are
risky in production, and API keys and commands that need attention.

It writes nothing anywhere, so a read-only user is enough; what that user may not read is listed as not checked. With
the role clusterMonitor as well, it can check everything. While MongoDB is away it checks this machine and the settings.
It does not start a MongoDB. Run it where a server runs, with its settings. Each check may take --seconds;
scripts.reconcile checks every day instead of a sample.

    python -m scripts.doctor
    python -m scripts.doctor --json --seconds 60

Exit status: 0 if all is well, 3 if there is a problem or a notice, 1 if it could not run. Checks that could not be
made do not affect it.
"""

import argparse
import sys

from rich.console import Console

from app.settings import Settings
from scripts.diagnosis import (
    calls,
    configuration,
    damage,
    delivery,
    indexes,
    limits,
    machine,
    page,
    prices,
    rollups,
    server,
    upkeep,
)
from scripts.diagnosis.examination import examine, opened
from scripts.diagnosis.finding import Row, Verdict
from scripts.toolkit import command
from scripts.toolkit.job import FOUND

GROUPS = (
    server.GROUP,
    indexes.GROUP,
    damage.GROUP,
    rollups.GROUP,
    limits.GROUP,
    calls.GROUP,
    prices.GROUP,
    delivery.GROUP,
    machine.GROUP,
    configuration.GROUP,
    upkeep.GROUP,
)
SECONDS = 10.0
LONGEST = 3_600.0


def main() -> int:
    parser = command.parser("doctor", __doc__)
    parser.add_argument(
        "--seconds", type=_seconds, default=SECONDS, metavar="S", help="time limit per check (default: 10)"
    )
    parser.add_argument("--json", action="store_true", help="print all findings as JSON")
    arguments = parser.parse_args()
    return command.run(lambda settings: _examined(arguments, settings))


async def _examined(arguments: argparse.Namespace, settings: Settings) -> int:
    async with opened(settings, arguments.seconds) as deployment:
        rows = await examine(deployment, GROUPS)
        now = deployment.clock()
    if arguments.json:
        sys.stdout.write(page.as_json(rows) + "\n")
    else:
        page.shown(rows, f"twinmeter, database {settings.database}, {now:%Y-%m-%d %H:%M} UTC", Console())
    return status(rows)


def status(rows: list[Row]) -> int:
    """The exit status."""
    return FOUND if any(row.finding.verdict in {Verdict.PROBLEM, Verdict.NOTICE} for row in rows) else 0


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {LONGEST:,.0f}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
