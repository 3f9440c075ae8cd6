"""Streams of wrapped clients: passed through untouched, and reported once, whichever way they end."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, Callable

import pytest
from client.tests.providers import ANSWER, MODEL, USAGE, Provider, answers, upstream
from client.tests.sdks import groq, mistralai, openai
from client.tests.stand_in import StandIn
from client.tests.test_life import run
from client.tests.wrapped import ASKED, INTERRUPTED, SPOKEN, Rows, current, outcome, rows, unwrapped, wrapped

import twinmeter
from twinmeter import streams

__all__ = ["answers", "current", "rows", "unwrapped", "upstream", "wrapped"]


@pytest.mark.parametrize(
    "more", [{}, {"stream_options": {"include_usage": False}}, {"stream_options": {"include_usage": True}}]
)
def test_chunks_are_the_same_and_only_what_the_caller_asked_for(
    wrapped: openai.OpenAI, unwrapped: openai.OpenAI, answers: Provider, rows: Rows, more: Any
) -> None:
    plain = [chunk.model_dump() for chunk in unwrapped.chat.completions.create(**ASKED, **more, stream=True)]
    stream = wrapped.chat.completions.create(**ASKED, **more, stream=True)

    assert isinstance(stream, openai.Stream)
    assert [chunk.model_dump() for chunk in stream] == plain
    assert answers.requests[1]["stream_options"] == {"include_usage": True}
    (row,) = rows()
    assert (row["usage"], outcome(row)) == ([USAGE], (None, None))
    assert 0 <= row["timeToFirstToken"] <= row["requestDuration"]


def test_other_options_of_the_stream_are_kept(wrapped: openai.OpenAI, answers: Provider, rows: Rows) -> None:
    list(wrapped.chat.completions.create(**ASKED, stream=True, stream_options={"include_obfuscation": False}))
    list(wrapped.chat.completions.create(**ASKED, stream=True, extra_body={"stream_options": {"x": 1}}))

    assert [request["stream_options"] for request in answers.requests] == [
        {"include_obfuscation": False, "include_usage": True},
        {"x": 1, "include_usage": True},
    ]
    assert [row["usage"] for row in rows()] == [[USAGE], [USAGE]]


@pytest.mark.parametrize("does", ["refuse stream_options", "refuse without a reason"])
def test_an_api_that_refuses_the_question_is_not_asked_again(
    wrapped: openai.OpenAI, answers: Provider, rows: Rows, does: str
) -> None:
    answers.does = does

    seen = [len(list(wrapped.with_options().chat.completions.create(**ASKED, stream=True))) for _ in range(2)]

    assert seen == [5, 5]
    assert ["stream_options" in request for request in answers.requests] == [True, False, False]
    assert [(len(row["outputText"]), outcome(row)) for row in rows()] == [(SPOKEN, (None, None))] * 2


def leave_by_break(client: openai.OpenAI) -> None:
    with client.chat.completions.create(**ASKED, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break


def leave_by_close(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(**ASKED, stream=True)
    next(stream)
    next(stream)
    stream.close()


def leave_by_response(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**ASKED) as stream:
        for event in stream:
            if event.type == "content.delta" and event.delta:
                break


def leave_by_forgetting(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(**ASKED, stream=True)
    next(stream)
    next(stream)
    del stream
    gc.collect()


@pytest.mark.parametrize("leave", [leave_by_break, leave_by_close, leave_by_response, leave_by_forgetting])
def test_a_stream_that_is_left_is_recorded_as_interrupted(
    wrapped: openai.OpenAI, rows: Rows, leave: Callable[[openai.OpenAI], None]
) -> None:
    leave(wrapped)

    (row,) = rows()
    assert (outcome(row), row["outputText"]) == (INTERRUPTED, "x" * len("SECRET"))
    assert row["response"][0]["model"] == MODEL


def test_a_stream_that_breaks_raises_what_it_raised(
    wrapped: openai.OpenAI, unwrapped: openai.OpenAI, answers: Provider, rows: Rows
) -> None:
    answers.does = "cut"
    raised = []
    for client in (unwrapped, wrapped):
        with pytest.raises(openai.APIConnectionError) as error:
            list(client.chat.completions.create(**ASKED, stream=True))
        raised.append(error.type)

    assert raised[0] is raised[1]
    (row,) = rows()
    assert outcome(row) == ("error", raised[0].__name__)


def test_bodies_that_the_caller_reads_are_his_to_the_last_byte(
    wrapped: openai.OpenAI, unwrapped: openai.OpenAI, rows: Rows
) -> None:
    def lines(client: openai.OpenAI, **more: Any) -> list[str]:
        with client.chat.completions.with_streaming_response.create(**ASKED, **more) as response:
            return list(response.iter_lines())

    assert lines(wrapped) == lines(unwrapped)
    seen, plain = lines(wrapped, stream=True), lines(unwrapped, stream=True)
    assert [line.replace(', "usage": null', "") for line in seen] == plain
    with wrapped.chat.completions.with_streaming_response.create(**ASKED) as response:
        assert response.parse().choices[0].message.content == ANSWER
    with wrapped.chat.completions.with_streaming_response.create(**ASKED) as response:
        assert b"".join(response.http_response.iter_raw()).endswith(b"}")
    with wrapped.chat.completions.with_streaming_response.create(**ASKED):
        pass

    told = rows()
    assert [row.get("usage") for row in told] == [USAGE, [USAGE], USAGE, USAGE, None]
    assert [outcome(row) for row in told] == [(None, None)] * 4 + [INTERRUPTED]


def test_nothing_of_ours_is_left_on_a_response_that_was_read(wrapped: openai.OpenAI, rows: Rows) -> None:
    stream = wrapped.chat.completions.create(**ASKED, stream=True)
    list(stream)

    assert "close" not in vars(stream.response)
    assert len(rows()) == 1


async def test_coroutines_are_the_same(answers: Provider, rows: Rows) -> None:
    async with openai.AsyncOpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0) as client:
        twinmeter.wrap(client)
        stream = await client.chat.completions.create(**ASKED, stream=True)
        seen = [chunk async for chunk in stream]
        raw = await client.chat.completions.with_raw_response.create(**ASKED, stream=True)
        also = [chunk async for chunk in raw.parse()]
        async with client.chat.completions.with_streaming_response.create(**ASKED, stream=True) as response:
            lines = [line async for line in response.iter_lines() if line]
        async with client.chat.completions.stream(**ASKED) as helper:
            final = await helper.get_final_completion()

    assert isinstance(stream, openai.AsyncStream)
    assert [len(chunk.choices) for chunk in (*seen, *also)] == [1] * 10
    assert (len(lines), final.choices[0].message.content) == (6, ANSWER)
    assert [(row["usage"], outcome(row)) for row in rows()] == [([USAGE], (None, None))] * 4


async def test_a_cancelled_stream_is_interrupted(answers: Provider, rows: Rows) -> None:
    answers.does = "answer slowly"
    async with openai.AsyncOpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0) as client:
        twinmeter.wrap(client)
        began = asyncio.Event()

        async def read() -> None:
            async for chunk in await client.chat.completions.create(**ASKED, stream=True):
                if chunk.choices[0].delta.content:
                    began.set()

        task = asyncio.create_task(read())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    (row,) = rows()
    assert (outcome(row), row["outputText"]) == (INTERRUPTED, "xxxxxx")


async def test_a_stream_left_in_a_loop_is_interrupted(answers: Provider, rows: Rows) -> None:
    async with openai.AsyncOpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0) as client:
        twinmeter.wrap(client)
        async with await client.chat.completions.create(**ASKED, stream=True) as stream:
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break

    assert [outcome(row) for row in rows()] == [INTERRUPTED]


def test_groq_and_mistral_are_left_likewise(answers: Provider, rows: Rows) -> None:
    with groq.Groq(base_url=answers.address, api_key="k") as client:
        with twinmeter.wrap(client).chat.completions.create(**ASKED, stream=True) as stream:
            next(stream)
        streamed = client.chat.completions.with_streaming_response
        with streamed.create(**ASKED, stream=True) as response:
            for _ in response.iter_lines():
                pass
        client.chat.completions.with_raw_response.create(**ASKED)
    with mistralai.Mistral(server_url=f"{answers.address}/mistral", api_key="k") as other:
        assert twinmeter.wrap(other) is other
        with other.chat.stream(**ASKED) as events:
            next(events)
        list(other.chat.stream(**ASKED))
        twinmeter.wrap(other)
        other.chat.complete(**ASKED)

    told = rows()
    assert [row["provider"] for row in told] == ["groq"] * 3 + ["mistral"] * 3
    assert [outcome(row) for row in told] == [
        INTERRUPTED,
        (None, None),
        (None, None),
        INTERRUPTED,
        (None, None),
        (None, None),
    ]


def test_nothing_is_kept_of_streams_that_are_over(wrapped: openai.OpenAI, rows: Rows) -> None:
    gc.collect()
    before = len(streams._open)
    for _ in range(5):
        list(wrapped.chat.completions.create(**ASKED, stream=True))
        list(wrapped.chat.completions.with_raw_response.create(**ASKED, stream=True).parse())
    gc.collect()

    assert len(streams._open) == before
    assert len(rows()) == 10


LEFT_OPEN = """
import os, openai, twinmeter
client = twinmeter.wrap(openai.OpenAI(base_url=os.environ["PROVIDER"], api_key="k"))
stream = client.chat.completions.create(model="gpt-4o", messages=[], stream=True)
next(stream), next(stream)
if not (child := os.fork()):
    del stream
    raise SystemExit
os.waitpid(child, 0)
"""


def test_a_stream_that_is_open_at_the_exit_is_reported_once_and_by_no_fork(answers: Provider, server: StandIn) -> None:
    done = run(LEFT_OPEN, server.address, PROVIDER=f"{answers.address}/v1", PYTHONWARNINGS="ignore")

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert [(outcome(row), row["outputText"]) for row in server.rows] == [(INTERRUPTED, "xxxxxx")]
