"""Look at what the spool has set aside, and try it again, export it or drop it.

Calls wait in the spool while MongoDB is away, and are delivered by the server. Set aside, so that they hold up no
others, are calls that MongoDB will never accept (refused, each with its reason), rows that are no calls any more as the
disk has damaged them (unreadable), and damaged spool files, of which the server has saved every call that could be read
(damaged). `/ready` says `degraded` for as long as there are any.

    python -m scripts.spool list
    python -m scripts.spool export --output aside.jsonl
    python -m scripts.spool retry --execute                        when the cause is gone: refused calls, damaged files
    python -m scripts.spool retry --kind unreadable --id 3 --execute
    python -m scripts.spool drop --kind damaged --execute

It works on the data folder and database of the settings, beside a running server, without MongoDB. `retry` and `drop`
change nothing without --execute. An unreadable row is only tried again when its kind is named: it is taken as it is,
though its checksum says that it has changed. A damaged file that is not salvaged yet is never dropped.

Exit status: 0 nothing is set aside (any more), 3 something is, 1 it could not be done.
"""

import argparse
import base64
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bson import json_util
from rich.console import Console

from app.errors import ConfigurationError
from app.settings import Settings
from app.spool.aside import Aside, Kind, all_aside, dropped, said_of, tried_again
from app.spool.files import damaged_files
from app.spool.journal import Spool, spool_path
from app.spool.rows import UnreadableRowError, decoded
from app.spool.salvage import noted
from scripts.toolkit import command
from scripts.toolkit.job import FOUND, table_of

SHOWN = 50
LONGEST_REASON = 100


def main() -> int:
    parser = command.parser("spool", __doc__)
    does = parser.add_subparsers(dest="does", required=True, metavar="WHAT")
    for name, told in {
        "list": "what is set aside, and why",
        "export": "all of it as JSON, one a line",
        "retry": "let the server deliver it again",
        "drop": "delete it for ever",
    }.items():
        own = does.add_parser(name, help=told, description=told)
        own.add_argument("--kind", action="append", type=Kind, choices=list(Kind), help="only this kind; repeatable")
        own.add_argument("--id", action="append", metavar="ID", help="only this one, as `list` shows it; repeatable")
        if name == "export":
            own.add_argument("--output", type=Path, metavar="FILE", help="a new file (default: standard output)")
        if name in {"retry", "drop"}:
            own.add_argument("--execute", action="store_true", help="make the changes (default: dry run)")
        own.add_argument("--json", action="store_true", help="print the summary as JSON") if name != "export" else None
    arguments = parser.parse_args()
    return command.run(lambda settings: _run(arguments, settings))


async def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    path = spool_path(settings.data_dir, settings.database)
    if not path.exists():
        raise ConfigurationError(
            f"there is no spool {path.absolute()}: run this where the server runs, with its settings"
        )
    spool = Spool(path, settings.spool_max_bytes)
    try:
        chosen = [one for one in all_aside(spool) if _is_chosen(one, arguments)]
        if arguments.does == "export":
            _export(chosen, path.parent, arguments.output)
        else:
            _summarize(arguments, spool, chosen)
        return FOUND if any(True for _ in all_aside(spool)) else 0
    finally:
        spool.close()


def _is_chosen(one: Aside, arguments: argparse.Namespace) -> bool:
    kinds = arguments.kind or (set(Kind) - {Kind.UNREADABLE} if arguments.does == "retry" else set(Kind))
    return one.kind in kinds and (not arguments.id or one.id in arguments.id)


def _summarize(arguments: argparse.Namespace, spool: Spool, chosen: list[Aside]) -> None:
    counts = {**dict.fromkeys(map(str, Kind), 0), **Counter(str(one.kind) for one in chosen)}
    summary: dict[str, Any] = {**counts, "waiting": spool.depth().calls}
    if arguments.does in {"retry", "drop"}:
        work, name = (tried_again, "again") if arguments.does == "retry" else (dropped, "dropped")
        summary |= {"executed": arguments.execute, name: work(spool, chosen) if arguments.execute else 0}
    if arguments.json:
        sys.stdout.write(json.dumps({**summary, "aside": [_line(one) for one in chosen]}) + "\n")
        return
    console = Console()
    if chosen:
        console.print(table_of("set aside", [_line(one) for one in chosen[:SHOWN]]))
    for name, value in summary.items():
        console.print(f"{name}: {value:,}", highlight=False)
    if not summary.get("executed", True):
        console.print("dry run, nothing was changed: add --execute")


def _line(one: Aside) -> dict[str, Any]:
    return {
        "kind": str(one.kind),
        "id": one.id,
        "at": one.at,
        "bytes": one.size,
        "reason": one.reason[:LONGEST_REASON],
    }


def _export(chosen: Iterable[Aside], folder: Path, output: Path | None) -> None:
    saved = {file.name: noted(file) for one in folder.glob("*.sqlite3") for file in damaged_files(one)}
    with _opened(output) as target:
        for one in chosen:
            told: dict[str, Any] = {"kind": str(one.kind), "id": one.id, "at": one.at, "reason": one.reason}
            match one.kind:
                case Kind.DAMAGED:
                    told |= {"bytes": one.size, "saved": said_of(saved.get(one.id))}
                case _:
                    told |= _content(one.row)
            target.write(json.dumps(told) + "\n")


def _content(row: bytes | None) -> dict[str, Any]:
    """The documents of a call, else the row itself, in base 64."""
    try:
        pair = decoded(row)
    except UnreadableRowError:
        return {"row": base64.b64encode(row or b"").decode()}
    documents = {"entry": pair.entry, "event": pair.event}
    read: dict[str, Any] = json.loads(json_util.dumps(documents, json_options=json_util.RELAXED_JSON_OPTIONS))
    return read


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    try:
        with os.fdopen(os.open(output, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            yield file
    except FileExistsError as error:
        raise ConfigurationError(f"{output} exists already") from error


if __name__ == "__main__":
    sys.exit(main())
