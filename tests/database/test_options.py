"""Each option of an address on a real MongoDB: the start is refused with a sentence, or everything works as ever."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from pydantic import SecretStr
from pymongo.monitoring import CommandListener

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database, connected
from app.database.address import GUARANTEED
from app.errors import AppError
from app.live import open_hub
from app.main import create_app
from app.observability.metrics import Counters
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import requested_window
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from models.rollups import DELTAS
from scripts.diagnosis import calls, indexes, rollups, server
from scripts.diagnosis.examination import examine, opened
from scripts.diagnosis.finding import Verdict
from scripts.reconcile import Reconcile, arguments
from scripts.toolkit.job import run_job
from tests.conftest import SECRET
from tests.patience import patience
from tests.routes.test_mongodb_away import gets, needs_mongodb
from tests.twins import assert_twins

CALL = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000}
ROW = {"userId": "u", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000}
ADMIN = {"Authorization": f"Bearer {Tokens(SECRET).issue('me', Role.ADMIN, timedelta(hours=2))}"}
BATCH = 500
WORKING = (
    *("readPreference=secondaryPreferred", "readPreference=primaryPreferred", "readPreference=nearest"),
    "readPreference=secondaryPreferred&readPreferenceTags=dc:none&maxStalenessSeconds=90",
    *("readConcernLevel=available", "readConcernLevel=snapshot", "readConcernLevel=linearizable"),
    *("w=1", "w=3&wtimeoutMS=1", "w=nobody", "fsync=true", "retryWrites=false", "retryReads=false"),
    *("timeoutMS=1", "socketTimeoutMS=1", "connectTimeoutMS=1", "serverSelectionTimeoutMS=1", "waitQueueTimeoutMS=1"),
    "heartbeatFrequencyMS=600000&serverMonitoringMode=poll&localThresholdMS=0&maxIdleTimeMS=1",
    *("maxPoolSize=1", "maxPoolSize=2&minPoolSize=2&maxConnecting=1&waitQueueMultiple=1"),
    *("directConnection=true", "compressors=zlib&zlibCompressionLevel=9", "appName=shop", "connect=false"),
    "tz_aware=false&uuidRepresentation=standard&datetime_conversion=DATETIME_MS&unicode_decode_error_handler=ignore",
    "maxAdaptiveRetries=0&enableOverloadRetargeting=true&useNewUrlParser=true",
)
REFUSED = {
    "w=0": "has w=0, but a call is `committed` only when MongoDB has confirmed it: leave it out",
    "journal=false": "has journal=false, but .* leave it out",
    "readPreference=secondary": "has readPreference=secondary, but figures are exact only on the primary",
    "replicaSet=another": 'MongoDB does not answer: .*"another"; start it, or correct .* the name that rs.status',
    "loadBalanced=true": "TWINMETER_MONGODB_URI cannot be used: .*load balanc",
    "tls=true": "MongoDB does not answer: .*SSL.*; start it, or correct TWINMETER_MONGODB_URI, whose tls must be as",
    "tls=false&tlsCAFile=/nowhere.pem": "TWINMETER_MONGODB_URI cannot be used: .*/nowhere.pem",
    "compressors=zlib&tls=false&tlsAllowInvalidHostnames=false": "TWINMETER_MONGODB_URI cannot be used: TLS has not",
}


def addressed(settings: Settings, option: str) -> Settings:
    assert settings.mongodb_uri is not None
    uri = settings.mongodb_uri.get_secret_value()
    if option.startswith(("replicaSet", "loadBalanced")):
        uri = uri.partition("?")[0] + "?"
    return settings.model_copy(update={"mongodb_uri": SecretStr(f"{uri}&{option}".replace("?&", "?"))})


def uri_of(settings: Settings) -> str:
    assert settings.mongodb_uri is not None
    return settings.mongodb_uri.get_secret_value()


async def status(tracker: Tracker, request_id: str) -> str:
    async with asyncio.timeout(patience(20)):
        return (await tracker.track(**CALL, request_id=request_id)).status


async def reported(database: Database, settings: Settings) -> int:
    """What a report counts today and yesterday."""
    reports = Reports(database, settings.zone)
    window = requested_window(days=2, first=None, last=None, now=reports.now(), zone=settings.zone)
    return (await reports.usage(ReportQuery(window))).totals.requests


@pytest.mark.parametrize("option", WORKING)
@pytest.mark.usefixtures("database")
async def test_with_an_option_that_is_ours_or_the_operators_all_is_as_ever(settings: Settings, option: str) -> None:
    settings = addressed(settings, option)
    async with (
        connected(uri_of(settings), settings.database) as database,
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        assert [await status(tracker, "r1"), await status(tracker, "r1")] == ["committed", "duplicate"]
        batch = await asyncio.gather(*(tracker.track(**CALL) for _ in range(BATCH)))
        assert {receipt.status for receipt in batch} == {"committed"}
        assert await reported(database, settings) == 1 + BATCH
        compactor = Compactor(database, session)
        await compactor.merge_all()
        await compactor.stop()
        assert await database.writes[DELTAS].count_documents({}) == 0
        assert (await reported(database, settings), len(await assert_twins(database))) == (1 + BATCH, 1 + BATCH)
        assert await tracker.price_book.all() == []
        given = arguments([])
        found = await run_job(Reconcile(database, settings, given), database, execute=False, restart=False)
        assert (found.counts["entries"], found.tables.get("found", [])) == (1 + BATCH, [])
    async with opened(settings, patience(20)) as deployment:
        rows = await examine(deployment, (server.GROUP, indexes.GROUP, rollups.GROUP, calls.GROUP))
    wrong = {row.check: row.finding.said for row in rows if row.finding.verdict is not Verdict.OK}
    assert {check: said for check, said in wrong.items() if check != "sizes"} == {}


@pytest.mark.parametrize("option", REFUSED)
async def test_an_option_that_cannot_work_ends_the_start_with_a_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("app.database.connection.STARTUP_SECONDS", 0.5)

    with pytest.raises(AppError, match=REFUSED[option]):
        await Database.connect(uri_of(addressed(settings, option)), settings.database)


class Commands(CommandListener):
    """What was sent to MongoDB: each command's name, and the modes of read preference."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.modes: set[str] = set()
        self.concerns: set[str] = set()

    def started(self, event: Any) -> None:
        self.names.add(event.command_name)
        if event.command_name == "endSessions":  # the driver's goodbye, which reads nothing
            return
        self.modes.add(event.command.get("$readPreference", {"mode": "primary"})["mode"])
        self.concerns.add(str(event.command.get("writeConcern", {}).get("w", "majority")))

    def succeeded(self, event: Any) -> None:
        pass

    failed = succeeded


