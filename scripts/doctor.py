"""Look at a deployment, and say on one page how it stands and what to do.

Use it after an installation, before an upgrade, every night, and whenever something seems wrong. It looks at MongoDB
(version, topology, majority, journal, disk, clock), at collections and indexes, at the rollups (zone, freshness, every
invariant on the last days and on random older ones), at the calls of the last 30 days (unpriced, estimated, impossible
pairs of provider and model, unmapped content types, dates in the future, demo data), at this machine (spool, disk), at
settings that are risky in production, and at API keys and commands that somebody should see to.

It writes nothing anywhere, so that a user who may only read is enough; what that one may not look at is said. With the
role clusterMonitor besides, it can look at everything. While MongoDB is away it looks at this machine and the settings.
It starts no MongoDB. Run it where a server runs, with its settings. Each check may take --seconds; scripts.reconcile
checks every day instead of a sample.

    python -m scripts.doctor
    python -m scripts.doctor --json --seconds 60

Exit status: 0 where all is well, 3 where there is a problem or a notice, 1 where it could not be run. What could not
be checked changes nothing about that.
"""

import argparse
import sys

from rich.console import Console

from app.settings import Settings
from scripts.diagnosis import calls, configuration, indexes, machine, page, prices, rollups, server, upkeep
from scripts.diagnosis.examination import examine, opened
from scripts.diagnosis.finding import Row, Verdict
from scripts.toolkit import command
from scripts.toolkit.job import FOUND

GROUPS = (
    server.GROUP,
    indexes.GROUP,
    rollups.GROUP,
    calls.GROUP,
    prices.GROUP,
    machine.GROUP,
    configuration.GROUP,
    upkeep.GROUP,
)
SECONDS = 10.0
LONGEST = 3_600.0


def main() -> int:
    parser = command.parser("doctor", __doc__)
    parser.add_argument(
        "--seconds", type=_seconds, default=SECONDS, metavar="S", help="time for each check; 10 if left out"
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
        raise argparse.ArgumentTypeError(f"must be above 0, and {LONGEST:,.0f} at most")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
