"""`/ready` says what is wrong, whatever the cause, and that calls are accepted all the same."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, InvalidOperation

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.ledger.ledger import Ledger
from app.observability.metrics import Counters
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.spool import watch
from app.spool.journal import Spool, SpoolError, spool_path
from models.rollups import DELTAS
from tests.ledger.test_ledger import pair
from tests.patience import until
from tests.routes.conftest import Client, bearer

CALL = {"userId": "u", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000}

Waits = Callable[..., Any]


@pytest.fixture
def before(settings: Settings) -> Spool:
    """The spool that an earlier process left."""
    return Spool.of(settings.data_dir, settings.database, 10_000_000)


async def troubles(client: Client) -> dict[str, tuple[str, int | None]]:
    """What `/ready` says is wrong: reason and count by code. It is 200 all the same."""
    answer = await client.get("/ready")
    ready = answer.json()
    assert answer.status_code == 200
    assert ready["status"] == ("degraded" if ready["troubles"] else "ready")
    assert all(trouble["advice"] for trouble in ready["troubles"])
    return {trouble["code"]: (trouble["reason"], trouble["count"]) for trouble in ready["troubles"]}


async def until_said(client: Client, code: str) -> tuple[str, int | None]:
    async def is_said() -> bool:
        return code in await troubles(client)

    await until(is_said)
    return (await troubles(client))[code]


async def test_nothing_is_wrong(client: Client) -> None:
    assert await troubles(client) == {}
    assert b'twinmeter_trouble{code="delivery"} 0.0' in (await client.get("/metrics")).content


async def test_calls_that_meet_a_fault_of_ours(
    client: Client, tokens: Tokens, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a read preference that transactions do not allow: each commit failed, and `/ready` said `ready`."""

    def refuse(*_: object, **__: object) -> None:
        raise InvalidOperation("read preference in a transaction must be primary")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_commit_whole", refuse)
        receipt = await client.post("/api/ai/track", json=CALL, headers=bearer(tokens, Role.SERVICE))
        assert receipt.json()["status"] == "spooled"
        said = "the driver refused it: read preference in a transaction must be primary"
        assert await until_said(client, "commit") == (said, 1)
        assert await until_said(client, "delivery") == (said, 1)
        metrics = (await client.get("/metrics")).content
        assert b'twinmeter_trouble{code="delivery"} 1.0' in metrics
        assert b"twinmeter_mongodb_away 0.0" in metrics
        technical = await client.get("/api/admin/ai/technical", headers=bearer(tokens, Role.ADMIN))
        assert {one["code"] for one in technical.json()["troubles"]} == {"commit", "delivery"}

    async def is_stored() -> bool:
        return await database.ledger.count_documents({}) == 1

    await until(is_stored)

    async def is_well() -> bool:
        return "delivery" not in await troubles(client)

    await until(is_well)


async def test_what_only_another_worker_has_met(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counters, "in_trouble", lambda _: {"compactor"})

    reason = "another process of this server has met it; the log says why"
    assert await troubles(client) == {"compactor": (reason, None)}


@pytest.fixture
def _waits_since_long(before: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was spooled a minute ago, and a MongoDB that does not take it."""
    waiting = pair("r")
    waiting.entry["recordedAt"] = datetime.now(UTC) - timedelta(seconds=61)
    before.append([waiting])
    before.close()

    def away(*_: object, **__: object) -> None:
        raise AutoReconnect("away")

    monkeypatch.setattr(Ledger, "_commit_whole", away)


@pytest.mark.usefixtures("_waits_since_long")
async def test_a_spooled_call_that_waits_for_more_than_a_minute(client: Client) -> None:
    assert (await troubles(client))["overdue"] == ("an acknowledged call waits for more than a minute", 1)


async def test_a_queued_call_that_waits_for_more_than_a_minute(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = client.app.state.tracker
    monkeypatch.setattr(type(tracker.writer), "waiting", 61.0)

    assert "overdue" in await troubles(client)


@pytest.fixture
def _refused(before: Spool) -> None:
    before.append([pair("r"), pair("s")])
    before.settle([], {pair("r").id: "a validator", pair("s").id: "a validator"})
    before.close()


@pytest.mark.usefixtures("_refused")
async def test_calls_that_were_set_aside(client: Client) -> None:
    assert await troubles(client) == {"refused": ("calls that MongoDB did not accept are set aside", 2)}


@pytest.fixture
def _unreadable(before: Spool, settings: Settings) -> None:
    before.append([pair("r")])
    before.close()
    with closing(sqlite3.connect(spool_path(settings.data_dir, settings.database))) as connection:
        connection.execute("UPDATE calls SET pair = x'00'")
        connection.commit()


@pytest.mark.usefixtures("_unreadable")
async def test_rows_that_cannot_be_read(client: Client) -> None:
    assert await until_said(client, "unreadable") == ("rows of the spool that cannot be read are set aside", 1)


@pytest.fixture
def _damaged(before: Spool, settings: Settings) -> Path:
    before.close()
    path = spool_path(settings.data_dir, settings.database)
    path.write_bytes(b"this is no spool" * 1_000)
    return path


@pytest.mark.usefixtures("_damaged")
async def test_damaged_files(client: Client) -> None:
    assert await troubles(client) == {"damaged": ("damaged spools are set aside", 1)}


async def test_a_disk_that_takes_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Spool) -> None:
        raise SpoolError("spool-test.sqlite3: database or disk is full")

    monkeypatch.setattr(Spool, "depth", full)

    assert (await troubles(client))["spool"] == ("spool-test.sqlite3: database or disk is full", None)


async def test_merging_that_fails(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object, __: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Compactor, "_work", broken)

    assert await until_said(client, "compactor") == ("internal error: ZeroDivisionError", None)


async def test_deltas_that_are_set_aside_and_one_that_stays(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.writes[DELTAS].insert_one({"_id": 1, "junk": True})
    assert await until_said(client, "deltas") == ("damaged deltas of the rollups are set aside", 1)
    await database.writes["rollup_deltas_set_aside"].delete_many({})

    async def idle(_: object, __: object) -> None:
        pass

    monkeypatch.setattr(Compactor, "_work", idle)
    monkeypatch.setattr(watch, "DELTA_SECONDS", 0.0)
    await database.writes[DELTAS].insert_one({"_id": 2, "junk": True})

    async def is_named() -> bool:
        return (await troubles(client)).get("deltas") == ("the delta 2 is not merged into the rollups", None)

    await until(is_named)
