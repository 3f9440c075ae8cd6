"""What is left after a kill, and what a caller sees while MongoDB is away."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import kill
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.database import Database, connected
from app.database.mongod import EmbeddedMongod
from app.database.session_files import SessionFiles
from app.ledger.twins import twin_id
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from tests.forked import Forked
from tests.patience import patience
from tests.twins import assert_twins

ROOT = Path(__file__).parents[2]
KILLS = 5
BEFORE_THE_SERVER_SECONDS = 50
"""By itself the server gives up on a transaction after a minute or more. No machine is too slow for this."""
CALL = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 10}


@contextmanager
def load_process(settings: Settings, *more: str) -> Iterator[subprocess.Popen[str]]:
    assert settings.mongodb_uri is not None
    uri = settings.mongodb_uri.get_secret_value()
    own = [uri, settings.database, str(settings.data_dir), str(settings.track_deadline_ms), *more]
    command = [sys.executable, "-m", "tests.tracking.load_process", *own]
    with Forked(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def committed_until_killed(settings: Settings, calls: int) -> tuple[set[str], float]:
    """The ids that a process said were committed before it was killed, and the seconds to its first commit."""
    with load_process(settings) as process:
        assert process.stdout is not None
        ids, first = set(), 0.0
        for line in process.stdout:
            word, value = line.split()
            if word == "first":
                first = float(value)
                continue
            assert word == "committed"
            ids.add(value)
            if len(ids) == calls:
                process.send_signal(signal.SIGKILL)
    return ids, first


async def test_killed_again_and_again_under_load_the_twins_are_equal_and_every_receipt_is_kept(
    settings: Settings, database: Database
) -> None:
    rng = random.Random(20)
    acknowledged: set[str] = set()
    slowest = 0.0
    for _ in range(KILLS):
        ids, first = await asyncio.to_thread(committed_until_killed, settings, rng.randint(1, 400))
        acknowledged |= ids
        slowest = max(slowest, first)

    assert await assert_twins(database) >= acknowledged
    assert len(acknowledged) > KILLS
    assert slowest < patience(2)
    async with open_tracker(settings, database, Counters()):
        pass  # ends what the last one left open, which would hold up dropping the database for a minute


async def test_the_transaction_of_a_killed_process_does_not_block_the_next_one(
    settings: Settings, database: Database
) -> None:
    with load_process(settings, "stuck") as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "open\n"
        process.send_signal(signal.SIGKILL)
        process.wait()

    started = time.monotonic()
    async with open_tracker(settings, database, Counters()) as tracker:
        receipt = await tracker.track(**CALL, request_id="stuck")
    assert receipt.status == "committed"
    assert time.monotonic() - started < patience(2)


@pytest.fixture
def short_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What MongoDB does not take goes to the spool long before the callers' deadline, also on a slow machine."""
    for module in ("tracking.writer", "spool.replayer"):
        monkeypatch.setattr(f"app.{module}.ATTEMPT_SECONDS", 2.0)


@pytest.mark.usefixtures("short_attempts")
async def test_the_transaction_of_a_killed_process_does_not_hold_up_those_beside_it(
    settings: Settings, database: Database
) -> None:
    async with open_tracker(settings, database, Counters()) as tracker:
        with load_process(settings, "stuck") as process:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "open\n"
            process.send_signal(signal.SIGKILL)
            process.wait()

        started = time.monotonic()
        receipt = await tracker.track(**CALL, request_id="stuck")
        assert receipt.status == "spooled"
        await delivered(tracker)
        assert time.monotonic() - started < BEFORE_THE_SERVER_SECONDS
        assert (await tracker.track(**CALL)).status == "committed"


@pytest.mark.usefixtures("short_attempts")
async def test_a_transaction_that_the_server_hears_of_when_its_process_is_gone_blocks_nobody_for_long(
    settings: Settings, database: Database
) -> None:
    """Its start lay unread in a socket while the next process ended all that the one before had left open."""
    async with database.committer_session() as session:
        assert session is not None
        with SessionFiles(settings.data_dir) as files:
            files.record(session)
        async with open_tracker(settings, database, Counters()) as tracker:
            session.start_transaction()
            await database.ledger.insert_one({"_id": twin_id("default", "stuck")}, session=session)

            started = time.monotonic()
            assert (await tracker.track(**CALL, request_id="stuck")).status == "spooled"
            await delivered(tracker)
            assert time.monotonic() - started < BEFORE_THE_SERVER_SECONDS
    assert await assert_twins(database) == {str(twin_id("default", "stuck"))}


async def delivered(tracker: Tracker) -> None:
    """Wait until MongoDB is back and has everything."""
    async with asyncio.timeout(patience(60)):
        while tracker.writer.breaker.is_open or tracker.writer.spooler.depth.calls:  # noqa: ASYNC110 - another's work
            await asyncio.sleep(0.01)


async def tracked_while_away(tracker: Tracker) -> float:
    """Report five calls, one after the other, while MongoDB is away. Returns the longest wait in seconds."""
    waits = []
    for _ in range(5):
        started = time.monotonic()
        receipt = await tracker.track(**CALL)
        waits.append(time.monotonic() - started)
        assert receipt.status == "spooled"
    return max(waits)


