"""Which sessions of a data folder are ended, and for how long."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.database import Database, Session
from app.database.session_files import REMEMBERED_SECONDS, SessionFiles


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.committer_session() as session:
        assert session is not None
        yield session


async def test_the_session_of_a_living_process_is_left_alone(
    tmp_path: Path, database: Database, session: Session
) -> None:
    with SessionFiles(tmp_path) as files:
        files.record(session)
        session.start_transaction()
        await database.ledger.insert_one({}, session=session)

        assert await SessionFiles(tmp_path).end_stale(database) == 0
        await session.commit_transaction()


async def test_a_session_is_ended_again_for_some_minutes_by_whoever_comes_and_then_forgotten(
    tmp_path: Path, database: Database, session: Session
) -> None:
    with SessionFiles(tmp_path) as files:
        files.record(session)
    (file,) = (tmp_path / "sessions").iterdir()

    assert [await SessionFiles(tmp_path).end_stale(database) for _ in range(3)] == [1, 1, 1]
    first = file.stat().st_mtime - REMEMBERED_SECONDS
    os.utime(file, (first, first - 1))
    assert [await SessionFiles(tmp_path).end_stale(database) for _ in range(2)] == [1, 0]
    assert list(file.parent.iterdir()) == []
