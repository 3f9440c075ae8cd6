"""What an open page hears, from a real server and a real change stream."""

import asyncio
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from app.auth.principals import Role
from app.database import connected
from app.database.mongod import EmbeddedMongod
from app.live import hub as hubs
from app.live.response import EventStream
from app.rollups.state import touch
from app.settings import Settings
from models import ApiKey
from tests.live.conftest import LIVE, Site, serving
from tests.patience import patience, until
from tests.test_server import running


async def requests_today(site: Site) -> int:
    overview = (await site.client.get("/api/admin/ai/overview", headers=site.bearer())).json()
    requests: int = overview["today"]["requests"]
    return requests


async def test_a_commit_is_told_within_two_seconds_and_stands_in_the_figures(site: Site) -> None:
    already = await requests_today(site)
    page = await site.listen()
    hello = await page.next("hello")
    before = datetime.now(UTC)
    await site.track()
    told = await page.next("committed", 2)

    assert hello["behind"] is None
    assert hello["id"] == hello["version"] < told["version"] == told["id"]
    assert (told["real"], told["synthetic"]) == (True, False)
    assert abs((datetime.fromisoformat(told["committedAt"]) - before).total_seconds()) < 2
    assert await requests_today(site) == already + 1


async def test_nothing_on_the_way_may_keep_it_or_hold_it_back(site: Site) -> None:
    page = await site.listen({**site.bearer(), "Accept-Encoding": "gzip"})

    headers = page.response.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in headers
    assert "content-length" not in headers
    assert len(headers["x-request-id"]) == 16


async def test_commits_of_one_second_are_told_at_most_twice_and_the_last_one_always(site: Site) -> None:
    counted = await site.metric("twinmeter_live_events_total")
    page = await site.listen()
    await page.next("hello")
    for number in range(5):
        await site.track(synthetic=number == 3)
    first, last = await page.next("committed"), await page.next("committed")

    assert first["version"] < last["version"] == site.hub.version(None)
    assert (last["real"], last["synthetic"]) == (True, True)
    await page.nothing(1.2)
    assert await site.metric("twinmeter_live_events_total") == counted + 2


async def test_a_page_that_comes_back_is_told_at_once_whether_it_is_behind(site: Site) -> None:
    page = await site.listen()
    await page.next("hello")
    await site.track()
    first = await page.next("committed")

    same = await site.listen(heard=first["id"])
    assert await same.next("hello") == {"id": first["id"], "version": first["id"], "behind": False}
    await site.track()
    second = await page.next("committed")
    late = await site.listen(heard=first["id"])
    assert await late.next("hello") == {"id": second["id"], "version": second["id"], "behind": True}
    odd = await site.listen(heard="what?")
    assert (await odd.next("hello"))["behind"] is True


async def test_a_version_means_the_same_to_every_server_and_one_with_open_streams_stops_fast(
    site: Site, mongodb_uri: str, tmp_path: Path
) -> None:
    shared = {
        "TWINMETER_MONGODB_URI": mongodb_uri,
        "TWINMETER_DATABASE": site.settings.database,
        "TWINMETER_JWT_SECRET": site.settings.signing_secret,
    }
    here = await site.listen()
    await here.next("hello")
    await site.track()
    before = await here.next("committed")
    with running(tmp_path / "data", **shared) as (process, other):
        # it has not listened so long, and cannot know: a page asks once too often, never once too seldom
        there = await site.listen(heard=before["id"], at=other)
        hello = await there.next("hello")
        assert (hello["behind"], hello["version"] > before["version"]) == (True, True)
        await site.track()
        told = await here.next("committed")
        assert await there.next("committed") == told
        assert told["version"] > hello["version"]
        for heard, behind in [(told, False), (hello, True), (before, True)]:
            moved = await site.listen(heard=heard["id"], at=other)
            assert await moved.next("hello") == {"id": told["id"], "version": told["version"], "behind": behind}
        started = time.monotonic()
        process.terminate()
        await there.end(2)
        assert await asyncio.to_thread(process.wait, patience(20)) == 0
        assert time.monotonic() - started < patience(3)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


async def test_a_client_hears_of_its_own_calls_alone(site: Site) -> None:
    _, acme = await site.key("admin")
    own, asked, everyones = await site.listen(acme), await site.listen(clientId="acme"), await site.listen()
    for page in (own, asked, everyones):
        await page.next("hello")

    await site.track(clientId="other")
    others = await everyones.next("committed")
    await site.track(clientId="acme", synthetic=True)
    mine = await own.next("committed")

    assert others["version"] < mine["version"]
    assert (mine["real"], mine["synthetic"]) == (False, True)
    assert (await asked.next("committed"))["version"] == mine["version"]
    assert (await everyones.next("committed"))["version"] == mine["version"]
    back = await site.listen(acme, heard=mine["id"])
    assert (await back.next("hello"))["behind"] is False
    await site.track(clientId="other")
    await everyones.next("committed")
    again = await site.listen(acme, heard=mine["id"])
    assert (await again.next("hello"))["behind"] is False


async def test_whoever_may_not_see_the_figures_does_not_hear_of_them(site: Site) -> None:
    _, acme = await site.key("admin")
    _, reader = await site.key("read", "ingest")
    for headers, params, status in [
        ({}, {}, 401),
        (reader, {}, 403),
        (site.bearer(Role.USER), {}, 403),
        (acme, {"clientId": "other"}, 403),
    ]:
        response = await site.client.get(LIVE, headers=headers, params=params)
        assert (response.status_code, response.json()["status"]) == (status, status)


