"""Erasing a user, as an operator does it."""

import asyncio
import json

import pytest

from app.database import Database
from app.settings import Settings
from app.spool.journal import Spool
from app.tracking import Tracker
from tests.ledger.test_ledger import pair
from tests.scripts.conftest import Command
from tests.twins import assert_twins, entries


@pytest.fixture
async def calls(tracker: Tracker) -> None:
    for client in ("default", "acme"):
        for user in ("anna", "anna", "bob"):
            await tracker.track(user_id=user, client_id=client, content_type="chat", model="gpt-4o", input_tokens=10)


@pytest.mark.usefixtures("calls")
async def test_without_execute_nothing_is_written(command: Command, database: Database) -> None:
    before = await entries(database)

    shown = await asyncio.to_thread(command, "scripts.erase_user", "anna")
    summary = await asyncio.to_thread(command, "scripts.erase_user", "anna", "--client", "acme", "--json")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "to be erased" in shown.stdout
    assert "nothing was written" in shown.stdout
    found = json.loads(summary.stdout)
    assert (found["executed"], found["entries"], found["events"], found["pseudonym"]) == (False, 2, 2, None)
    assert await entries(database) == before
    assert await database.writes["erasures"].count_documents({}) == 0


@pytest.mark.usefixtures("calls")
async def test_with_execute_the_user_is_gone_and_the_pseudonym_is_said(command: Command, database: Database) -> None:
    done = await asyncio.to_thread(command, "scripts.erase_user", "anna", "--execute", "--json")

    assert done.returncode == 0
    summary = json.loads(done.stdout)
    assert (summary["executed"], summary["entries"], summary["events"]) == (True, 4, 4)
    users = [entry["userId"] for entry in await entries(database)]
    assert sorted(set(users)) == ["bob", summary["pseudonym"]]
    assert users.count(summary["pseudonym"]) == 4
    await assert_twins(database)
    again = await asyncio.to_thread(command, "scripts.erase_user", "anna", "--execute")
    assert again.returncode == 0
    assert "nothing was found" in again.stdout


@pytest.mark.usefixtures("database")
async def test_what_of_the_spool_cannot_be_searched_is_said(command: Command, settings: Settings) -> None:
    spool = Spool.of(settings.data_dir, settings.database, 1_000_000)
    spool.append([pair("r")])
    with spool.transaction() as connection:
        connection.execute("UPDATE calls SET pair = x'00'")
    page = spool.page(1)
    assert page is not None
    spool.set_aside(page.unreadable)
    spool.close()

    done = await asyncio.to_thread(command, "scripts.erase_user", "anna")

    assert (done.returncode, "1 unreadable rows or damaged files of the spool were not searched" in done.stderr) == (
        0,
        True,
    )
