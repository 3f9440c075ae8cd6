"""LiteLLM: one callback reports each of its calls, sync and async, as `track_ai_call` records it."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Callable, NamedTuple

import pytest
from client.tests.in_process import InProcess, by_hand
from client.tests.providers import ANSWER, MODEL, Provider, answers, upstream
from client.tests.stand_in import StandIn
from tests.patience import POLL_SECONDS, patience, until
from tests.real_clients.conftest import Account

import twinmeter
from twinmeter import client as clients
from twinmeter.client import Client

__all__ = ["answers", "by_hand", "upstream"]

# of LiteLLM's own
_LOUD = (
    "ignore::DeprecationWarning",
    "ignore:unclosed:ResourceWarning",
    "ignore:coroutine:RuntimeWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
pytestmark = pytest.mark.filterwarnings(*_LOUD)
INTERRUPTED = "interrupted before the answer was complete"
WITH_USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
SHORT = 0.05
LISTS = ("callbacks", "success_callback", "failure_callback", "input_callback", "_async_success_callback")


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm  # noqa: PLC0415 - it takes two seconds

        patch.setattr(litellm, "suppress_debug_info", True)
        for name in (*LISTS, "_async_failure_callback"):
            patch.setattr(litellm, name, [])
        litellm.success_callback = [twinmeter.litellm]
        if twinmeter.litellm not in litellm.callbacks:  # loaded by another test
            litellm.callbacks.append(twinmeter.litellm)
        yield litellm


def asked(answers: Provider, **more: Any) -> dict[str, Any]:
    question = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "SECRET-QUESTION"}]}
    return {**question, "api_base": f"{answers.address}/v1", "api_key": "k", "max_retries": 0, **more}


Made = Callable[[Any, Provider], Any]


class Case(NamedTuple):
    made: Made
    does: str | int = "answer"
    known: Mapping[str, Any] = MappingProxyType({})


def chat(**more: Any) -> Made:
    return lambda litellm, answers: litellm.completion(**asked(answers, **more))


def chat_async(**more: Any) -> Made:
    return lambda litellm, answers: litellm.acompletion(**asked(answers, **more))


def embedding(litellm: Any, answers: Provider) -> Any:
    return litellm.embedding(
        model="openai/text-embedding-3-small", input=["SECRET"], api_base=f"{answers.address}/v1", api_key="k"
    )


ASKED_FOR = {"model": "gpt-4o"}
CASES = {
    "chat": Case(chat()),
    "async chat": Case(chat_async()),
    "embedding": Case(embedding, "answer", {"service_type": "embedding"}),
    "429": Case(chat(), 429, ASKED_FOR),
    "async 429": Case(chat_async(), 429, ASKED_FOR),
    "500": Case(chat(), 500, ASKED_FOR),
    "time-out": Case(chat(timeout=SHORT), "hang", ASKED_FOR),
    "async time-out": Case(chat_async(timeout=SHORT), "hang", ASKED_FOR),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_call_is_recorded_as_track_ai_call_records_it(
    litellm: Any,
    real: Client,
    account: Account,
    by_hand: InProcess,
    answers: Provider,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
) -> None:
    monkeypatch.setitem(clients._clients, "current", real)
    answers.does = case.does

    async def reported() -> Any:
        with twinmeter.context(user_id="reported", content_type="letter"):
            made = case.made(litellm, answers)
            made = await made if asyncio.iscoroutine(made) else made
        await asyncio.to_thread(delivered, real, 1)
        return made

    async def recorded(call: Any) -> None:
        made = case.made(litellm, answers)
        call.record(await made if asyncio.iscoroutine(made) else made)

    with suppress(Exception):
        asyncio.run(reported())
    delivered(real, 1)
    by_hand.call(account, recorded, user_id="by hand", content_type="letter", **{"provider": "openai", **case.known})

    (entry,) = by_hand.recorded(account, "reported")
    assert [entry] == by_hand.recorded(account, "by hand")
    assert "SECRET" not in repr(entry)


def delivered(client: Client, calls: int) -> None:
    """Wait until so many calls were delivered: LiteLLM tells of them in threads of its own."""
    end = time.monotonic() + patience(5)
    while client.flush().delivered < calls:
        assert time.monotonic() < end
        time.sleep(POLL_SECONDS)
        gc.collect()  # what was left is told of as it goes, and threads of LiteLLM's may have held it until now


Rows = Callable[[int], list[dict[str, Any]]]


@pytest.fixture
def rows(server: StandIn, client: Client, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """So many rows, as a stand-in of the server is sent them."""
    monkeypatch.setitem(clients._clients, "current", client)

    def sent(calls: int) -> list[dict[str, Any]]:
        delivered(client, calls)
        return server.rows

    return sent


def test_streams_are_reported_once_at_their_end(litellm: Any, answers: Provider, rows: Rows) -> None:
    with twinmeter.context(user_id="u1"):
        for _ in litellm.completion(**asked(answers, **WITH_USAGE)):
            pass
    (row,) = rows(1)
    assert (row["userId"], row["provider"], row["usage"]["prompt_tokens"]) == ("u1", "openai", 1_234)
    assert 0 < row["timeToFirstToken"] <= row["requestDuration"]
    assert ANSWER not in repr(row)


async def test_async_streams_too(litellm: Any, answers: Provider, rows: Rows) -> None:
    with twinmeter.context(user_id="u1"):
        async for _ in await litellm.acompletion(**asked(answers, **WITH_USAGE)):
            pass
        await litellm.acompletion(**asked(answers))
    found = await asyncio.to_thread(rows, 2)
    assert sorted((row["userId"], row["usage"]["completion_tokens"]) for row in found) == [("u1", 567)] * 2


def test_a_stream_that_is_left_is_interrupted(litellm: Any, answers: Provider, rows: Rows) -> None:
    with twinmeter.context(user_id="u1"):
        stream = litellm.completion(**asked(answers, stream=True))
        next(stream)
        del stream
    litellm.completion(**asked(answers))  # LiteLLM keeps a call until there is another
    (row,) = [row for row in rows(2) if "status" in row]
    assert (row["userId"], row["status"], row["errorMessage"]) == ("u1", "error", INTERRUPTED)
    assert row["response"][0]["model"] == "gpt-4o"
    assert len(row["outputText"]) == len("SECRET")


async def test_a_call_that_is_cancelled_is_interrupted(litellm: Any, answers: Provider, rows: Rows) -> None:
    answers.does = "hang"
    task = asyncio.ensure_future(litellm.acompletion(**asked(answers)))
    await until(lambda: bool(answers.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    answers.does = "answer"
    await litellm.acompletion(**asked(answers))
    (row,) = [row for row in await asyncio.to_thread(rows, 2) if "status" in row]
    assert (row["status"], row["errorMessage"], row["userId"]) == ("error", INTERRUPTED, "anonymous")


@pytest.mark.parametrize(
    ("told", "user"),
    [
        ({"metadata": {"user_id": 7}}, "7"),
        ({"user": "u2"}, "u2"),
        ({"metadata": {"user_api_key_user_id": "of the proxy"}}, "of the proxy"),
        ({}, "anonymous"),
    ],
)
def test_whose_a_call_is(litellm: Any, answers: Provider, rows: Rows, told: dict[str, Any], user: str) -> None:
    litellm.completion(**asked(answers, **told))
    (row,) = rows(1)
    assert (row["userId"], row["contentType"], row["response"]["model"]) == (user, "chat", MODEL)


@pytest.mark.usefixtures("litellm")
def test_what_is_told_twice_is_one_call(rows: Rows) -> None:
    begun = datetime.now(UTC)
    kwargs: dict[str, Any] = {"model": "gpt-4o", "litellm_call_id": "c1"}
    twinmeter.litellm.log_success_event(kwargs, {}, begun, begun)  # nothing is known of its beginning
    twinmeter.litellm.log_success_event(kwargs, {}, begun, begun)
    twinmeter.litellm.log_pre_api_call("gpt-4o", [], kwargs)
    twinmeter.litellm.log_success_event(kwargs, {}, begun, begun)
    twinmeter.litellm.log_success_event(kwargs, {}, begun, begun)
    found = rows(3)
    assert len(found) == 3
    assert len({row["requestId"] for row in found}) == 1  # which the server counts once


def test_metadata_say_what_a_call_is_for(litellm: Any, answers: Provider, rows: Rows) -> None:
    metadata = {"user_id": "u1", "content_type": "letter", "conversation_id": "c1", "secret": "SECRET"}
    with twinmeter.context(conversation_id="c2"):
        litellm.completion(**asked(answers, metadata=metadata))
    (row,) = rows(1)
    assert (row["userId"], row["contentType"], row["conversationId"]) == ("u1", "letter", "c2")
    assert "SECRET" not in repr(row)


def test_retries_are_one_call(litellm: Any, answers: Provider, rows: Rows) -> None:
    answers.does = "fail once"
    assert litellm.completion(**asked(answers, max_retries=1)).choices[0].message.content == ANSWER
    assert [row.get("status") for row in rows(1)] == [None]
    assert len(answers.paths) == 2


def test_a_loop_for_each_call_loses_none(litellm: Any, answers: Provider, rows: Rows) -> None:
    for _ in range(3):
        asyncio.run(litellm.acompletion(**asked(answers)))
    gc.collect()
    found = rows(2)  # of the last, LiteLLM tells at the exit
    assert [(row.get("status"), row["usage"]["prompt_tokens"]) for row in found] == [(None, 1_234)] * len(found)


def test_an_answer_of_litellms_cache_is_told_apart(
    litellm: Any, answers: Provider, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litellm, "cache", litellm.Cache(type="local"))
    for calls in (1, 2):
        litellm.completion(**asked(answers), caching=True)
        rows(calls)
    assert [row.get("cached") for row in rows(2)] == [None, True]
    assert len(answers.paths) == 1


def test_what_litellm_says_that_it_cost_is_told(litellm: Any, answers: Provider, rows: Rows) -> None:
    response = litellm.completion(**asked(answers))
    (row,) = rows(1)
    assert row["response"]["_hidden_params"]["response_cost"] == response._hidden_params["response_cost"] > 0


@pytest.mark.parametrize("made", [chat(), chat_async()], ids=["sync", "async"])
def test_a_call_takes_the_reservation_around_it(
    litellm: Any, client: Client, server: StandIn, answers: Provider, monkeypatch: pytest.MonkeyPatch, made: Made
) -> None:
    monkeypatch.setitem(clients._clients, "current", client)

    async def reserved() -> str | None:
        async with twinmeter.reserve("letter", user_id="u1") as reservation:
            answer = made(litellm, answers)
            if asyncio.iscoroutine(answer):
                await answer
        await asyncio.to_thread(letters)
        return reservation.id

    def letters() -> list[dict[str, Any]]:
        """The rows of calls of this test: a call that an earlier one left is told of at the next call."""
        end = time.monotonic() + patience(5)
        while not (found := [row for row in server.rows if row["contentType"] == "letter"]):
            assert time.monotonic() < end
            client.flush()
        return found

    id = asyncio.run(reserved())

    told = [(row["userId"], row["contentType"], row["reservationId"]) for row in letters()]
    assert (told, server.released) == ([("u1", "letter", id)], [])
