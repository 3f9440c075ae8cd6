"""Connecting to MongoDB."""

import asyncio
from typing import Any

import pytest

from app.database import Database, connected
from app.errors import ConfigurationError, DatabaseUnavailableError
from app.settings import Settings
from models import ApiKey
from models.rollups import ROLLUPS, USERS

LEDGER_INDEXES = {
    "_id_",
    "newest",
    "user_newest",
    "feature_model_newest",
    "requestDuration_order",
    "cost_order",
    "client_newest",
    "conversationId_newest",
    "status_newest",
    "costSource_newest",
    "gateway_cached",
    "campaignId_newest",
    "experiment_users",
}


async def test_a_replica_set_has_transactions_and_gets_its_indexes(database: Database) -> None:
    assert database.transactional
    assert set(await database.ledger.index_information()) == LEDGER_INDEXES
    assert set(await database.events.index_information()) == {"_id_", "event_newest", "experiment_seen"}
    assert await database.answers()


async def test_processes_may_start_at_once_on_a_database_that_has_nothing_yet(
    settings: Settings, mongodb_uri: str
) -> None:
    first, *others = await asyncio.gather(*(Database.connect(mongodb_uri, settings.database) for _ in range(4)))

    assert set(ROLLUPS) <= set(await first.writes.list_collection_names())
    await first.writes.client.drop_database(settings.database)
    for database in (first, *others):
        database.close()


async def test_indexes_of_earlier_versions_are_dropped_and_those_of_others_stay(
    settings: Settings, database: Database, mongodb_uri: str
) -> None:
    await database.ledger.create_index([("createdAt", -1)], name="time")
    await database.ledger.create_index("campaignId", name="ours")
    users = database.writes[USERS]
    await users.create_index([("_id.day", 1), ("requests", -1), ("_id.user", 1)], name="ranking")
    await database.events.create_index([("clientId", 1), ("event", 1)], name="client_newest")

    async with connected(mongodb_uri, settings.database):
        pass

    assert set(await database.ledger.index_information()) == {*LEDGER_INDEXES, "ours"}
    assert set(await users.index_information()) == {"_id_", "day", "user"}
    assert set(await database.events.index_information()) == {"_id_", "event_newest", "experiment_seen"}


async def test_a_start_that_makes_an_index_of_many_calls_says_so(
    settings: Settings, database: Database, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, Any]] = []
    monkeypatch.setattr("app.database.connection.MANY_DOCUMENTS", 1)
    monkeypatch.setattr("app.database.connection.log.warning", lambda event, **facts: said.append({event: facts}))
    await database.ledger.insert_one({"userId": "u"})
    await database.ledger.drop_index("feature_model_newest")

    for _ in range(2):
        async with connected(mongodb_uri, settings.database):
            pass

    (facts,) = (each["indexes.being_made"] for each in said)
    assert (facts["collection"], facts["indexes"], facts["documents"]) == ("aiusages", ["feature_model_newest"], 1)
    assert set(await database.ledger.index_information()) == LEDGER_INDEXES


async def test_an_index_of_others_that_is_in_the_way_is_said_by_its_name(
    settings: Settings, database: Database, mongodb_uri: str
) -> None:
    await database.ledger.drop_index("newest")
    await database.ledger.create_index([("createdAt", -1), ("_id", -1)], name="ours")

    with pytest.raises(ConfigurationError, match=r"an index of test_\w+ conflicts with ours; drop it: .* name: ours"):
        await Database.connect(mongodb_uri, settings.database)


async def test_a_server_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.database.connection.STARTUP_SECONDS", 0.2)

    with pytest.raises(DatabaseUnavailableError) as failed:
        await Database.connect("mongodb://127.0.0.1:1", "nowhere")
    assert str(failed.value) == (
        "MongoDB at 127.0.0.1:1 cannot be reached (connection refused). "
        "Is it running? Start it, or correct TWINMETER_MONGODB_URI"
    )


async def test_a_unique_index_that_cannot_be_built_is_said_with_an_example_and_the_way_out(
    settings: Settings, database: Database, mongodb_uri: str
) -> None:
    keys = database.writes[ApiKey.Settings.name]
    await keys.drop_index("key")
    await keys.insert_many([{"keyId": "once"}, {"keyId": "twice"}, {"keyId": "twice"}])

    with pytest.raises(ConfigurationError) as failed:
        await Database.connect(mongodb_uri, settings.database)

    assert str(failed.value) == (
        "the unique index key of api_keys cannot be built: keyId must be unique, and several documents have "
        f'{{"keyId": "twice"}}. In mongosh, in the database {settings.database}: '
        'db.api_keys.find({"keyId": "twice"}) '
        "shows them; delete or change all but one, and start again"
    )


async def test_an_address_that_is_none_is_said_with_its_setting() -> None:
    with pytest.raises(ConfigurationError, match="TWINMETER_MONGODB_URI cannot be used"):
        await Database.connect("mongodb://", "nowhere")
