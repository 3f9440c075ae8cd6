"""Import past calls: from our own export, from another MongoDB, or from files that other systems wrote.

A source is a CSV, JSONL or Parquet file (gzip too), a folder of them, or a MongoDB address with --collection. --preset
names the system that wrote it (without a name it lists the presets), --mapping a small TOML file that says which column
is which field; the default is our own export. The ids of calls are derived from those of rows, so a row counts once,
however often and from however many overlapping files it is imported. Our own export is restored as it was, prices
included; other rows are priced as of their date, unless they have a cost.

A row that cannot be imported is written to the rejects file, with its line, the reason and its mapped columns, and the
exit status is 3; the others are imported. A file of sums, such as a bill per day, is refused: --as-sums imports each
row as one entry marked as a sum. Without --execute every row is checked, and nothing is written (rejects only with
--rejects). It runs beside the server; interrupted, it resumes.

    python -m scripts.import_usage usage.csv.gz                                       dry run
    python -m scripts.import_usage usage.csv.gz --execute
    python -m scripts.import_usage --preset claude-code ~/.claude/projects --user anna --execute
    python -m scripts.import_usage --preset anthropic-console console.csv --as-sums --execute
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
from scripts.transfer.mapping import Mapping, described_presets, read_mapping, read_preset
from scripts.transfer.opening import is_address, open_sources
from scripts.transfer.rejects import Rejects
from scripts.transfer.seen import SeenIds


def main() -> int:
    parser = command.parser("import_usage", __doc__)
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="files, folders, or mongodb://HOST/DATABASE")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--preset", nargs="?", const="", metavar="NAME", help="the system that wrote the files; without a name, a list"
    )
    kind.add_argument("--mapping", metavar="NAME", help="a TOML file, or a preset (default: export)")
    parser.add_argument("--collection", metavar="NAME", help="collection of a MongoDB source")
    parser.add_argument("--timezone", metavar="ZONE", help="time zone of dates without one, such as Europe/Berlin")
    parser.add_argument("--user", metavar="ID", help="user of calls whose rows name none")
    parser.add_argument(
        "--as-sums", action="store_true", help="import rows that are sums of many calls, marked as sums"
    )
    parser.add_argument(
        "--rejects", type=Path, metavar="FILE", help="where rejected rows go (default: beside the first source)"
    )
    job.add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.preset == "" or (arguments.preset is not None and not arguments.sources):
        sys.stdout.write(described_presets())
        return 0
    if not arguments.sources:
        parser.error("the following arguments are required: SOURCE")
    return command.run(lambda settings: _import(arguments, settings))


async def _import(arguments: argparse.Namespace, settings: Settings) -> int:
    tune_garbage_collector()
    mapping = _mapping(arguments)
    rejects = Rejects(_rejects(arguments))
    rejects.check(arguments.sources)
    async with contextlib.AsyncExitStack() as stack:
        # all are checked before anything is written
        opened = [await open_sources(name, mapping, arguments.collection, stack) for name in arguments.sources]
        sources = [source for named in opened for source in named]
        uri = stack.enter_context(mongodb(settings, shared=True))
        database = await stack.enter_async_context(connected(uri, settings.database))
        store = await stack.enter_async_context(storing(database, settings, execute=arguments.execute))
        seen = stack.enter_context(SeenIds())
        work = Import(sources, mapping, store, rejects, seen, as_sums=arguments.as_sums)
        summary = await job.run_job(work, database, execute=arguments.execute, restart=arguments.restart)
    job.show(summary, as_json=arguments.json)
    return job.FOUND if summary.counts[REJECTED] else 0


def _mapping(arguments: argparse.Namespace) -> Mapping:
    if arguments.preset is not None:
        return read_preset(arguments.preset, arguments.timezone, arguments.user)
    return read_mapping(arguments.mapping or "export", arguments.timezone, arguments.user)


def _rejects(arguments: argparse.Namespace) -> Path | None:
    if arguments.rejects is not None or not arguments.execute:
        given: Path | None = arguments.rejects
        return given
    first: str = arguments.sources[0]
    return Path("import.rejects.jsonl" if is_address(first) else f"{first.rstrip('/')}.rejects.jsonl")


if __name__ == "__main__":
    sys.exit(main())
