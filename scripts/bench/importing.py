"""Throughput of importing an export into an empty database."""

import asyncio
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from app.database import Database
from app.settings import Settings
from scripts.bench import history
from scripts.bench.commands import started, summary
from scripts.bench.setup import bench_database
from scripts.toolkit.command import Advance

A_YEAR = 1_000_000
"""Calls per year: fewer cover fewer days, so that a day has as many."""
DAYS = 365
LOOK_SECONDS = 0.02


async def measure(settings: Settings, uri: str, count: int, ending: str, advance: Advance) -> dict[str, float]:
    """Rows per second of `import_usage --execute`: into the ledger, where every figure is already exact, and until all
    is merged into the cells as well, which a server beside it does meanwhile.

    Raises RuntimeError where not every row is a call.
    """
    with TemporaryDirectory(dir=settings.data_dir) as folder:
        path = Path(folder) / f"usage.{ending}"
        async with bench_database(settings, uri) as database:
            days = max(1, DAYS * count // A_YEAR)
            await history.fill(database, settings.zone, count, days=days, zipf=True, advance=advance)
            await summary(started(settings, uri, database.writes.name, "export_usage", "--output", str(path)))
        async with bench_database(settings, uri) as database:
            run = started(settings, uri, database.writes.name, "import_usage", str(path), "--execute")
            rate = await _rate(database, run, count)
            imported = await summary(run)
            entries = await database.ledger.count_documents({})
    if (entries, imported["new"]) != (count, count):
        raise RuntimeError(f"{entries} entries of {count} rows: {imported}")
    return {
        "rows": count,
        "rows_per_s": round(rate),
        "merged_rows_per_s": round(count / imported["seconds"]),
        "seconds": imported["seconds"],
    }


async def _rate(database: Database, run: "subprocess.Popen[bytes]", count: int) -> float:
    """Entries per second between the first page of them and the last one."""
    first = 0
    begun = ended = time.perf_counter()
    done = 0
    while run.poll() is None and done < count:
        done = await database.ledger.estimated_document_count()
        ended = time.perf_counter()
        if done and not first:
            first, begun = done, ended
        await asyncio.sleep(LOOK_SECONDS)
    return (done - first) / (ended - begun)
