"""What requests cost the process that answered them, and what the ledger has of them."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from scripts.bench.cpu import CpuTimes, seconds_of
from scripts.bench.door import GATEWAY, Server
from scripts.bench.gateway.ours import CLIENTS
from scripts.bench.gateway.systems import System
from scripts.bench.in_process import undelivered
from scripts.bench.results import Measured, Results, waits


class Answered(NamedTuple):
    """What a client saw."""

    seconds: float
    times: Sequence[float]
    """Seconds of each answer."""
    refused: int = 0
    """Answers that told to come again."""


class Before(NamedTuple):
    """How it was before the requests."""

    served: Server
    system: System
    statuses: dict[str, int]
    """Calls of our own gateway by receipt status."""
    stored: int
    cpu_s: float
    mongod: CpuTimes

    @classmethod
    async def of(cls, served: Server, system: System) -> Self:
        statuses, stored = await served.answered(GATEWAY), await served.database.ledger.count_documents(_query(system))
        mongod = await CpuTimes.start(served.database)
        return cls(served, system, statuses, stored, seconds_of(system.pid), mongod)

    async def add_row(self, results: Results, name: str, answered: Answered) -> None:
        """Rates, waits and µs; of our own gateway also what became of the calls."""
        count = len(answered.times)
        cpu_us = 1e6 * (seconds_of(self.system.pid) - self.cpu_s) / count
        row = {"per_s": count / answered.seconds, **waits(answered.times), "cpu_us": cpu_us}
        if self.system.name in CLIENTS:
            row["mongod_us"] = (await self.mongod.per_call(count))["mongod_us"]
            results.add(name, await self._measured(answered))
            results.rows[name][-1].update(row)
        else:
            results.add_row(name, row)

    async def _measured(self, answered: Answered) -> Measured:
        database, query, count = self.served.database, _query(self.system), len(answered.times)
        stored = await database.ledger.count_documents(query)
        now = await self.served.answered(GATEWAY)
        became = {status: found - self.statuses.get(status, 0) for status, found in now.items()}
        lost = await undelivered(database, self.stored + count, query)
        seconds, times, refused = answered
        return Measured(count, seconds, times, became, refused, stored - self.stored, lost=lost)


def _query(system: System) -> dict[str, str]:
    return {"clientId": CLIENTS.get(system.name, "")}
