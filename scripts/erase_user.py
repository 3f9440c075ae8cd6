"""Pseudonymize one user everywhere, and keep every total.

Use it when a person asks to be forgotten. Entries, events and cells of USER are moved to `erased-` and 16 random
digits, which nobody can trace back; conversations without other users are renamed likewise. IP address, user agent,
metadata and error messages are removed, as are external ids and, of events other than AI calls, the properties.
Limits, grants, counters, reservations and alerts of USER are deleted; subscriptions end under the pseudonym, without
their ids of Stripe, and what came due stays under it, without its notes. All answers that the gateway keeps to give
them again are forgotten. Calls in the spool of this data folder are renamed too: where several machines report, run
it on each.

Without --execute it only reports how much there is to do. It runs beside the server; interrupted, it resumes with the
same pseudonym. Calls of USER that are reported later are not erased: stop reporting them first.

    python -m scripts.erase_user u_42                        dry run
    python -m scripts.erase_user u_42 --execute
    python -m scripts.erase_user u_42 --client acme --execute
"""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from app.database import connected
from app.database.deployment import mongodb
from app.maintenance.erasure.erasure import Erasure, ErasureCounts
from app.settings import Settings
from app.spool.files import damaged_files
from app.spool.journal import Spool
from scripts.toolkit import command


def main() -> int:
    parser = command.parser("erase_user", __doc__)
    parser.add_argument("user", metavar="USER", help="the user id as reported")
    parser.add_argument("--client", metavar="ID", help="only for this client (default: every client)")
    parser.add_argument("--execute", action="store_true", help="make the changes (default: dry run)")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    arguments = parser.parse_args()
    return command.run(lambda settings: _erase(arguments, settings))


async def _erase(arguments: argparse.Namespace, settings: Settings) -> int:
    with mongodb(settings, shared=True) as uri:
        async with connected(uri, settings.database) as database:
            spool = Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)
            erasure = Erasure(database, settings.zone, arguments.user, arguments.client, spool)
            found, unfinished, pseudonym = await erasure.count(), await erasure.unfinished(), None
            if arguments.execute:
                with command.progress("entries", found.entries) as advance:
                    pseudonym, found = await erasure.run(advance)
                await command.ran(database, "erase_user", {"client": arguments.client, "pseudonym": pseudonym})
            unsearched = spool.unreadable() + len(damaged_files(spool.path))
            spool.close()
    if unsearched:
        what = f"{unsearched:,} unreadable rows or damaged files of the spool were not searched"
        sys.stderr.write(f"{what}: look at them with `python -m scripts.spool export`, and drop them\n")
    if found == ErasureCounts() and not unfinished:
        pseudonym = None
    summary = {"executed": arguments.execute, "unfinished": unfinished, "pseudonym": pseudonym, **asdict(found)}
    if arguments.json:
        sys.stdout.write(json.dumps(summary) + "\n")
    else:
        _print(summary)
    return 0


def _print(summary: dict[str, Any]) -> None:
    done = "erased" if summary["executed"] else "to be erased"
    table = Table("documents", done)
    for name in ("entries", "events", "cells", "spooled", "limits", "months", "stripe", "revenue", "audit"):
        table.add_row(name, f"{summary[name]:,}")
    console = Console()
    console.print(table)
    if summary["executed"]:
        console.print(f"pseudonym: {summary['pseudonym']}" if summary["pseudonym"] else "nothing was found")
        return
    if summary["unfinished"]:
        console.print("an earlier run was interrupted: the next one resumes it")
    console.print("dry run, nothing was written: add --execute")


if __name__ == "__main__":
    sys.exit(main())
