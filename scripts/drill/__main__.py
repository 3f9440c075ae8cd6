"""Rehearse what must never cost a call: kills, outages, failovers and repeated requests, with real processes.

Each drill has a MongoDB and a data folder of its own, which are deleted afterwards (kept, and named, where something
was wrong); the deployment's are never touched. Clients report calls over HTTP and retry each until it is
acknowledged. Then every acknowledged call must be in the ledger once, the twins equal, all sums exact, every rollup
cell equal to a recount, and the first commit after a start of the server must have come within 2 s. The drill of
backfill_usage has no server: after the kills and a last run, every entry, event and cell must be as after one clean
run, and equal to a recount. In that of limits callers ask before they call: nothing may be over a hard limit, counters
must be what the ledger says, nothing may be held once all is quiet, and each threshold is told once, by a message that
arrives. In that of the gateway, whoever saw a whole answer is in the ledger once and exactly, nobody saw a false end,
and what was said to models is kept nowhere. The exit status is 1 if any of this fails.

    python -m scripts.drill kills --times 200
    python -m scripts.drill outage --seconds 60 --json
    python -m scripts.drill limits --kills 200 --json
    python -m scripts.drill gateway --kills 20 --json
    python -m scripts.drill backfill --times 10 --events 200000
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from scripts.drill.backfill import backfill
from scripts.drill.client import client
from scripts.drill.distant import distant
from scripts.drill.drills import both, kills, outage, replay
from scripts.drill.failover import failover
from scripts.drill.gateway.drill import gateway
from scripts.drill.limits.drill import limits
from scripts.drill.scene import Result
from scripts.drill.server import DrillError
from scripts.drill.stuck import stuck
from scripts.drill.thrice import thrice
from scripts.drill.workers import workers
from scripts.toolkit import command


class Drill(NamedTuple):
    """A drill and its option, which says how much of it."""

    run: Callable[..., Awaitable[Result]]
    """With a folder, how much of it, what to tell of the progress, and `more` by name."""
    option: str
    default: int
    help: str
    more: tuple[tuple[str, int], ...] = ()
    """Further options, and their defaults."""


DRILLS = {
    "kills": Drill(kills, "times", 200, "kill -9 of the server at random moments, each fifth one while it starts"),
    "outage": Drill(outage, "seconds", 60, "MongoDB is stopped under load"),
    "both": Drill(both, "times", 10, "the server and MongoDB are killed, and started at once"),
    "replay": Drill(replay, "calls", 20_000, "MongoDB is killed in the middle of a replay of this many calls"),
    "failover": Drill(failover, "times", 3, "the primary of three members is killed under load"),
    "distant": Drill(distant, "calls", 20_000, "four servers report to three members that are 20 ms away"),
    "stuck": Drill(stuck, "calls", 5_000, "damaged rows and files, odd options, a junk delta and a full disk"),
    "thrice": Drill(thrice, "calls", 10_000, "every request is sent three times at once by three clients"),
    "workers": Drill(workers, "times", 10, "kill -9 of each of two workers in turn, so many times each"),
    "client": Drill(client, "calls", 5_000, "applications of all kinds report by the client", (("away", 30),)),
    "limits": Drill(limits, "kills", 200, "servers are killed in every step of what limits do", (("members", 3),)),
    "gateway": Drill(
        gateway, "kills", 20, "streams through the gateway, while all goes away", (("away", 30), ("megabytes", 100))
    ),
    "backfill": Drill(backfill, "times", 10, "kill -9 of backfill_usage at random moments", (("events", 200_000),)),
}


def main() -> int:
    parser = command.parser("drill", __doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, drill in DRILLS.items():
        own = names.add_parser(name, help=drill.help, description=drill.help)
        own.add_argument(f"--{drill.option}", dest="much", type=_positive, default=drill.default, metavar="N")
        for option, default in drill.more:
            own.add_argument(f"--{option}", type=_positive, default=default, metavar="N")
        own.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    return command.run(lambda _: _run(arguments))


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


async def _run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    with ExitStack() as cleanup:
        folder = Path(tempfile.mkdtemp(prefix="twinmeter-drill-"))
        cleanup.callback(shutil.rmtree, folder)
        figures, faults = await _drilled(arguments, folder)
        if faults:
            faults.append(f"the logs and data are kept in {folder}")
            cleanup.pop_all()
    figures["seconds"] = round(time.monotonic() - started, 1)
    _print(arguments.name, Result(figures, faults), as_json=arguments.json)
    return command.FAILED if faults else 0


async def _drilled(arguments: argparse.Namespace, folder: Path) -> Result:
    drill = DRILLS[arguments.name]
    more = {option: getattr(arguments, option) for option, _ in drill.more}
    with command.progress(arguments.name, arguments.much) as advance:
        try:
            return await drill.run(folder, arguments.much, advance, **more)
        except DrillError as error:
            return Result({}, [str(error)])


def _print(name: str, result: Result, *, as_json: bool) -> None:
    if as_json:
        said = {"drill": name, "passed": not result.faults, "figures": result.figures, "faults": result.faults}
        sys.stdout.write(json.dumps(said) + "\n")
        return
    table = Table(name, "passed" if not result.faults else "FAILED")
    for figure, value in result.figures.items():
        table.add_row(figure, ", ".join(map(str, value)) if isinstance(value, list) else f"{value:,}")
    console = Console()
    console.print(table)
    for fault in result.faults:
        console.print(fault, style="red", soft_wrap=True, markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
