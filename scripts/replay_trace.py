"""Report every call of a recorded trace through the tracker, each at its own time.

The trace is a CSV file with the columns TIMESTAMP (UTC), ContextTokens and GeneratedTokens, as the Azure LLM inference
traces have them. A request id is made from the file's name and the row, so that a second replay changes nothing:

    python -m scripts.replay_trace FILE --model gpt-4o --content-type chat
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.database.deployment import mongodb
from app.errors import InvalidRequestError
from app.settings import Settings
from app.tracking import tracking
from scripts.toolkit import command
from scripts.toolkit.track_all import all_stored, patient, report_all

COLUMNS = {"TIMESTAMP", "ContextTokens", "GeneratedTokens"}


def main() -> int:
    parser = command.parser("replay_trace", __doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--content-type", required=True)
    parser.add_argument("--provider", help="default: inferred from the model")
    parser.add_argument("--user", default="trace", help="user of all calls (default: trace)")
    parser.add_argument("--client", default="default")
    parser.add_argument("--synthetic", action="store_true", help="mark the calls as demo data")
    arguments = parser.parse_args()
    return command.run(lambda settings: _replay(arguments, settings))


async def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    calls = list(_calls(arguments))
    with mongodb(settings, shared=True) as uri, command.progress(arguments.file.name, len(calls)) as advance:
        async with tracking(patient(settings), uri) as tracker:
            statuses = await report_all(tracker, calls, advance)
    for status, count in sorted(statuses.items()):
        sys.stdout.write(f"{status:<10} {count:>10,}\n")
    return 0 if all_stored(statuses) else command.FAILED


def _calls(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The rows of the file as calls. Raises InvalidRequestError naming file and line."""
    path: Path = arguments.file
    same = {
        "user_id": arguments.user,
        "client_id": arguments.client,
        "content_type": arguments.content_type,
        "model": arguments.model,
        "provider": arguments.provider,
        "synthetic": arguments.synthetic,
    }
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := COLUMNS - set(reader.fieldnames or ()):
                raise InvalidRequestError(f"{path}: missing column {', '.join(sorted(missing))}")
            for row in reader:
                yield same | _facts(path, reader.line_num, row)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}") from error


def _facts(path: Path, line: int, row: dict[str, str]) -> dict[str, Any]:
    try:
        return {
            "request_id": f"{path.name}:{line}",
            # the trace has 100 ns digits; ISO parsing takes microseconds
            "created_at": datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC),
            "input_tokens": int(row["ContextTokens"]),
            "output_tokens": int(row["GeneratedTokens"]),
        }
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"{path}, line {line}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
