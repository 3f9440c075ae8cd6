"""A compactor for commands that change the rollups: it holds the lease, taken from its current holder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.database import Database
from app.rollups.compactor import Compactor
from app.rollups.lease import LEASE_SECONDS, Lease


@asynccontextmanager
async def merging(database: Database) -> AsyncIterator[Compactor]:
    """A compactor with the lease for the length of a block."""
    async with database.committer_session() as session:
        lease = Lease(database, session)
        keeping = asyncio.create_task(_keep(lease), name="twinmeter-merging-lease")
        try:
            await lease.acquire(by_force=True)
            yield Compactor(database, session, lease)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await lease.release()


async def _keep(lease: Lease) -> None:
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        await lease.acquire(by_force=True)
