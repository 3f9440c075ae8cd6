"""Import past calls: from our own export, from another MongoDB, or from tables of older systems.

A source is a CSV, JSONL or Parquet file (gzip too), or a MongoDB address with --collection. --mapping names a preset or
a small TOML file that says which column is which field. Presets: export, mongoose-aiusages, mongoose-analytics,
api_usage and usage_logs. The ids of calls are derived from those of rows, so a row counts once, however often and from
however many overlapping files it is imported. Our own export is restored as it was, prices included; other rows are
priced as of their date, unless they have a cost.

A row that cannot be imported is written to the rejects file, with its line, the reason and its content, and the exit
status is 3; the others are imported. Without --execute every row is checked, and nothing is written (rejects only with
--rejects). It runs beside the server; interrupted, it resumes.

    python -m scripts.import_usage usage.csv.gz                                       dry run
    python -m scripts.import_usage usage.csv.gz --execute
    python -m scripts.import_usage 2024.csv 2025.csv --mapping api_usage --timezone Europe/Berlin --execute
    python -m scripts.import_usage mongodb://localhost/shop --collection aiusages --mapping mongoose-aiusages --execute
"""

import argparse
import contextlib
import sys
from pathlib import Path

from app.database import connected
from app.database.deployment import mongodb
from app.process import tune_garbage_collector
from app.settings import Settings
from scripts.toolkit import command, job
from scripts.toolkit.call_store import storing
from scripts.transfer.importing import REJECTED, Import
from scripts.transfer.mapping import read_mapping
from scripts.transfer.opening import is_address, open_source
from scripts.transfer.rejects import Rejects
from scripts.transfer.seen import SeenIds


def main() -> int:
    parser = command.parser("import_usage", __doc__)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="files, or mongodb://HOST/DATABASE")
    parser.add_argument("--mapping", default="export", metavar="NAME", help="a preset or a TOML file (default: export)")
    parser.add_argument("--collection", metavar="NAME", help="collection of a MongoDB source")
    parser.add_argument("--timezone", metavar="ZONE", help="time zone of dates without one, such as Europe/Berlin")
    parser.add_argument(
        "--rejects", type=Path, metavar="FILE", help="where rejected rows go (default: beside the first source)"
    )
    job.add_arguments(parser)
    arguments = parser.parse_args()
    return command.run(lambda settings: _import(arguments, settings))


async def _import(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    mapping = read_mapping(arguments.mapping, arguments.timezone)
    rejects = Rejects(_rejects(arguments))
    rejects.check(arguments.sources)
    async with contextlib.AsyncExitStack() as stack:
        # all are checked before anything is written
        sources = [await open_source(name, mapping, arguments.collection, stack) for name in arguments.sources]
        uri = stack.enter_context(mongodb(settings, shared=True))
        database = await stack.enter_async_context(connected(uri, settings.database))
        store = await stack.enter_async_context(storing(database, settings, execute=arguments.execute))
        work = Import(sources, mapping, store, rejects, stack.enter_context(SeenIds()))
        summary = await job.run_job(work, database, execute=arguments.execute, restart=arguments.restart)
    job.show(summary, as_json=arguments.json)
    return job.FOUND if summary.counts[REJECTED] else 0


def _rejects(arguments: argparse.Namespace) -> Path | None:
    if arguments.rejects is not None or not arguments.execute:
        given: Path | None = arguments.rejects
        return given
    first: str = arguments.sources[0]
    return Path("import.rejects.jsonl" if is_address(first) else f"{first}.rejects.jsonl")


if __name__ == "__main__":
    sys.exit(main())