async def test_nothing_is_ever_read_from_a_secondary_nor_written_to_less_than_a_majority(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Commands()
    monkeypatch.setitem(GUARANTEED, "event_listeners", [sent])
    settings = addressed(settings, "readPreference=secondaryPreferred&readConcernLevel=available&w=1")

    app = create_app(settings, uri_of(settings))
    async with AsyncTestClient[Litestar](app) as client:
        key = {"Idempotency-Key": "r1"}
        for expected in (201, 200):
            assert (await client.post("/api/ai/track", json=ROW, headers=ADMIN | key)).status_code == expected
        assert (await client.post("/api/ai/track/batch", json=[ROW] * 20, headers=ADMIN)).status_code == 200
        price = {"model": "m", "prices": {"inputMtok": 1}}
        assert (await client.post("/api/admin/prices", json=price, headers=ADMIN)).status_code == 201
        assert (await client.post("/api/admin/keys", json={"name": "k", "scopes": ["read"]}, headers=ADMIN)).is_success
        paths = [path for path in gets(app) if needs_mongodb(path) and not path.endswith("/live")]
        answers = {path: (await client.get(path, headers=ADMIN)).status_code for path in [*paths, "/ready"]}
    # there is no call with this id, nor any of that month or before
    nothing = {path for path in answers if "000000" in path or "2024-01" in path}
    assert answers == {path: 404 if path in nothing else 200 for path in answers}
    async with connected(uri_of(settings), settings.database) as watching, open_hub(watching, Counters()) as hub:
        async with hub.listening(None):
            pass
        async with watching.committer_session() as session:
            await Compactor(watching, session).merge_all()

    assert sent.modes == {"primary"}
    assert sent.concerns == {"majority"}
    assert sent.names >= {"insert", "find", "aggregate", "update", "delete", "commitTransaction", "createIndexes"}
    assert await database.ledger.count_documents({}) == 21
