"""What the benchmark of gateways sees of chats and of streams."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import httpx
import pytest

from app.auth.tokens import Tokens
from app.database import Database
from app.settings import Settings
from models.counters import COUNTERS
from scripts.bench import door
from scripts.bench.gateway import measure, ours, stand_in, stream_load
from scripts.bench.gateway.measure import Asked, Bench
from scripts.bench.gateway.stream_load import Streams
from scripts.bench.gateway.systems import System
from scripts.bench.http_load import Client, Plan, carried_out
from scripts.bench.results import Results
from tests.live.conftest import serving


@pytest.fixture(autouse=True)
def _short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "PACE_S", 0.0)


@asynccontextmanager
async def provider() -> AsyncIterator[System]:
    """The stand-in, in this process."""
    async with await asyncio.get_running_loop().create_server(stand_in.Connection, "127.0.0.1", 0) as server:
        yield System("direct", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", 0)


async def test_the_stand_in_answers_as_openai_does() -> None:
    async with provider() as system, httpx.AsyncClient(base_url=system.address) as client:
        whole = await client.post(system.path, json={"model": "m"})
        chunks = (await client.post(system.path, json={"stream": True})).text.split("\n\n")
        counted = (
            await client.post(system.path, json={"stream": True, "stream_options": {"include_usage": True}})
        ).text

    assert whole.json()["usage"]["completion_tokens"] == stand_in.OUTPUT_TOKENS
    assert len(chunks) == stand_in.EVENTS + 3  # the end, `[DONE]`, and nothing behind it
    assert chunks[-2] == "data: [DONE]"
    assert (counted.count('"completion_tokens":100'), "".join(chunks).count("usage")) == (1, 0)


async def test_load_sees_the_first_byte_and_the_end_of_each_stream() -> None:
    async with provider() as system:
        found = await stream_load.streamed(
            Streams(system.host, system.port, system.requests(7, stream=True), connections=3, over_seconds=0.01)
        )

    assert (len(found.first), found.cut) == (7, 0)
    assert all(0 < first < whole for first, whole in zip(found.first, found.whole, strict=True))


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(b"7\r\ndata: x\r\n", id="cut"),
        pytest.param(b"7\r\ndata: x\r\n0\r\n\r\n", id="no-done"),
    ],
)
async def test_a_stream_without_its_proper_end_is_counted(end: bytes) -> None:
    async with _saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + end) as port:
        found = await stream_load.streamed(Streams("127.0.0.1", port, [b"x"], connections=1, over_seconds=0))

    assert (len(found.first), found.cut) == (1, 1)


async def test_an_answer_that_is_no_stream_ends_the_measurement() -> None:
    async with _saying(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno") as port:
        with pytest.raises(RuntimeError, match=r"no stream: b'HTTP/1\.1 401"):
            await stream_load.streamed(Streams("127.0.0.1", port, [b"x"], connections=1, over_seconds=0))


async def test_chats_name_their_users_by_turns() -> None:
    async with provider() as system:
        requests = system._replace(users=("anna", "ben"), bearer="key").requests(5)
        done = await carried_out(Plan(system.host, system.port, requests, senders=2))

    assert [b"X-User-Id: anna" in each for each in requests] == [True, False, True, False, True]
    assert len(done.times) == 5


async def test_each_step_says_what_it_cost_and_what_was_committed(
    monkeypatch: pytest.MonkeyPatch, mongodb_uri: str, settings: Settings, database: Database
) -> None:
    monkeypatch.setattr(measure, "STREAMS", 4)
    monkeypatch.setattr(measure, "STREAM_SECONDS", 0.1)
    monkeypatch.setattr(measure, "MOST_PER_S", 80)
    monkeypatch.setattr(ours, "USERS", ["anna", "ben"])
    file = settings.data_dir / "gateway.toml"
    own, results = settings.model_copy(update={"gateway_file": file}), Results()
    async with provider() as direct:
        ours.write_config(file, direct)
        bearers = await ours.define(database)
        async with (
            serving(own, mongodb_uri) as site,
            door.sending_to(site.address, database, Tokens.of(settings), ()) as served,
        ):
            systems = [direct._replace(pid=os.getpid()), *ours.ways(site.address, os.getpid(), bearers)]
            with ThreadPoolExecutor(1) as thread:
                bench = Bench(Asked((2,), 0.1), Client(thread), served, results)
                for system in systems:
                    await measure.take(bench, system, direct)
            measure.compare(bench, systems)

    found, limited = results.table, database.writes[COUNTERS]
    assert results.faults == []
    for name in ("ours, 1", "ours, 2", "ours, 1,000 users, 2", "ours, 1,000 users, streams"):
        assert found[name]["sent"] == found[name]["committed"] == found[name]["stored"] > 0
        assert found[name]["cpu_us"] > 0
    assert (found["ours, streams"]["sent"], found["ours, streams"]["cut"]) == (4, 0)
    assert await database.ledger.distinct("userId", {"clientId": "client-1"}) == ["anna", "ben"]
    assert await limited.count_documents({}) > 0
    assert results.medians["ours, 1: added p50_ms"] > 0


@asynccontextmanager
async def _saying(answer: bytes) -> AsyncIterator[int]:
    """A server that says this to whoever asks, and closes."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1]
