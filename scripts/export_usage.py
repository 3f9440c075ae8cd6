"""Export the ledger as CSV, JSONL or Parquet, one row per call, for spreadsheets, warehouses and other databases.

All formats have the same columns, and every decimal exactly as stored; `import_usage` reads the rows back to identical
figures. A file appears under its name only when it is complete, and is compressed if the name ends in .gz. In CSV,
text that a spreadsheet would run as a formula is prefixed with an apostrophe. Nothing is written to the database; calls
that are reported during the export may or may not be in it. Demo data is left out unless requested.

    python -m scripts.export_usage --output usage.csv.gz
    python -m scripts.export_usage --format jsonl --from 2026-11-01 --to 2026-11-30 --client acme > november.jsonl
"""

import argparse
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bson import Decimal128

from app.database import Database, connected
from app.database.deployment import mongodb
from app.errors import InvalidRequestError
from app.settings import Settings
from models.money import plain, stored_units, usd_of_units
from scripts.toolkit import command, days
from scripts.transfer.columns import COLUMNS, EXTERNAL_ID, Kind, Row, rfc3339
from scripts.transfer.writing import FORMATS, output

PAGE = 2_000
ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
FILTERS = {"client": "clientId", "user": "userId", "provider": "provider", "model": "aiModel", "feature": "feature"}
SYNTHETIC = {"exclude": {"synthetic": False}, "only": {"synthetic": True}, "include": {}}

_ABSENT: Row = dict.fromkeys(COLUMNS)
_AMOUNTS = [name for name, kind in COLUMNS.items() if kind is Kind.AMOUNT]


def main() -> int:
    parser = command.parser("export_usage", __doc__)
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument("--format", choices=FORMATS, help="default: by the extension of FILE, else csv")
    days.add_arguments(parser)
    for name in FILTERS:
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only calls of this {name}")
    parser.add_argument("--synthetic", choices=SYNTHETIC, default="exclude", help="demo data (default: exclude)")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    arguments = days.checked(parser, parser.parse_args())
    path: Path | None = arguments.output
    arguments.format = arguments.format or _format_of(path)
    if arguments.format == "parquet" and path is not None and path.suffix == ".gz":
        parser.error("Parquet is compressed inside: leave out .gz")
    return command.run(lambda settings: _export(arguments, settings))


def _format_of(path: Path | None) -> str:
    endings = [] if path is None else path.suffixes
    return next((ENDINGS[ending] for ending in reversed(endings) if ending in ENDINGS), "csv")


async def _export(arguments: argparse.Namespace, settings: Settings) -> int:
    started = time.monotonic()
    condition = condition_of(arguments, settings.zone)
    with mongodb(settings, shared=True) as uri:
        async with connected(uri, settings.database) as database:
            try:
                calls = await export(database, condition, arguments.format, arguments.output)
            except OSError as error:
                raise InvalidRequestError(f"{arguments.output or 'standard output'}: {error.strerror}") from error
    seconds = round(time.monotonic() - started, 1)
    summary = json.dumps({"calls": calls, "format": arguments.format, "seconds": seconds})
    # standard output may be the export itself
    stream = sys.stderr if arguments.output is None else sys.stdout
    stream.write(f"{summary}\n" if arguments.json else f"{calls:,} calls exported in {seconds:,} s\n")
    return 0


def condition_of(arguments: argparse.Namespace, zone: ZoneInfo) -> dict[str, Any]:
    """The arguments as a filter of the ledger. Days are those of `zone`."""
    condition: dict[str, Any] = dict(SYNTHETIC[arguments.synthetic])
    condition |= {stored: given for name, stored in FILTERS.items() if (given := getattr(arguments, name)) is not None}
    span = days.moments(arguments.first, arguments.last, zone)
    return condition | ({"createdAt": span} if span else {})


async def export(database: Database, condition: dict[str, Any], format_: str, path: Path | None) -> int:
    """Write every call of `condition`, oldest first. Returns how many. Raises OSError and PyMongoError."""
    total = await database.ledger.count_documents(condition)
    done = 0
    with command.progress("calls", total) as advance, output(path) as file:
        writer = FORMATS[format_](file)
        async for rows in pages(database, condition):
            writer.write(rows)
            done += len(rows)
            advance(len(rows))
        writer.close()
    return done


async def pages(database: Database, condition: dict[str, Any]) -> AsyncIterator[list[Row]]:
    """The rows of `condition` by time and id, a page at a time."""
    order = [("createdAt", 1), ("_id", 1)]
    behind: dict[str, Any] | None = {}
    while behind is not None:
        found = database.ledger.find({"$and": [condition, behind]}).sort(order)
        if entries := await found.limit(PAGE).to_list(PAGE):
            yield await _rows(database, entries)
            # the rest of that moment first: both bounds are those of an index, however many calls share a moment
            behind = {"createdAt": entries[-1]["createdAt"], "_id": {"$gt": entries[-1]["_id"]}}
        else:
            behind = {"createdAt": {"$gt": behind["createdAt"]}} if "_id" in behind else None


async def _rows(database: Database, entries: list[dict[str, Any]]) -> list[Row]:
    named = {"_id": {"$in": [entry["_id"] for entry in entries]}, EXTERNAL_ID: {"$exists": True}}
    external = {event["_id"]: event[EXTERNAL_ID] async for event in database.events.find(named, {EXTERNAL_ID: 1})}
    return [_row(entry, external.get(entry["_id"])) for entry in entries]


def _row(entry: dict[str, Any], external_id: str | None) -> Row:
    row = _ABSENT | {name: value for name, value in entry.items() if name in COLUMNS}
    for name in _AMOUNTS:
        if (amount := row[name]) is not None:
            row[name] = usd_of_units(stored_units(amount))
    if (former := row["repriced"]) is not None:
        row["repriced"] = [{name: _plain(value) for name, value in each.items()} for each in former]
    return row | {"_id": str(entry["_id"]), EXTERNAL_ID: external_id}


def _plain(value: Any) -> Any:
    """A former cost as JSON: an amount is a string, so that no reader makes a float of it."""
    if isinstance(value, Decimal128):
        return plain(usd_of_units(stored_units(value)))
    return rfc3339(value) if isinstance(value, datetime) else value


if __name__ == "__main__":
    sys.exit(main())
