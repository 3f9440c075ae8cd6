"""A database is spread over shards by commands that are printed, and run where there is a cluster."""

import json
import re
from typing import Any

import pytest

from app.database import Database
from app.database.sharding import REASONS, NotRoutedError, Step, spread, steps
from app.rollups.merging import merging
from app.tracking import Tracker
from tests.scripts.conftest import Command


class Cluster:
    """Answers as a `mongos` does, until it fails."""

    def __init__(self, *, routes: bool = True, fails_at: int | None = None) -> None:
        self.hello = {"msg": "isdbgrid"} if routes else {"setName": "rs0"}
        self.fails_at = fails_at
        self.ran: list[Step] = []

    async def run(self, database: str, command: dict[str, Any]) -> dict[str, Any]:
        if "hello" in command:
            return self.hello
        if len(self.ran) == self.fails_at:
            raise ConnectionError
        self.ran.append(Step(database, command))
        return {"ok": 1}


def nothing(_: Step) -> None:
    pass


async def test_each_collection_has_the_index_of_its_key_before_it_is_sharded() -> None:
    cluster = Cluster()

    await spread(cluster.run, "shop", nothing)

    first, *rest = cluster.ran
    assert first == ("admin", {"enableSharding": "shop"})
    assert [step.database for step in rest] == ["shop", "admin"] * 6
    for name, index, sharded in zip(REASONS, rest[::2], rest[1::2], strict=True):
        assert index.command == {"createIndexes": name, "indexes": [{"key": {"_id": "hashed"}, "name": "shard"}]}
        assert sharded.command == {"shardCollection": f"shop.{name}", "key": {"_id": "hashed"}}


async def test_it_runs_nothing_where_there_is_no_cluster() -> None:
    replica_set = Cluster(routes=False)

    with pytest.raises(NotRoutedError, match="TWINMETER_MONGODB_URI"):
        await spread(replica_set.run, "shop", nothing)

    assert replica_set.ran == []


async def test_it_says_how_far_it_came_before_a_failure() -> None:
    said: list[Step] = []

    with pytest.raises(ConnectionError):
        await spread(Cluster(fails_at=4).run, "shop", said.append)

    assert said == list(steps("shop"))[:4]


async def test_the_index_of_the_key_is_made_beside_what_is_stored(database: Database, tracker: Tracker) -> None:
    """Also over the ids that are documents; and the next start leaves it alone."""
    call = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "conversation_id": "c"}
    await tracker.track(**call, experiment="tone", variant="b")
    async with merging(database) as compactor:
        await compactor.merge_all()
    made = [step for step in steps(database.writes.name) if "createIndexes" in step.command]
    for step in made * 2:
        await database.writes.client[step.database].command(step.command)
    await database.prepare_rollups()

    for name in REASONS:
        assert (await database.writes[name].index_information())["shard"]["key"] == [("_id", "hashed")]
        assert await database.writes[name].count_documents({}) == 1


def test_the_printed_commands_are_those_that_are_run(command: Command, database: Database) -> None:
    printed = command("scripts.shard")

    assert (printed.returncode, printed.stderr) == (0, "")
    lines = [line for line in printed.stdout.splitlines() if line.startswith("db.")]
    read = [re.fullmatch(r"db\.getSiblingDB\((.+?)\)\.runCommand\((.+)\)", line) for line in lines]
    assert [Step(json.loads(one[1]), json.loads(one[2])) for one in read if one] == list(steps(database.writes.name))
    for name, reason in REASONS.items():
        assert f"// {name}: {reason}" in printed.stdout


def test_execute_needs_a_mongos(command: Command) -> None:
    refused = command("scripts.shard", "--execute")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"{NotRoutedError()}\n"
