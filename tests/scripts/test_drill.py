"""The drills, small: real servers are killed, and real MongoDBs, and nothing that was acknowledged is lost."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from app.database import connected
from app.database.mongod import EmbeddedMongod
from models.rollups import DAYS
from scripts.drill import check
from scripts.drill.backfill import backfill
from scripts.drill.calls import id_of
from scripts.drill.drills import kills, outage, replay
from scripts.drill.failover import failover
from scripts.drill.scene import Result, under_load
from scripts.drill.server import Server
from scripts.drill.thrice import thrice
from scripts.toolkit.command import Advance
from tests.scripts.conftest import Command

Drill = Callable[[Path, int, Advance], Awaitable[Result]]


@pytest.fixture(scope="module", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers start often here: also where Python is told not to keep what it compiles, they share it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


async def passed(drill: Drill, folder: Path, much: int) -> Result:
    result = await drill(folder, much, lambda _: None)
    assert result.faults == []
    return result


async def test_a_server_killed_three_times_loses_nothing_and_commits_at_once(tmp_path: Path) -> None:
    result = await passed(kills, tmp_path, 3)

    assert result.figures["calls"] > 100


async def test_calls_are_taken_while_mongodb_is_stopped_and_each_is_delivered_once(tmp_path: Path) -> None:
    result = await passed(outage, tmp_path, 3)

    assert result.figures["receipts spooled"] > 100


async def test_a_server_killed_while_mongodb_is_away_loses_nothing(command: Command) -> None:
    ended = await asyncio.to_thread(command, "scripts.drill", "both", "--times", "1", "--json")

    said = json.loads(ended.stdout)
    assert (ended.returncode, said["passed"], said["faults"]) == (0, True, [])
    assert said["figures"]["receipts spooled"] >= 500


async def test_mongodb_killed_in_the_middle_of_a_replay_gets_every_call_once(tmp_path: Path) -> None:
    result = await passed(replay, tmp_path, 4_000)

    assert 0 < result.figures["still there when MongoDB was killed again"] < result.figures["in the spool"]


async def test_a_primary_killed_under_load_costs_no_call(tmp_path: Path) -> None:
    await passed(failover, tmp_path, 1)


async def test_ten_thousand_requests_sent_three_times_at_once_are_ten_thousand_entries(tmp_path: Path) -> None:
    result = await passed(thrice, tmp_path, 10_000)

    assert result.figures["calls"] == 10_000
    assert result.figures["receipts duplicate"] > 0


async def test_a_backfill_killed_twice_ends_like_one_clean_run(tmp_path: Path) -> None:
    result = await passed(partial(backfill, events=5_000), tmp_path, 2)

    assert result.figures["kills"] == 2


async def test_a_drill_names_what_is_wrong(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as mongod:
        server = Server(tmp_path, mongod.uri)
        async with under_load(server) as scene:
            await scene.load.stop()
            told = scene.load.told
            await check.until_replayed(server)
            told.acknowledged ^= {0, 10**9}  # one that was stored, and one that never was
            async with connected(mongod.uri, server.settings.database) as database:
                await database.events.delete_one({"_id": id_of(1)})
                today = datetime.now(UTC).date().isoformat()
                await database.writes[DAYS].insert_one({"_id": {"day": today, "scope": "nobody"}, "requests": 1})
            faults = await check.faults(server, told)

    assert f"acknowledged and not in the ledger: drill-{10**9}" in faults
    assert f"in the ledger and acknowledged to nobody: {id_of(0)}" in faults
    assert f"in the ledger without a twin: {id_of(1)}" in faults
    for said in ("the ledger has Sums(", "the usage report has Sums(", "not as a recount says: rollup_days"):
        assert said in str(faults)
