"""The Python client: what a report costs its caller, its process and the server, and what became of every call."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from scripts.bench.cpu import CpuTimes, seconds_of
from scripts.bench.door import BATCH, CLIENT, Server, server
from scripts.bench.in_process import undelivered, until_merged
from scripts.bench.load import calls
from scripts.bench.results import Measured, Results, Row, waits
from scripts.bench.setup import Run, bench_settings

PACKAGE = Path(__file__).parents[2] / "client"
APP = Path(__file__).parent / "peers" / "reporting_app.py"
FLUSH = 5_000
"""Half of the calls that the client's memory holds: with more, the spool or a loss would be measured."""
PER_S = 1_000
PACES = {"steady": PER_S, "flat out": 0}
"""Calls a second; 0 for as fast as it goes."""


class Spent(NamedTuple):
    """What an application says of itself; `scripts/bench/peers/reporting_app.py` says what that is."""

    import_cpu_ms: float
    import_mb: float
    most_mb: float
    """More than before the library was imported, at most."""
    times_us: list[float]
    seconds: float
    cpu_s: float
    counts: dict[str, int]

    @property
    def row(self) -> Row:
        per_call = {name.replace("_ms", "_us"): figure / 1000 for name, figure in waits(self.times_us).items()}
        return {**per_call, "cpu_us": 1e6 * self.cpu_s / len(self.times_us)}


async def measure(run: Run) -> Results:
    """One process, at 1,000 calls a second in bursts of 50, and as fast as it goes."""
    results = Results()
    with bench_settings(run.settings) as own:
        for seed in range(run.rounds):
            async with server(own, run.uri) as served:
                for name, per_s in PACES.items():
                    reported = list(calls(run.calls, seed=seed))
                    row, fault = await _measured(served, reported, per_s)
                    results.add_row(name, row)
                    results.faults += [f"{name}: {fault}"] if fault else []
                    await until_merged(served.database)
                    run.advance(1)
    return results


async def _measured(served: Server, reported: Sequence[dict[str, Any]], per_s: int) -> tuple[Row, str | None]:
    """Statuses are the server's own counts of its receipts, CPU is until the last call is in the ledger."""
    query = {"clientId": CLIENT}
    before, already = await served.answered(BATCH), await served.database.ledger.count_documents(query)
    pid = await served.pid()
    cpu, of_server = await CpuTimes.start(served.database), seconds_of(pid)
    app = App(sys.executable, "twinmeter", f"http://{served.host}:{served.port}", served.bearers[CLIENT])
    spent = await app.report(reported, per_s, FLUSH)
    stored = await served.database.ledger.count_documents(query) - already
    refused = spent.counts["lost"] + spent.counts["rejected"]
    lost = await undelivered(served.database, already + len(reported) - refused, query)
    mongod = (await cpu.per_call(len(reported)))["mongod_us"]
    became = {status: found - before.get(status, 0) for status, found in (await served.answered(BATCH)).items()}
    times = [each / 1e6 for each in spent.times_us]
    measured = Measured(len(reported), spent.seconds, times, became, refused, stored, lost=lost)
    told = {name: measured.row[name] for name in ("sent", "committed", "spooled", "unknown", "refused", "stored")}
    row = {
        "per_s": len(times) / spent.seconds * measured.committed / len(reported),
        **spent.row,
        "server_us": 1e6 * (seconds_of(pid) - of_server) / len(reported),
        "mongod_us": mongod,
        **told,
    }
    return row, measured.fault


class App(NamedTuple):
    """An application that reports by a library, where its calls go, and by which key."""

    python: str
    library: str
    address: str
    key: str

    async def report(self, reported: Sequence[dict[str, Any]], per_s: int, flush: int) -> Spent:
        """Have these calls reported by a process of its own. Raises RuntimeError where it fails."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "calls.json"
            path.write_text(json.dumps(reported))
            process = await asyncio.create_subprocess_exec(
                *(self.python, str(APP), self.library, self.address, self.key, str(path), str(per_s), str(flush)),
                cwd=folder,
                # an environment of its own has the client installed
                env={**os.environ, "PYTHONPATH": str(PACKAGE) if self.python == sys.executable else ""},
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"the application of {self.library} ended with {process.returncode}")
        return Spent(**json.loads(said))
