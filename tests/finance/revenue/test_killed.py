"""Processes that are killed while they book leave nothing, and hold up nobody who sends the same again."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from app.database import Database
from app.finance.revenue.book import RevenueBook
from app.settings import Settings
from models.revenue import REVENUE
from tests.finance.revenue.entries import booked, new

BOOKING = """
import asyncio, os, signal, sys
from app.database import connected
from app.finance.revenue.book import RevenueBook
from app.settings import Settings
from tests.finance.revenue.entries import new
from zoneinfo import ZoneInfo

async def book(uri, name, method, before):
    async with connected(uri, name) as database:
        place = type(database.writes["revenue"]) if method != "commit_transaction" else None
        if place is None:
            session = await database.writes.client.start_session()
            place = type(session)
        original = getattr(place, method)

        async def killed(*arguments, **more):
            if before == "after":
                await original(*arguments, **more)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(place, method, killed)
        entries = [new("1", source_id=f"k{n}", user_id=f"u{n}") for n in range(3)]
        await RevenueBook(database, ZoneInfo("UTC")).book(entries, client=None, by="killed")

asyncio.run(book(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("method", "when", "there"),
    [
        ("insert_many", "after", 0),
        ("commit_transaction", "after", 3),
    ],
)
async def test_a_killed_booking_is_whole_or_not_there_and_counts_once_when_sent_again(
    database: Database, settings: Settings, mongodb_uri: str, book: RevenueBook, method: str, when: str, there: int
) -> None:
    arguments = (sys.executable, "-c", BOOKING, mongodb_uri, settings.database, method, when)
    place = Path(__file__).parents[3]
    ended = await asyncio.to_thread(subprocess.run, arguments, cwd=place, check=False, capture_output=True)
    assert ended.returncode == -9, ended.stderr
    # what it left open is ended as a restarted server does it; MongoDB would after a minute
    sessions = [
        {"id": one["lsid"]["id"]}
        async for one in database.writes.client.admin.aggregate(
            [{"$currentOp": {}}, {"$match": {"type": "idleSession", "transaction": {"$exists": True}}}]
        )
    ]
    if sessions:
        await database.writes.client.admin.command("killSessions", sessions)
    assert await database.writes[REVENUE].count_documents({}) == there

    entries = [new("1", source_id=f"k{n}", user_id=f"u{n}") for n in range(3)]
    if there:
        receipts = await book.book(entries, client=None, by="someone")
        assert [(one.status, one.message) for one in receipts] == [("there", None)] * 3
    else:
        await booked(book, *entries)

    assert [one["sequence"] async for one in database.writes[REVENUE].find().sort("sequence", 1)] == [1, 2, 3]
