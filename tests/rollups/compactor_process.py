"""A process that holds the compactor's lease and stops in the middle of a merge, with its transaction open.

compactor_process.py URI DATABASE. It says `merging` when the cells have been added to and the deltas not yet deleted.
"""

import asyncio
import sys
import threading

from app.database import connected, updates
from app.observability.logs import configure_logging
from app.rollups import merge
from app.rollups.compactor import Compactor
from models.rollups import LATENCY


async def stop_in_the_middle(uri: str, database_name: str) -> None:
    original = updates.apply_updates_blocking

    def apply_updates(database, collection, updates, session) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        original(database, collection, updates, session)
        if collection == LATENCY:
            sys.stdout.write("merging\n")
            sys.stdout.flush()
            threading.Event().wait()

    setattr(merge, "apply_updates_blocking", apply_updates)  # noqa: B010 - where the module under test looks it up
    async with connected(uri, database_name) as database, database.committer_session() as session:
        await Compactor(database, session).run()


if __name__ == "__main__":
    configure_logging("error")
    asyncio.run(stop_in_the_middle(*sys.argv[1:]))
