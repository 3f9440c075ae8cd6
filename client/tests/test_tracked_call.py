"""`twinmeter.call`: a block or a function around a model call, and what is sent of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from client.tests.in_process import InProcess, by_hand
from client.tests.stand_in import Row, StandIn
from tests.patience import patience
from tests.real_clients.conftest import Account

import twinmeter
from twinmeter import client as clients
from twinmeter.client import Client
from twinmeter.estimate import INTERRUPTED
from twinmeter.observation import around

__all__ = ["by_hand"]

WHO: dict[str, Any] = {"user_id": "u1", "content_type": "letter", "provider": "openai"}
USAGE = {"prompt_tokens": 1_000, "completion_tokens": 500, "total_tokens": 1_500}
RESPONSE = {"id": "r1", "model": "gpt-4o", "choices": [{"message": {"content": "SECRET"}}], "usage": USAGE}
CHUNKS: list[dict[str, Any]] = [
    {"model": "gpt-4o", "choices": [{"delta": {"content": "SEC"}}]},
    {"model": "gpt-4o", "choices": [{"delta": {"content": "RET"}}]},
    {"model": "gpt-4o", "choices": [], "usage": USAGE},
]


class RateLimitError(Exception):
    status_code = 429


@pytest.fixture
def current(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setitem(clients._clients, "current", client)
    return client


def the_row(server: StandIn, client: Client) -> Row:
    client.flush(patience(20))
    (row,) = server.rows
    return row


async def some(*chunks: Any) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


def test_a_block_reports_a_response_and_how_long_it_took(server: StandIn, current: Client) -> None:
    with twinmeter.call(**WHO) as call:
        call.record(RESPONSE, campaign_id="c1")

    row = the_row(server, current)
    assert 0 <= row.pop("requestDuration") < 60_000
    assert {name: row[name] for name in row if name not in ("requestId", "createdAt")} == {
        "userId": "u1",
        "contentType": "letter",
        "provider": "openai",
        "campaignId": "c1",
        "usage": USAGE,
        "response": {"id": "r1", "model": "gpt-4o"},
    }
    assert call.receipt is not None
    assert call.receipt.status == "committed"


def test_streams_pass_through_and_tell_when_the_first_text_came(server: StandIn, current: Client) -> None:
    with twinmeter.call(**WHO) as call:
        seen = list(call.stream(iter(CHUNKS)))

    assert all(one is other for one, other in zip(seen, CHUNKS))
    row = the_row(server, current)
    assert 0 <= row["timeToFirstToken"] <= row["requestDuration"]
    assert (row["usage"], row["response"]) == ([USAGE], {"model": "gpt-4o"})


async def test_a_stream_of_a_loop_likewise(server: StandIn, current: Client) -> None:
    async with twinmeter.call(**WHO) as call:
        seen = [chunk async for chunk in call.stream(some(*CHUNKS))]

    assert seen == CHUNKS
    assert the_row(server, current)["usage"] == [USAGE]


async def test_decorated_functions_return_what_they_returned(server: StandIn, current: Client) -> None:
    @twinmeter.call(**WHO)
    def ask(question: str) -> dict[str, Any]:
        return {**RESPONSE, "question": question}

    @twinmeter.call(**WHO)
    async def ask_later(question: str) -> dict[str, Any]:
        return {**RESPONSE, "question": question}

    assert ask("q1")["question"] == "q1"
    assert (await ask_later("q2"))["question"] == "q2"
    current.flush(patience(20))
    assert [row["usage"] for row in server.rows] == [USAGE, USAGE]
    assert ask.__name__ == "ask"


async def test_decorated_generators_yield_what_they_yielded(server: StandIn, current: Client) -> None:
    @twinmeter.call(**WHO)
    def ask(count: int) -> Iterator[Any]:
        yield from CHUNKS[:count]

    @twinmeter.call(**WHO)
    async def ask_later() -> AsyncIterator[Any]:
        for chunk in CHUNKS:
            yield chunk
        raise RateLimitError

    assert list(ask(3)) == CHUNKS
    for _ in ask(3):
        break
    with pytest.raises(RateLimitError):
        _ = [chunk async for chunk in ask_later()]

    current.flush(patience(20))
    assert [row.get("usage") for row in server.rows] == [[USAGE], None, [USAGE]]
    assert [row.get("status") for row in server.rows] == [None, "error", "rate_limited"]
    assert [row.get("errorMessage") for row in server.rows][1:] == [INTERRUPTED, "RateLimitError"]


@pytest.mark.parametrize("wraps", [lambda function: function, twinmeter.call(**WHO)], ids=["plain", "decorated"])
@pytest.mark.usefixtures("current")
async def test_an_async_generator_that_is_closed_has_cleaned_up(wraps: Any) -> None:
    did = []

    async def chunks() -> AsyncIterator[Any]:
        try:
            yield CHUNKS[0]
            yield CHUNKS[1]
        finally:
            await asyncio.sleep(0)
            did.append("closed")

    events = wraps(chunks)()
    await events.__anext__()
    await events.aclose()

    assert did == ["closed"]


def test_a_generators_block_is_not_that_of_its_caller() -> None:
    @twinmeter.call(**WHO)
    def ask() -> Iterator[Any]:
        assert around.get() is not None
        yield from CHUNKS
        assert around.get() is not None

    for _ in ask():
        assert around.get() is None


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (RuntimeError("SECRET"), "error", "RuntimeError"),
        (RateLimitError("SECRET"), "rate_limited", "RateLimitError"),
        (TimeoutError("SECRET"), "timeout", "TimeoutError"),
        (asyncio.TimeoutError(), "timeout", "TimeoutError"),
        (asyncio.CancelledError(), "error", "interrupted before the answer was complete"),
        (KeyboardInterrupt(), "error", "KeyboardInterrupt"),
    ],
    ids=repr,
)
def test_what_a_block_raises_is_its_callers_and_recorded_by_its_kind(
    server: StandIn, current: Client, error: BaseException, status: str, message: str
) -> None:
    with pytest.raises(type(error)) as raised, twinmeter.call(**WHO):
        raise error

    assert raised.value is error
    row = the_row(server, current)
    assert (row["status"], row["errorMessage"], row["model"]) == (status, message, "unknown")


def test_a_stream_that_is_left_is_interrupted(server: StandIn, current: Client) -> None:
    with twinmeter.call(**WHO) as call:
        for _ in call.stream(iter(CHUNKS)):
            break

    row = the_row(server, current)
    assert (row["status"], row["errorMessage"]) == ("error", "interrupted before the answer was complete")
    assert (row["outputText"], row["response"]) == ("xxx", [{"model": "gpt-4o"}])


def test_the_context_is_that_of_the_beginning(server: StandIn, current: Client) -> None:
    with twinmeter.context(user_id="u2", conversation_id="c2"):
        call = twinmeter.call(content_type="chat").__enter__()
    with twinmeter.context(user_id="u3", campaign_id="c3"):
        call.record(RESPONSE)
        call.__exit__(None, None, None)

    row = the_row(server, current)
    assert (row["userId"], row["conversationId"]) == ("u2", "c2")
    assert "campaignId" not in row


def test_a_fault_of_ours_is_logged_and_stays_here(
    server: StandIn, current: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("twinmeter.observation.fields_of", fails)
    for _ in range(3):
        with twinmeter.call(**WHO, model="gpt-4o") as call:
            call.record(RESPONSE)

    current.flush(patience(20))
    assert len(server.rows) == 3
    assert [record.message for record in caplog.records if record.name == "twinmeter"] == [
        "a call is not seen whole: read raises ZeroDivisionError"
    ]


def streamed(call: Any) -> None:
    for _ in call.stream(iter(CHUNKS)):
        pass


def left(call: Any) -> None:
    next(call.stream(iter(CHUNKS)))


def failed(_: Any) -> None:
    raise RateLimitError


BLOCKS = {"recorded": lambda call: call.record(RESPONSE), "streamed": streamed, "left": left, "failed": failed}


@pytest.mark.parametrize("block", BLOCKS)
def test_the_ledger_has_what_track_ai_call_records(
    real: Client, account: Account, by_hand: InProcess, monkeypatch: pytest.MonkeyPatch, block: str
) -> None:
    monkeypatch.setitem(clients._clients, "current", real)

    async def made(call: Any) -> None:
        if block in ("streamed", "left"):
            async for _ in call.stream(some(*CHUNKS)):
                if block == "left":
                    break
        else:
            BLOCKS[block](call)

    try:
        with twinmeter.call(**{**WHO, "user_id": "client"}) as call:
            BLOCKS[block](call)
    except RateLimitError:
        pass
    assert real.flush(patience(20)) == twinmeter.Flushed(1, 0, 0)
    by_hand.call(account, made, **{**WHO, "user_id": "by hand"})

    assert by_hand.recorded(account, "client") == by_hand.recorded(account, "by hand")
    assert len(by_hand.recorded(account, "client")) == 1
