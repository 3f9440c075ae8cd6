"""What becomes of calls that nobody waits for when their process ends."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.database import Database, connected
from app.database.mongod import EmbeddedMongod
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import open_tracker
from tests.patience import patience
from tests.tracking.test_durability import delivered
from tests.twins import assert_twins

ROOT = Path(__file__).parents[2]


@contextmanager
def started(settings: Settings, command: list[str]) -> Iterator[subprocess.Popen[str]]:
    assert settings.mongodb_uri is not None
    own = {
        "TWINMETER_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "TWINMETER_DATABASE": settings.database,
        "TWINMETER_DATA_DIR": str(settings.data_dir),
        "TWINMETER_SPOOL_MAX_MB": str(settings.spool_max_mb),
        "TWINMETER_TRACK_DEADLINE_MS": str(settings.track_deadline_ms),
    }
    pipe, environment = subprocess.PIPE, {**os.environ, **own}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def host(settings: Settings, way: str, calls: int = 300) -> AbstractContextManager[subprocess.Popen[str]]:
    return started(settings, [sys.executable, "-m", "tests.tracking.host_process", way, str(calls)])


@pytest.mark.parametrize("way", ["hosted_and_stopped", "hosted", "left_in_a_loop", "opened_by_a_process"])
async def test_what_was_queued_is_committed_at_the_end_of_a_script(
    settings: Settings, database: Database, way: str
) -> None:
    with host(settings, way) as process:
        told, logged = process.communicate(timeout=patience(10))

    assert (told, logged, process.returncode) == ("{'queued': 300}\n", "", 0)
    assert len(await assert_twins(database)) == 300


async def test_what_was_queued_is_committed_when_a_process_manager_ends_it(
    settings: Settings, database: Database
) -> None:
    with host(settings, "signalled") as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.wait(patience(10))

    assert (told, process.returncode) == ("{'queued': 300}\n", 0)
    assert len(await assert_twins(database)) == 300


async def test_a_synchronous_worker_of_gunicorn_commits_what_was_queued_when_it_is_told_to_end(
    settings: Settings, database: Database
) -> None:
    assert settings.mongodb_uri is not None
    options = ["--bind", "127.0.0.1:0", "--workers", "2", "--log-level", "info", "--no-control-socket"]
    command = [sys.executable, "-m", "gunicorn", *options, "tests.tracking.host_process:application()"]
    with started(settings, command) as process:
        assert process.stderr is not None
        address = next(found[1] for line in process.stderr if (found := re.search(r"Listening at: (http\S+)", line)))
        async with httpx.AsyncClient() as client:
            statuses = Counter([(await client.get(address)).text for _ in range(300)])
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=patience(20))

    assert (statuses, process.returncode) == ({"queued": 300}, 0), logged
    assert len(await assert_twins(database)) == 300


async def test_while_mongodb_is_away_what_was_queued_is_on_the_disk_when_the_script_has_ended(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    with EmbeddedMongod(folder) as mongod:
        away = settings.model_copy(update={"mongodb_uri": SecretStr(mongod.uri)})
        with host(away, "stopped_by_hand") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            mongod.stop()
            told, logged = process.communicate("go\n", timeout=patience(30))
        mongod.start()
        async with (
            connected(mongod.uri, away.database) as database,
            open_tracker(away, database, Counters()) as tracker,
        ):
            spooled = (await tracker.standing()).spool.calls
            await delivered(tracker)
            stored = await assert_twins(database)

    assert (told, process.returncode) == ("{'queued': 300}\n", 0), logged
    assert "tracking.calls_lost" not in logged
    assert (spooled <= 300, len(stored)) == (True, 300)


async def test_what_was_queued_is_on_the_disk_where_nobody_waits_for_the_end(
    settings: Settings, database: Database
) -> None:
    with host(settings, "closed_in_no_time") as process:
        told, logged = process.communicate(timeout=patience(10))
    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)

    assert (told, process.returncode) == ("{'queued': 300}\n", 0), logged
    assert "tracking.calls_lost" not in logged
    assert len(await assert_twins(database)) == 300


async def test_what_was_queued_on_a_loop_that_was_closed_is_on_the_disk_and_delivered_by_the_next_start(
    settings: Settings, database: Database
) -> None:
    with host(settings, "left_in_a_closed_loop") as process:
        told, logged = process.communicate(timeout=patience(10))
    (known,) = [len(await assert_twins(database))]
    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)

    # pymongo warns of nothing, asyncio of tasks that were still there
    assert (told, process.returncode) == ("{'queued': 300}\n", 0), logged
    assert known < 300
    assert len(await assert_twins(database)) == 300


async def test_what_an_exit_cannot_keep_is_in_the_log_with_its_number(settings: Settings, database: Database) -> None:
    small = settings.model_copy(update={"spool_max_mb": 1})
    with host(small, "left_in_a_closed_loop", 3_000) as process:
        told, logged = process.communicate(timeout=patience(20))
    stored = len(await assert_twins(database))
    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)

    lost = re.fullmatch(r"tracking.calls_lost calls=(\d+) reason=the spool has reached its cap of 1 MB\n", logged)
    assert (told, process.returncode) == ("{'queued': 3000}\n", 0)
    assert lost is not None, logged
    assert stored < 3_000
    assert len(await assert_twins(database)) == 3_000 - int(lost[1])


async def test_a_child_is_told_that_its_parent_has_the_tracking_and_both_end(
    settings: Settings, database: Database
) -> None:
    with host(settings, "forked") as process:
        told, logged = process.communicate(timeout=patience(10))

    assert (process.returncode, told.splitlines()) == (
        0,
        [
            "{'queued': 300}",
            "{'dropped': 4}",
            "{'this process was forked from the one that opened tracking, and has nothing of it': 4}",
            "{'Flushed(waiting=0, spooled=0)': 1, \"{'dropped': 4}\": 1}",
            "{'committed': 5}",
        ],
    ), logged
    assert logged.count("tracking.forked") == len(logged.splitlines()) == 1
    assert len(await assert_twins(database)) == 305


async def test_children_that_open_tracking_themselves_report_all_and_their_parent_nothing_twice(
    settings: Settings, database: Database
) -> None:
    with host(settings, "forked_and_opened_again", 100) as process:
        told, logged = process.communicate(timeout=patience(10))

    assert (told, logged, process.returncode) == ("{'queued': 100}\n" * 3, "", 0)
    assert len(await assert_twins(database)) == 301


@pytest.mark.parametrize(("way", "calls", "children"), [("forked_in_its_block", 1, 1), ("multiprocessed", 4, 2)])
async def test_a_child_of_a_coroutine_commits_nothing_and_does_not_hang(
    settings: Settings, database: Database, way: str, calls: int, children: int
) -> None:
    with host(settings, way) as process:
        told, logged = process.communicate(timeout=patience(20))

    assert (told, process.returncode) == (f"{{'queued': 300}}\n{{'dropped': {calls}}}\n", 0), logged
    assert logged.count("tracking.forked") == len(logged.splitlines()) <= children
    assert len(await assert_twins(database)) == 300
