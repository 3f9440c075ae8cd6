"""When limits come to a deployment that never had any.

Where nothing was ever defined, nothing counts calls, and the ledger notes none to be counted. Processes learn of the
first definition within two seconds: what they record until then is missing in the counters that are made meanwhile, and
so these are counted again, when every process has learned it, and when no transaction of before can be open any more.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from app.database.outages import is_outage
from app.limits.counting.counters import Counters
from app.limits.definitions import Definitions
from app.observability.logs import Log

log = Log(__name__)

AGAIN_AFTER = (timedelta(seconds=5), timedelta(seconds=70))
"""MongoDB ends a transaction after a minute."""
FORGOTTEN = timedelta(minutes=10)
"""For so long a process that starts looks whether others have done it."""
PAUSE_SECONDS = 1.0
"""While MongoDB is away."""


async def count_again_at_the_beginning(definitions: Definitions, counters: Counters) -> None:
    """Do so, for as long as it takes."""
    await definitions.begun.wait()
    if (since := await definitions.since()) is None or datetime.now(UTC) - since > FORGOTTEN:
        return
    for after in AGAIN_AFTER:
        await asyncio.sleep(max(0.0, (since + after - datetime.now(UTC)).total_seconds()))
        await _mended(counters)


async def _mended(counters: Counters) -> None:
    while True:
        try:
            if mended := await counters.mend_all():
                log.info("limits.counted_again", counters=mended)
        except Exception as error:
            if not is_outage(error):
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