async def test_figures_that_change_without_a_commit_are_told_to_everyone(site: Site, mongodb_uri: str) -> None:
    _, acme = await site.key("admin")
    pages = [await site.listen(), await site.listen(acme)]
    for page in pages:
        await page.next("hello")
    async with connected(mongodb_uri, site.settings.database) as database:
        await touch(database, None)  # what erasures and recounts do, beside deltas or without any

    told = [await page.next("committed") for page in pages]
    assert told[0] == told[1]
    assert (told[0]["real"], told[0]["synthetic"]) == (True, True)


async def test_a_stream_ends_soon_after_its_key_was_revoked(site: Site) -> None:
    key_id, acme = await site.key("admin")
    page, other = await site.listen(acme), await site.listen()
    await page.next("hello")
    await site.client.post(f"/api/admin/keys/{key_id}/revoke", headers=site.bearer())

    await page.end(5)
    await other.next("hello")
    await site.track(clientId="acme")
    await other.next("committed")


async def test_a_key_that_another_process_revoked_ends_its_stream_within_five_seconds(
    site: Site, mongodb_uri: str
) -> None:
    key_id, acme = await site.key("admin")
    page = await site.listen(acme)
    await page.next("hello")
    with MongoClient[dict[str, object]](mongodb_uri) as mongo:
        keys = mongo[site.settings.database][ApiKey.Settings.name]
        revoked = keys.update_one({"keyId": key_id}, {"$set": {"revokedAt": datetime.now(UTC)}})

    assert revoked.modified_count == 1

    await page.end(5)


def change_streams(uri: str) -> set[int]:
    """Those that the server has open, of killed processes too."""
    opened = {"$match": {"cursor.originatingCommand.pipeline.0.$changeStream": {"$exists": True}}}
    with MongoClient[dict[str, Any]](uri) as mongo:
        found = mongo.admin.aggregate([{"$currentOp": {"idleCursors": True}}, opened])
        return {operation["cursor"]["cursorId"] for operation in found}


async def test_a_hundred_pages_listen_to_one_change_stream(site: Site, mongodb_uri: str) -> None:
    pages = [await site.listen()]
    await pages[0].next("hello")
    of_one_page = await asyncio.to_thread(change_streams, mongodb_uri)
    pages += await asyncio.gather(*(site.listen() for _ in range(99)))
    await asyncio.gather(*(page.next("hello") for page in pages[1:]))
    await site.track()
    versions = {told["version"] for told in await asyncio.gather(*(page.next("committed") for page in pages))}

    assert len(versions) == 1
    assert await site.metric("twinmeter_live_listeners") == 100
    assert await site.metric("twinmeter_live_opens_total") == 1
    assert await asyncio.to_thread(change_streams, mongodb_uri) == of_one_page != set()


async def test_more_pages_than_a_process_takes_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_LISTENERS", 1)
    page = await site.listen()
    await page.next("hello")
    refused = await site.client.get(LIVE, headers=site.bearer())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")

    assert "1 open event streams" in refused.json()["detail"]


async def test_a_stream_lasts_longer_than_a_request_may(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("REQUEST_SECONDS", "BODY_SECONDS"):
        monkeypatch.setattr(f"app.http.middleware.{limit}", 0.1)
    monkeypatch.setattr("app.live.frames.HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr("app.live.frames.CHECK_SECONDS", 0.1)
    page = await site.listen()
    await page.next("hello")
    beats = page._blocks

    async with asyncio.timeout(patience(5)):
        assert [await anext(beats) for _ in range(3)] == [[": still here"]] * 3


async def test_a_page_that_does_not_read_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.live.response.SEND_SECONDS", 0.05)
    stuck = asyncio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await stuck.wait()

    async def receive() -> Any:
        await stuck.wait()

    async def is_welcome() -> bool:
        return True

    scope: Any = {}
    async with asyncio.timeout(patience(5)):
        await EventStream(site.hub, None, None, is_welcome)(scope, receive, send)
    assert await site.metric("twinmeter_live_listeners") == 0


async def test_without_a_replica_set_there_is_nothing_to_listen_to(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.hub, "available", False)
    response = await site.client.get(LIVE, headers=site.bearer())

    assert response.status_code == 503
    assert response.json()["title"] == "No live events"
    assert "--replSet" in response.json()["detail"]
    assert "retry-after" in response.headers


async def test_a_killed_mongodb_is_listened_to_again_and_nothing_is_missed(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedMongod(tmp_path / "mongod") as mongod:
        async with serving(settings, mongod.uri) as site, site.pages:
            page = await site.listen()
            await page.next("hello")
            await site.track()
            first = await page.next("committed")
            monkeypatch.setattr(hubs, "OPEN_SECONDS", 0.1)  # only now: a busy machine may need longer than that
            os.kill(mongod.pid, signal.SIGKILL)
            down = await page.next("down", 15)
            refused = await site.client.get(LIVE, headers=site.bearer())
            await asyncio.to_thread(mongod.stop)
            await asyncio.to_thread(mongod.start)
            hello = await page.next("hello", 15)
            await until(site.takes_calls)
            await site.track()
            second = await page.next("committed", 15)

            assert down["version"] == first["version"] == hello["version"]
            assert (hello["behind"], refused.status_code) == (False, 503)
            assert second["version"] > first["version"]
            assert await site.metric("twinmeter_live_opens_total") >= 2
