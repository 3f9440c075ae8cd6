"""The drills, small: real servers are killed, and real MongoDBs, and nothing that was acknowledged is lost."""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.database import connected
from app.database.mongod import EmbeddedMongod
from models.rollups import DAYS
from scripts.drill import check, scene, ways
from scripts.drill.calls import id_of
from scripts.drill.client import client
from scripts.drill.distant import distant
from scripts.drill.drills import both, kills, replay
from scripts.drill.failover import failover
from scripts.drill.load import Client
from scripts.drill.scene import Result, under_load
from scripts.drill.server import Server
from scripts.drill.stuck import stuck
from scripts.drill.thrice import thrice
from scripts.drill.ways import WAYS, missing
from scripts.drill.workers import workers
from scripts.toolkit.command import Advance
from tests.forked import Forked
from tests.patience import patience
from tests.scripts.conftest import Command

REPLAYED = 3_000
"""Calls: the replay takes them in pages of a thousand, and half-way one of those has to be left."""

PAUSE_SECONDS = 0.01
"""Between two requests of a client. What shows is the same, and the machine has room for the tests beside."""

Drill = Callable[[Path, int, Advance], Awaitable[Result]]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that start soon, clients that leave room for others, and a slow machine's patience."""
    report = Client.report

    async def report_and_pause(client: Client, numbers: Sequence[int]) -> None:
        await report(client, numbers)
        await asyncio.sleep(PAUSE_SECONDS)

    monkeypatch.setattr(Client, "report", report_and_pause)
    monkeypatch.setattr(subprocess, "Popen", Forked)
    monkeypatch.setattr(scene, "FIRST_COMMIT_SECONDS", patience(scene.FIRST_COMMIT_SECONDS))


async def passed(drill: Drill, folder: Path, much: int) -> Result:
    result = await drill(folder, much, lambda _: None)
    assert result.faults == []
    return result


@pytest.mark.disk
async def test_a_server_killed_twice_loses_nothing_and_commits_at_once(tmp_path: Path) -> None:
    result = await passed(kills, tmp_path, 2)

    assert result.figures["calls"] > 100


async def test_a_server_killed_while_mongodb_is_away_loses_nothing(tmp_path: Path) -> None:
    result = await passed(both, tmp_path, 1)

    assert result.figures["receipts spooled"] >= 500


async def test_mongodb_killed_in_the_middle_of_a_replay_gets_every_call_once(tmp_path: Path) -> None:
    result = await passed(replay, tmp_path, REPLAYED)

    assert result.figures["receipts spooled"] >= REPLAYED
    assert 0 < result.figures["still there when MongoDB was killed again"] < result.figures["in the spool"]


async def test_a_primary_killed_under_load_costs_no_call(tmp_path: Path) -> None:
    await passed(failover, tmp_path, 1)


async def test_servers_and_distant_members_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.drill.distant.SERVERS", 2)
    monkeypatch.setattr("scripts.drill.distant.CLIENTS", 8)
    monkeypatch.setattr("scripts.drill.distant.DELAY_SECONDS", 0.002)

    result = await passed(distant, tmp_path, 200)

    assert result.figures["calls"] >= 200
    assert result.figures["slowest single answer, ms"] >= 4  # one way and back is the least that a commit takes


async def test_requests_sent_three_times_at_once_are_each_one_entry(tmp_path: Path) -> None:
    result = await passed(thrice, tmp_path, 1_500)

    assert result.figures["calls"] == 1_500
    assert result.figures["receipts duplicate"] > 0


async def test_workers_killed_in_turn_cost_no_call_and_come_back(tmp_path: Path) -> None:
    result = await passed(workers, tmp_path, 1)

    assert result.figures["kills"] == 2
    assert result.figures["calls"] > 100


async def test_applications_of_all_kinds_have_each_of_their_calls_in_the_ledger_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "KILLS", 1)
    monkeypatch.setattr(ways, "BETWEEN_KILLS", 0.05)

    result = await client(tmp_path, 120, lambda _: None, away=1)

    assert result.faults == []
    found = {way: result.figures[way][0] for way in WAYS}
    assert found == {way: missing(way) or "120 of 120" for way in WAYS}
    assert result.figures["answers cut"] > 0


def test_a_tool_that_is_not_installed_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    assert [missing(way) for way in ("script", "celery")] == [
        "",
        "not run: celery is not installed; pip install celery",
    ]


async def test_a_backfill_killed_twice_ends_like_one_clean_run(process: Command, tmp_path: Path) -> None:
    arguments = ["--times", "2", "--events", "5000", "--json"]

    ended = await asyncio.to_thread(process, "scripts.drill", "backfill", *arguments, TMPDIR=str(tmp_path))

    said = json.loads(ended.stdout)
    assert (ended.returncode, said["passed"], said["faults"]) == (0, True, [])
    assert said["figures"]["kills"] == 2


async def test_a_drill_names_what_is_wrong(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as mongod:
        server = Server(tmp_path, mongod.uri)
        async with under_load(server) as loaded:
            await loaded.load.stop()
            told = loaded.load.told
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


async def test_what_once_stopped_deliveries_in_silence_is_delivered_or_named(tmp_path: Path) -> None:
    result = await passed(stuck, tmp_path, 300)

    assert result.figures["damaged rows, each named"] == 3
