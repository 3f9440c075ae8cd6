"""What the benchmarks work out by themselves, and when they say that their figures are worth nothing."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from app.auth.tokens import Tokens
from app.database import Database
from app.ledger.twins import Pair
from app.settings import Settings
from scripts.bench import door, http_load, in_process
from scripts.bench.__main__ import main
from scripts.bench.http_load import Plan, answer_size, client, request, wait_of
from scripts.bench.load import calls
from scripts.bench.memory import figures
from scripts.bench.pairs import built_pairs
from scripts.bench.peers.shown import Shown, until_shown
from scripts.bench.results import Measured, Results
from tests.live.conftest import serving
from tests.scripts.conftest import environment


@pytest.mark.parametrize(
    ("received", "size"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nhel", 49),
        (b"HTTP/1.1 200 OK\r\nContent-Length:12\r\n\r\n", 50),
        (b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", 33),
        (b"HTTP/1.1 200 OK\r\nx: y\r\n\r\ncontent-length: 9\r\n\r\n", 25),
    ],
)
def test_an_answer_is_as_long_as_its_head_says(received: bytes, size: int | None) -> None:
    assert answer_size(received) == size


@pytest.mark.parametrize(
    ("answer", "attempt", "least", "most"),
    [
        (b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n", 0, 7, 7),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\nRetry-After: 7\r\n", 0, 0.8, 1.2),
        (b"", 3, 6.4, 9.6),
        (b"", 30, 25.6, 38.4),
    ],
)
def test_a_sender_waits_as_long_as_it_is_told_and_else_ever_longer(
    answer: bytes, attempt: int, least: float, most: float
) -> None:
    assert least <= wait_of(answer, attempt) <= most


@asynccontextmanager
async def _answering(*answers: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """The port of a server that gives these answers in turn to requests of ten bytes, and what it was sent."""
    sent: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (received := await reader.read(10_000)).endswith(b"xxxxxxx"):
            sent.append(received[-10:])
            if not (said := answers[(len(sent) - 1) % len(answers)]):
                break
            writer.write(said)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1], sent


TAKEN = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\ntaken"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"
COME_IN_AN_HOUR = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n"
NO = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
REQUESTS = [request("/", f"{number:03}xxxxxxx".encode(), "token") for number in range(20)]


async def test_a_plan_ends_when_each_of_its_requests_was_taken_once() -> None:
    async with client() as load, _answering(TAKEN) as (port, sent):
        found = await load.fire(Plan("127.0.0.1", port, REQUESTS, senders=4))

    assert (found.answers, len(found.times), found.refused, found.given_up) == (20, 20, 0, 0)
    assert sorted(sent) == [each[-10:] for each in REQUESTS]


async def test_what_is_refused_is_sent_again_as_it_was_and_counted() -> None:
    async with _answering(TAKEN, BUSY, b"") as (port, sent):
        plan = Plan("127.0.0.1", port, REQUESTS[:5], senders=1, rude=True)
        found = await http_load.carried_out(plan)

    assert (len(found.times), found.refused) == (5, 8)
    assert sent == [REQUESTS[0][-10:], *(each[-10:] for each in REQUESTS[1:5] for _ in range(3))]


async def test_only_a_rude_sender_does_not_wait_for_an_hour() -> None:
    async with _answering(COME_IN_AN_HOUR, TAKEN) as (port, _):
        found = await http_load.carried_out(Plan("127.0.0.1", port, REQUESTS, senders=1, rude=True))

    assert (len(found.times), found.refused) == (20, 20)


async def test_a_plan_fails_at_an_answer_that_asks_nobody_to_come_again() -> None:
    async with _answering(TAKEN, NO) as (port, _):
        with pytest.raises(RuntimeError, match=r"an unexpected answer: b'HTTP/1\.1 400"):
            await http_load.carried_out(Plan("127.0.0.1", port, REQUESTS, senders=1))


async def test_a_plan_with_a_pace_sends_no_faster() -> None:
    async with _answering(TAKEN) as (port, _):
        found = await http_load.carried_out(Plan("127.0.0.1", port, REQUESTS, senders=4, per_s=200))

    assert found.seconds >= 19 / 200


async def test_a_plan_whose_time_is_over_sends_nothing_more() -> None:
    async with _answering(BUSY) as (port, sent):
        found = await http_load.carried_out(Plan("127.0.0.1", port, REQUESTS, senders=2, seconds=0.05))

    assert found.given_up == 2
    assert len(sent) == found.refused == found.answers


async def test_what_a_system_shows_is_asked_until_it_shows_all_or_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.bench.peers.shown.POLL_SECONDS", 0.001)
    monkeypatch.setattr("scripts.bench.peers.shown.STUCK_SECONDS", 0.05)
    answers = iter([Shown(12, 50, 0.5), Shown(16, 80, 0.75), Shown(20, 100, 1)])
    last = Shown(20, 100, 1)

    async def ask() -> Shown:
        return next(answers, last)

    before, sent = Shown(10, 40, 0.25), Shown(12, 60, 0)
    found, _ = await until_shown(ask, before, sent.calls)
    assert found == Shown(10, 60, 0.75)
    assert found.fault(sent) == "of 12 calls with 60 tokens 10 with 60 are shown"
    assert found.fault(Shown(10, 60, 0)) is None


def test_what_should_be_shown_is_every_call_and_token() -> None:
    reported = list(calls(3))

    assert Shown.of(reported)[:2] == (3, sum(call["input_tokens"] + call["output_tokens"] for call in reported))


def test_a_hundredth_of_the_calls_may_be_uncommitted() -> None:
    taken = Measured(200, 2.0, [0.1] * 200, {"committed": 198, "spooled": 2}, stored=200)

    assert taken.fault is None
    assert taken.row == {
        "per_s": 99.0,
        "p50_ms": 100.0,
        "p99_ms": 100.0,
        "longest_ms": 100.0,
        "sent": 200,
        "committed": 198,
        "spooled": 2,
        "unknown": 0,
        "refused": 0,
        "stored": 200,
    }


def test_calls_in_the_spool_are_not_done_and_each_step_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    statuses = {"committed": 2_090, "spooled": 5_687, "unknown": 4_223}
    results = Results()
    results.add("batch 4", Measured(12_000, 2.4, [0.5, 0.6], statuses, refused=500))

    assert results.faults == [
        "batch 4: 9,910 of 12,000 calls (83 %) were not committed: 5,687 spooled, 4,223 unknown, 500 refused"
    ]
    others = "5,687 spooled, 4,223 unknown, 500 refused"
    assert capsys.readouterr().err == (
        f"batch 4: 871 calls/s, 2,090 of 12,000 committed, {others}, longest wait 600 ms\n"
    )


def test_an_answer_that_the_ledger_does_not_bear_out_is_a_fault() -> None:
    found = Measured(10, 1.0, [0.1], {"committed": 10}, stored=9)

    assert found.fault == "10 calls were answered as committed, but only 9 are in the ledger"


def test_a_call_that_is_lost_is_said_before_anything_else() -> None:
    fault = Measured(100, 1.0, [0.1], {"committed": 50, "spooled": 50}, stored=50, lost=7).fault
    assert fault == "7 of 100 calls were taken, and did not come to the ledger"


def test_a_step_in_which_no_request_was_taken_has_figures() -> None:
    measured = Measured(100, 1.0, [], {}, refused=700, stored=0)
    assert measured.row["per_s"] == measured.row["longest_ms"] == 0
    assert "longest wait 0 ms" in str(measured)


async def test_what_is_on_its_way_is_waited_for_as_long_as_some_of_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, found = itertools.count(0, 50), itertools.chain(range(20), itertools.repeat(20))
    monkeypatch.setattr(in_process, "POLL_SECONDS", 0)
    monkeypatch.setattr(in_process, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    database = SimpleNamespace(ledger=SimpleNamespace(count_documents=lambda _: asyncio.sleep(0, next(found))))

    assert await in_process.undelivered(cast("Database", database), 25) == 5
    assert next(found) == 20


def test_rates_of_rounds_are_medians_and_calls_are_summed() -> None:
    results = Results()
    for seconds, most in ((1.0, 0.3), (2.0, 0.5), (4.0, 0.4)):
        results.add("batch 4", Measured(100, seconds, [0.1] * 99 + [most], {"committed": 100}, refused=1))
        results.add("batch 16", Measured(100, 1.0, [0.1], {"committed": 100}))
        results.compare_with_best(["batch 4", "batch 16"])
        results.add_figure("ratio", seconds)

    found = results.flat
    assert (found["batch_4_per_s"], found["batch_4_longest_ms"], found["batch_4_of_best_percent"]) == (
        50.0,
        500.0,
        50.0,
    )
    assert (found["batch_4_sent"], found["batch_4_committed"], found["batch_4_refused"]) == (300, 300, 3)
    assert found["ratio"] == 2.0


def test_a_run_with_calls_that_were_not_committed_fails_and_says_so(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**environment(settings), "TWINMETER_TRACK_DEADLINE_MS": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("scripts.bench.callers.WARM_UP", 10)
    arguments = ["callers", "--calls", "300", "--callers", "50", "--rounds", "1", "--json"]
    monkeypatch.setattr("sys.argv", ["bench", *arguments])

    assert main() == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    missing = 300 - found["callers_50_committed"]
    assert found["callers_50_sent"] == 300
    assert missing == found["callers_50_spooled"] + found["callers_50_unknown"] > 3
    assert f"callers 50: {missing} of 300 calls (" in said.err


class Here:
    """A client of this process."""

    fire = staticmethod(http_load.carried_out)


async def test_what_the_doors_took_is_asked_of_the_server_and_of_the_ledger(
    mongodb_uri: str, settings: Settings, database: Database
) -> None:
    found = []
    async with (
        serving(settings, mongodb_uri) as site,
        door.sending_to(site.address, database, Tokens.of(settings)) as served,
    ):
        for way in (door.SINGLE, door.BATCH, door.NDJSON, door.OTLP):
            requests = served.requests(way, list(calls(12)), way, served.bearers[door.CLIENT])
            plan = Plan(served.host, served.port, requests, senders=2)
            taken = await served.take(Here(), way, plan, 12)
            found.append((len(requests), taken.committed, taken.stored, taken.refused, taken.fault))

    assert found == [(12, 12, 12, 0, None), *[(1, 12, 12, 0, None)] * 3]


def test_growth_is_from_a_tenth_of_the_calls_to_all_of_them() -> None:
    samples = [50.0, 100.0, 100.5, 101.0, 101.0, 102.0, 101.0, 101.0, 103.0, 101.0, 102.0]

    assert figures(samples) == {
        "rss_start_mb": 50.0,
        "rss_10_percent_mb": 100.0,
        "rss_50_percent_mb": 102.0,
        "rss_100_percent_mb": 102.0,
        "rss_most_mb": 103.0,
        "growth_percent": 2.0,
    }


async def test_what_the_driver_sends_is_made_beforehand(database: Database) -> None:
    pairs = built_pairs(database, calls(50))

    assert {type(pair) for pair in pairs} == {Pair}
    assert {(type(pair.entry), type(pair.event)) for pair in pairs} == {(dict, dict)}
