"""LangChain: one handler reports each call of a model, as `track_ai_call` records it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from itertools import count
from types import MappingProxyType
from typing import Any, Callable, NamedTuple
from uuid import uuid4

import pytest
from client.tests.in_process import InProcess, by_hand
from client.tests.providers import MODEL, WORDS, Provider, answers, upstream
from client.tests.stand_in import StandIn
from tests.patience import patience, until
from tests.real_clients.conftest import Account

import twinmeter
from twinmeter import client as clients
from twinmeter.client import Client

__all__ = ["answers", "by_hand", "upstream"]

# of connections that langchain-openai never closes
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
_numbers = count()
INTERRUPTED = "interrupted before the answer was complete"
QUESTION = "SECRET-QUESTION"
SHORT = 0.05


def chat(answers: Provider, **more: Any) -> Any:
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - heavy

    callbacks = more.pop("callbacks", [twinmeter.langchain])
    # by its address, langchain-openai keeps a client for the process, which has the first event loop for good
    base = {"model": "gpt-4o", "base_url": f"{answers.address}/{next(_numbers)}/v1", "api_key": "k", "max_retries": 0}
    return ChatOpenAI(**base, callbacks=callbacks, **more)


class Case(NamedTuple):
    made: Callable[[Any], Any]
    does: str | int = "answer"
    known: Mapping[str, Any] = MappingProxyType({})
    options: Mapping[str, Any] = MappingProxyType({})


ASKED_FOR = {"model": "gpt-4o"}
CASES = {
    "chat": Case(lambda model: model.invoke(QUESTION)),
    "async chat": Case(lambda model: model.ainvoke(QUESTION)),
    "stream": Case(lambda model: model.stream(QUESTION, stream_usage=True)),
    "async stream": Case(lambda model: model.astream(QUESTION, stream_usage=True)),
    "429": Case(lambda model: model.invoke(QUESTION), 429, ASKED_FOR),
    "async 500": Case(lambda model: model.ainvoke(QUESTION), 500, ASKED_FOR),
    "time-out": Case(lambda model: model.invoke(QUESTION), "hang", ASKED_FOR, {"timeout": SHORT}),
    "async time-out": Case(lambda model: model.ainvoke(QUESTION), "hang", ASKED_FOR, {"timeout": SHORT}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_call_is_recorded_as_track_ai_call_records_it(
    real: Client,
    account: Account,
    by_hand: InProcess,
    answers: Provider,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
) -> None:
    monkeypatch.setitem(clients._clients, "current", real)
    answers.does = case.does

    async def reported() -> None:
        with twinmeter.context(user_id="reported", content_type="letter"):
            await whole(case.made(chat(answers, **case.options)))

    async def recorded(call: Any) -> None:
        call.record(await whole(case.made(chat(answers, callbacks=[], **case.options))))

    with suppress(Exception):
        asyncio.run(reported())
    assert real.flush(patience(20)) == twinmeter.Flushed(1, 0, 0)
    known = {"user_id": "by hand", "content_type": "letter", "provider": "openai", **case.known}
    by_hand.call(account, recorded, **known)

    (entry,), (expected,) = by_hand.recorded(account, "reported"), by_hand.recorded(account, "by hand")
    assert entry.pop("had a first token") is ("stream" in case.made.__code__.co_names[0])
    expected.pop("had a first token")
    assert entry == expected
    assert "SECRET" not in repr(entry)


async def whole(made: Any) -> Any:
    """The message, put together where it comes in pieces."""
    if isinstance(made, Awaitable):
        return await made
    if hasattr(made, "__anext__"):
        pieces = [piece async for piece in made]
    elif hasattr(made, "__next__"):
        pieces = list(made)
    else:
        return made
    message = pieces[0]
    for piece in pieces[1:]:
        message += piece
    return message


Rows = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def rows(server: StandIn, client: Client, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """What a stand-in of the server has been sent."""
    monkeypatch.setitem(clients._clients, "current", client)

    def sent() -> list[dict[str, Any]]:
        client.flush(patience(10))
        return server.rows

    return sent


def test_a_stream_that_is_left_is_interrupted_and_its_length_told(answers: Provider, rows: Rows) -> None:
    answers.does = "answer slowly"
    stream = chat(answers).stream(QUESTION)
    while not next(stream).content:
        pass
    stream.close()
    (row,) = rows()
    assert (row["status"], row["errorMessage"], row["userId"]) == ("error", INTERRUPTED, "anonymous")
    assert row["outputText"] == "x" * len(WORDS[0])
    assert 0 < row["timeToFirstToken"] <= row["requestDuration"]


def test_a_stream_without_usage_tells_how_long_it_is(answers: Provider, rows: Rows) -> None:
    assert len(list(chat(answers, stream_usage=False).stream(QUESTION))) > 1
    (row,) = rows()
    assert row["outputText"] == "x" * len("".join(WORDS))
    assert (row.get("status"), row["response"]["response_metadata"]["model_name"]) == (None, MODEL)


async def test_a_call_that_is_cancelled_is_interrupted(answers: Provider, rows: Rows) -> None:
    answers.does = "hang"
    task = asyncio.create_task(chat(answers).ainvoke(QUESTION))
    await until(lambda: bool(answers.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)  # what is told of the end of a task is told in the loop's next round
    (row,) = rows()
    assert (row["status"], row["errorMessage"], row["model"]) == ("error", INTERRUPTED, "gpt-4o")


async def test_calls_of_a_batch_are_told_apart(answers: Provider, rows: Rows) -> None:
    metadata = {"user_id": "u1", "conversation_id": "c1", "content_type": "letter"}
    await chat(answers).abatch(["a", "b"], config={"metadata": metadata})
    with twinmeter.context(user_id="u2"):
        chat(answers).batch(["a", "b"], config={"metadata": metadata})
    names = ("userId", "conversationId", "contentType", "provider")
    assert [tuple(row[name] for name in names) for row in rows()] == [
        *[("u1", "c1", "letter", "openai")] * 2,
        *[("u2", "c1", "letter", "openai")] * 2,
    ]


async def test_the_handler_keeps_nothing_of_calls_that_are_over(answers: Provider, rows: Rows) -> None:
    await chat(answers).ainvoke(QUESTION)
    chat(answers).invoke(QUESTION)
    answers.does = 500
    with suppress(Exception):
        await chat(answers).ainvoke(QUESTION)
    assert len(rows()) == 3
    assert twinmeter.langchain._runs == {}


def test_events_of_calls_that_are_not_known_are_let_be(rows: Rows) -> None:

    twinmeter.langchain.on_llm_end(None, run_id=uuid4())
    twinmeter.langchain.on_llm_error(ValueError(), run_id=uuid4())
    twinmeter.langchain.on_llm_new_token("x", run_id=uuid4())
    twinmeter.langchain.on_llm_start({}, ["x"], run_id=(run := uuid4()))
    twinmeter.langchain.on_llm_end(object(), run_id=run)
    assert [row["model"] for row in rows()] == ["unknown"]


def test_a_call_takes_the_reservation_around_it(
    client: Client, server: StandIn, answers: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clients._clients, "current", client)

    with twinmeter.reserve("letter", user_id="u1") as reservation:
        chat(answers).invoke(QUESTION)

    client.flush(patience(20))
    told = [(row["userId"], row["contentType"], row["reservationId"]) for row in server.rows]
    assert (told, server.released) == ([("u1", "letter", reservation.id)], [])
