"""Following changes that others make in the database, by polling as long as MongoDB answers."""

import asyncio
from collections.abc import Awaitable, Callable

from pymongo.errors import PyMongoError

from app.observability.logs import Log

log = Log(__name__)


async def follow(refresh: Callable[[], Awaitable[None]], *, what: str, every: float) -> None:
    """Refresh `every` so many seconds, until cancelled. While MongoDB is away, what was read last stays valid.

    An outage is logged once, under the name `what`, and so is its end.
    """
    lost, found = f"{what}.not_refreshed", f"{what}.refreshed"
    reachable = True
    while True:
        await asyncio.sleep(every)
        try:
            await refresh()
        except PyMongoError as error:
            if reachable:
                log.warning(lost, error=str(error)[:200])
            reachable = False
        except Exception:
            # what is stored may be damaged: a fault of today must not end the following for ever
            if reachable:
                log.exception(lost)
            reachable = False
        else:
            if not reachable:
                log.info(found)
            reachable = True