def freeze(mongod: EmbeddedMongod) -> None:
    """Returns when every thread stands still: on a busy machine one may go on for a while."""
    kill(mongod.pid, signal.SIGSTOP)
    states = {"R"}
    while states != {"T"}:
        states = {
            task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{mongod.pid}/task").glob("*/stat")
        }


def leave(mongod: EmbeddedMongod, back: signal.Signals | None) -> None:
    """Freeze it where `back` brings it back, else kill it."""
    if back is None:
        kill(mongod.pid, signal.SIGKILL)
    else:
        freeze(mongod)


async def come_back(mongod: EmbeddedMongod, back: signal.Signals | None) -> None:
    if back is None:
        await asyncio.to_thread(mongod.stop)
        await asyncio.to_thread(mongod.start)
    else:
        kill(mongod.pid, back)


@pytest.mark.parametrize("back", [signal.SIGCONT, None], ids=["frozen", "killed"])
async def test_a_caller_waits_no_longer_than_its_deadline_and_the_calls_are_committed_later(
    settings: Settings, tmp_path: Path, back: signal.Signals | None
) -> None:
    own = settings.model_copy(update={"track_deadline_ms": 1_000})
    with EmbeddedMongod(tmp_path / "own") as mongod:
        async with connected(mongod.uri, "own") as database, open_tracker(own, database, Counters()) as tracker:
            assert (await tracker.track(**CALL)).status == "committed"
            leave(mongod, back)
            longest = await tracked_while_away(tracker)
            await come_back(mongod, back)
            await delivered(tracker)

            assert longest < patience(1.2)  # the deadline is 1; a busy machine is late by itself
            assert tracker.counters.snapshot() == {"committed": 1, "spooled": 5}
            assert len(await assert_twins(database)) == 6
            assert (await tracker.track(**CALL)).status == "committed"


@pytest.mark.usefixtures("short_attempts")
async def test_a_transaction_in_whose_middle_mongodb_froze_does_not_block_its_own_replay(
    settings: Settings, tmp_path: Path
) -> None:
    with EmbeddedMongod(tmp_path / "own") as mongod:
        async with connected(mongod.uri, "own") as database, open_tracker(settings, database, Counters()) as tracker:
            await tracker.track(**CALL)
            freeze(mongod)
            try:  # the server gets the start of the transaction when it goes on, and nobody is left to end it
                assert (await tracker.track(**CALL)).status == "spooled"
            finally:
                kill(mongod.pid, signal.SIGCONT)
            thawed = time.monotonic()
            await delivered(tracker)

            assert time.monotonic() - thawed < BEFORE_THE_SERVER_SECONDS
            assert len(await assert_twins(database)) == 2


@pytest.mark.usefixtures("short_attempts")
async def test_what_was_spooled_by_a_process_that_stopped_while_mongodb_was_frozen_is_delivered_by_the_next_one(
    settings: Settings, tmp_path: Path
) -> None:
    with EmbeddedMongod(tmp_path / "own") as mongod:
        async with connected(mongod.uri, "own") as database:
            async with open_tracker(settings, database, Counters()) as tracker:
                first = await tracker.track(**CALL)  # its connection is then there for the next one
                freeze(mongod)
                spooled = await tracker.track(**CALL)
                assert spooled.status == "spooled"
            kill(mongod.pid, signal.SIGCONT)
            thawed = time.monotonic()
            async with open_tracker(settings, database, Counters()) as tracker:
                await delivered(tracker)

            assert time.monotonic() - thawed < BEFORE_THE_SERVER_SECONDS
            assert await assert_twins(database) == {first.id, spooled.id}


@pytest.mark.disk
async def test_what_a_killed_process_had_spooled_is_delivered_by_the_next_one(
    settings: Settings, tmp_path: Path
) -> None:
    with EmbeddedMongod(tmp_path / "own") as mongod:
        own = settings.model_copy(update={"mongodb_uri": SecretStr(mongod.uri), "track_deadline_ms": 200})
        async with connected(mongod.uri, own.database) as database:
            acknowledged = await asyncio.to_thread(spooled_until_killed, own, mongod.pid)
            async with open_tracker(own, database, Counters()) as tracker:
                await delivered(tracker)

            assert len(acknowledged) >= 200
            assert await assert_twins(database) >= acknowledged


def spooled_until_killed(settings: Settings, mongod: int) -> set[str]:
    """The ids that a process said were safe, before and after MongoDB froze, until it was killed."""
    ids = set()
    with load_process(settings) as process:
        assert process.stdout is not None
        for line in process.stdout:
            word, value = line.split()
            if word in {"committed", "spooled"}:
                ids.add(value)
            if word == "first":
                kill(mongod, signal.SIGSTOP)
            if len(ids) == 200:
                process.send_signal(signal.SIGKILL)
        process.wait()
    kill(mongod, signal.SIGCONT)
    return ids
