"""A process that reports calls until it is killed, and says which were committed.

load_process.py URI DATABASE DATA_DIR DEADLINE_MS [REQUEST_ID]. With a request id it opens a transaction on that request
instead, and leaves it open.
"""

import asyncio
import itertools
import sys
import time
from pathlib import Path

from app.database import connected
from app.database.session_files import SessionFiles
from app.ledger.twins import twin_id
from app.observability.logs import configure_logging
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import open_tracker
from app.tracking.tracker import Tracker

CALLERS = 64


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def report_for_ever(uri: str, database_name: str, data_dir: str, deadline_ms: str) -> None:
    started = time.monotonic()
    settings = Settings(
        _env_file=None, mongodb_uri=uri, database=database_name, data_dir=data_dir, track_deadline_ms=int(deadline_ms)
    )
    async with connected(uri, database_name) as database, open_tracker(settings, database, Counters()) as tracker:
        await report(tracker)
        say(f"first {time.monotonic() - started}")
        await asyncio.gather(*(report_in_turn(tracker) for _ in range(CALLERS)))


async def report_in_turn(tracker: Tracker) -> None:
    for _ in itertools.count():
        await report(tracker)


async def report(tracker: Tracker) -> None:
    receipt = await tracker.track(user_id="u", content_type="chat", model="gpt-4o", input_tokens=3, output_tokens=2)
    say(f"{receipt.status} {receipt.id}")


async def leave_open(uri: str, database_name: str, data_dir: str, _: str, request_id: str) -> None:
    async with connected(uri, database_name) as database, database.committer_session() as session:
        assert session is not None
        SessionFiles(Path(data_dir)).record(session)
        session.start_transaction()
        await database.ledger.insert_one({"_id": twin_id("default", request_id)}, session=session)
        say("open")
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logging("error")
    asyncio.run(leave_open(*sys.argv[1:]) if len(sys.argv) == 6 else report_for_ever(*sys.argv[1:]))
