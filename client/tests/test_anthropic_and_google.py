"""Wrapped clients of Anthropic and Google before a real server, and how they behave."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Callable, NamedTuple

import pytest
from client.tests.claude_and_gemini import (
    ANSWER,
    BROKEN,
    CALLER,
    CLAUDE,
    EMBEDDING,
    GEMINI,
    IMAGEN,
    LIMITED,
    SLOW,
    Provider,
    provider,
)
from client.tests.in_process import InProcess, by_hand
from client.tests.ledger import entries
from client.tests.stand_in import StandIn
from tests.patience import patience
from tests.real_clients.conftest import Account, Deployment

import twinmeter
from twinmeter import client as clients
from twinmeter.client import Client

__all__ = ["by_hand"]

pytestmark = [
    # of google-genai's own
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The generate_images method is deprecated"),
]
QUESTION: dict[str, Any] = {"max_tokens": 99, "messages": [{"role": "user", "content": "SECRET-QUESTION"}]}
CLAUDE_ASKED: dict[str, Any] = {**QUESTION, "model": CLAUDE}
SHORT = 0.05


@pytest.fixture(scope="module")
def upstream() -> Iterator[Provider]:
    with provider() as told:
        yield told


@pytest.fixture(autouse=True)
def _anew(upstream: Provider) -> None:
    upstream.arrived.clear()
    upstream.paths.clear()


def claude(upstream: Provider, **options: Any) -> Any:
    from anthropic import Anthropic  # noqa: PLC0415 - heavy

    return Anthropic(base_url=upstream.address, api_key="k", **{"max_retries": 0, **options})


def claude_async(upstream: Provider, **options: Any) -> Any:
    from anthropic import AsyncAnthropic  # noqa: PLC0415

    return AsyncAnthropic(base_url=upstream.address, api_key="k", **{"max_retries": 0, **options})


def gemini(upstream: Provider, *, vertex: bool = False, timeout: float | None = None) -> Any:
    from google.genai import Client as Gemini  # noqa: PLC0415
    from google.genai.types import HttpOptions, HttpRetryOptions  # noqa: PLC0415

    milliseconds = int(timeout * 1000) if timeout else None
    retries = HttpRetryOptions(attempts=1)
    options = HttpOptions(base_url=upstream.address, timeout=milliseconds, retry_options=retries)
    return Gemini(vertexai=vertex, api_key="k", http_options=options)


def vertex(upstream: Provider) -> Any:
    return gemini(upstream, vertex=True)


def hasty(make: Callable[..., Any]) -> Callable[[Provider], Any]:
    return lambda upstream: make(upstream, timeout=SHORT)


TOKENS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "reasoningTokens")
FIGURES = [(10_000, 500, 6_000, 3_000, 0), (1_000, 500, 600, 0, 100), (89, 0, 0, 0, 0)]
"""Of Claude, Gemini and its embeddings."""


def figures_of(entry: dict[str, Any]) -> tuple[int, ...]:
    return tuple(entry.get(name, 0) for name in TOKENS)


Rows = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def rows(server: StandIn, client: Client, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """What a stand-in of the server has been sent."""
    monkeypatch.setitem(clients._clients, "current", client)

    def sent() -> list[dict[str, Any]]:
        client.flush(patience(10))
        return server.rows

    return sent


class Case(NamedTuple):
    client: Callable[[Provider], Any]
    made: Callable[[Any], Any]
    """The call. What it returns is awaited and iterated, where it can be."""
    known: Mapping[str, Any] = MappingProxyType({})
    """What `track_ai_call` has to be told, and the wrapped client knows."""
    fails: bool = False
    leaves: bool = False
    """Whether the stream is left after its first piece of text."""


def create(model: str = CLAUDE, **more: Any) -> Callable[[Any], Any]:
    return lambda client: client.messages.create(**QUESTION, model=model, **more)


def generate(model: str = GEMINI) -> Callable[[Any], Any]:
    return lambda client: client.models.generate_content(model=model, contents="SECRET-QUESTION")


def generate_async(model: str = GEMINI) -> Callable[[Any], Any]:
    return lambda client: client.aio.models.generate_content(model=model, contents="SECRET-QUESTION")


def stream_of(client: Any) -> Any:
    return client.models.generate_content_stream(model=GEMINI, contents="SECRET-QUESTION")


def stream_async_of(client: Any) -> Any:
    return client.aio.models.generate_content_stream(model=GEMINI, contents="SECRET-QUESTION")


def asked_for(model: str, provider: str = "anthropic") -> dict[str, Any]:
    return {"model": model, "provider": provider}


GOOGLE = {"provider": "google"}
CASES = {
    "claude": Case(claude, create()),
    "claude async": Case(claude_async, create()),
    "claude beta": Case(claude, lambda client: client.beta.messages.create(**CLAUDE_ASKED)),
    "claude stream": Case(claude, create(stream=True)),
    "claude async stream": Case(claude_async, create(stream=True)),
    "claude stream that is left": Case(claude, create(stream=True), fails=True, leaves=True),
    "claude async stream that is left": Case(claude_async, create(stream=True), fails=True, leaves=True),
    "claude 429": Case(claude, create(LIMITED), asked_for(LIMITED), fails=True),
    "claude async 500": Case(claude_async, create(BROKEN), asked_for(BROKEN), fails=True),
    "claude stream 429": Case(claude, create(LIMITED, stream=True), asked_for(LIMITED), fails=True),
    "claude time-out": Case(hasty(claude), create(SLOW), asked_for(SLOW), fails=True),
    "claude async time-out": Case(hasty(claude_async), create(SLOW), asked_for(SLOW), fails=True),
    "gemini": Case(gemini, generate(), GOOGLE),
    "gemini async": Case(gemini, generate_async(), GOOGLE),
    "gemini of vertex": Case(vertex, generate(), GOOGLE),
    "gemini stream": Case(gemini, stream_of, GOOGLE),
    "gemini async stream": Case(gemini, stream_async_of, GOOGLE),
    "gemini stream that is left": Case(gemini, stream_of, GOOGLE, fails=True, leaves=True),
    "gemini async stream that is left": Case(gemini, stream_async_of, GOOGLE, fails=True, leaves=True),
    "gemini embedding": Case(
        gemini,
        lambda client: client.models.embed_content(model=EMBEDDING, contents="SECRET-QUESTION"),
        {**asked_for(EMBEDDING, "google"), "service_type": "embedding"},
    ),
    "gemini async embedding": Case(
        gemini,
        lambda client: client.aio.models.embed_content(model=EMBEDDING, contents="SECRET-QUESTION"),
        {**asked_for(EMBEDDING, "google"), "service_type": "embedding"},
    ),
    "gemini 429": Case(gemini, generate(LIMITED), asked_for(LIMITED, "google"), fails=True),
    "gemini async 500": Case(gemini, generate_async(BROKEN), asked_for(BROKEN, "google"), fails=True),
    "gemini time-out": Case(hasty(gemini), generate(SLOW), asked_for(SLOW, "google"), fails=True),
    "gemini async time-out": Case(hasty(gemini), generate_async(SLOW), asked_for(SLOW, "google"), fails=True),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_wrapped_call_is_recorded_as_track_ai_call_records_it(
    real: Client, account: Account, by_hand: InProcess, upstream: Provider, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    monkeypatch.setitem(clients._clients, "current", real)

    async def wrapped() -> None:
        client = twinmeter.wrap(case.client(upstream), user_id="wrapped", content_type="letter")
        try:
            await read(events_of(case.made(client)), leaves=case.leaves)
        finally:
            await close(client)

    async def recorded(call: Any) -> None:
        client = case.client(upstream)
        try:
            made = case.made(client)
            made = await made if isinstance(made, Awaitable) else made
            if hasattr(made, "__next__") or hasattr(made, "__anext__"):
                await read(call.stream(events_of(made)), leaves=case.leaves)
            else:
                call.record(made)
        finally:
            await close(client)

    with suppress(Exception):
        asyncio.run(wrapped())
    assert real.flush(patience(20)) == twinmeter.Flushed(1, 0, 0)
    known = {"user_id": "by hand", "content_type": "letter", "provider": "anthropic", **case.known}
    by_hand.call(account, recorded, **known)

    (entry,) = by_hand.recorded(account, "wrapped")
    assert [entry] == by_hand.recorded(account, "by hand")
    assert entry["success"] is not case.fails
    assert case.fails or figures_of(entry) in FIGURES
    assert "SECRET" not in repr(entry)


async def events_of(made: Any) -> Any:
    """What a call returns, as a stream."""
    made = await made if isinstance(made, Awaitable) else made
    if hasattr(made, "__anext__"):
        async for event in made:
            yield event
    elif hasattr(made, "__next__"):
        for event in made:
            yield event


async def read(stream: Any, *, leaves: bool) -> None:
    async for event in stream:
        if leaves and "SECRET" in repr(event):
            break


async def close(client: Any) -> None:
    closing = client.aio.aclose() if hasattr(client, "aio") else client.close()
    if isinstance(closing, Awaitable):
        await closing


INTERRUPTED = "interrupted before the answer was complete"


def outcomes(rows: Rows) -> list[tuple[Any, ...]]:
    return [(row.get("status"), row.get("errorMessage"), "timeToFirstToken" in row) for row in rows()]


@pytest.mark.parametrize(
    ("make", "made"), [(claude_async, create(SLOW)), (gemini, generate_async(SLOW))], ids=["claude", "gemini"]
)
async def test_a_call_that_is_cancelled_is_interrupted(
    rows: Rows, upstream: Provider, make: Callable[[Provider], Any], made: Callable[[Any], Any]
) -> None:
    client = twinmeter.wrap(make(upstream))
    task = asyncio.ensure_future(made(client))
    await asyncio.to_thread(upstream.arrived.wait, patience(10))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await close(client)
    assert outcomes(rows) == [("error", INTERRUPTED, False)]
    assert [row["model"] for row in rows()] == [SLOW]


def test_the_helpers_and_raw_forms_of_claude_are_counted_once_each(rows: Rows, upstream: Provider) -> None:
    client = twinmeter.wrap(claude(upstream))
    with client.messages.stream(**CLAUDE_ASKED) as stream:
        assert "".join(stream.text_stream) == "".join(ANSWER)
        assert stream.get_final_message().usage.output_tokens == 500
    with client.beta.messages.stream(**CLAUDE_ASKED) as stream:
        assert stream.get_final_text() == "".join(ANSWER)
    raw = client.messages.with_raw_response.create(**CLAUDE_ASKED)
    assert raw.parse().content[0].text == "".join(ANSWER)
    with client.messages.with_streaming_response.create(**CLAUDE_ASKED) as response:
        assert response.parse().usage.output_tokens == 500
    with client.messages.with_streaming_response.create(**CLAUDE_ASKED, stream=True) as response:
        assert "message_stop" in "".join(response.iter_lines())
    client.with_options(timeout=30).messages.create(**CLAUDE_ASKED)
    assert outcomes(rows) == [
        (None, None, True),
        (None, None, True),
        (None, None, False),
        (None, None, False),
        (None, None, True),
        (None, None, False),
    ]
    assert {row["provider"] for row in rows()} == {"anthropic"}
    assert "SECRET" not in repr(rows())


async def test_the_helpers_of_async_claude_are_counted_too(rows: Rows, upstream: Provider) -> None:
    client = twinmeter.wrap(claude_async(upstream))
    async with client.messages.stream(**CLAUDE_ASKED) as stream:
        assert [text async for text in stream.text_stream] == ANSWER
    async with client.messages.stream(**CLAUDE_ASKED) as stream:
        async for _ in stream.text_stream:
            break
    async with client.messages.with_streaming_response.create(**CLAUDE_ASKED) as response:
        assert (await response.parse()).usage.output_tokens == 500
    await close(client)
    assert outcomes(rows) == [(None, None, True), ("error", INTERRUPTED, True), (None, None, False)]


def test_a_stream_of_claude_that_is_forgotten_or_closed_is_interrupted(rows: Rows, upstream: Provider) -> None:
    client = twinmeter.wrap(claude(upstream))
    stream = client.messages.create(**CLAUDE_ASKED, stream=True)
    del stream
    gc.collect()
    stream = client.messages.create(**CLAUDE_ASKED, stream=True)
    next(stream)
    stream.close()
    with client.messages.stream(**CLAUDE_ASKED) as stream:
        next(iter(stream.text_stream))
    assert outcomes(rows) == [("error", INTERRUPTED, text) for text in (False, False, True)]


def test_a_wrapped_claude_stays_what_it_was(rows: Rows, upstream: Provider) -> None:
    import anthropic  # noqa: PLC0415

    plain, client = claude(upstream), claude(upstream)
    assert twinmeter.wrap(twinmeter.wrap(client)) is client
    assert type(client) is anthropic.Anthropic
    assert type(client.messages.create(**CLAUDE_ASKED, stream=True)) is anthropic.Stream
    assert client.messages.create(**CLAUDE_ASKED) == plain.messages.create(**CLAUDE_ASKED)
    events = list(client.messages.create(**CLAUDE_ASKED, stream=True))
    assert events == list(plain.messages.create(**CLAUDE_ASKED, stream=True))
    for refused, kind in ((LIMITED, anthropic.RateLimitError), (BROKEN, anthropic.InternalServerError)):
        with pytest.raises(kind):
            client.messages.create(**QUESTION, model=refused)
    assert len(rows()) == 5
    assert upstream.paths == ["/v1/messages"] * 7


def test_what_claude_is_asked_beside_messages_is_not_counted(rows: Rows, upstream: Provider) -> None:
    client = twinmeter.wrap(claude(upstream))
    client.messages.count_tokens(model=CLAUDE, messages=QUESTION["messages"])
    client.messages.batches.create(requests=[{"custom_id": "1", "params": CLAUDE_ASKED}])
    assert len(upstream.paths) == 2
    assert rows() == []


def test_claude_is_counted_where_others_sell_it(rows: Rows, upstream: Provider) -> None:
    from anthropic import AnthropicVertex  # noqa: PLC0415

    client = AnthropicVertex(base_url=upstream.address, region="europe-west1", project_id="p", access_token="k")
    client = twinmeter.wrap(client)
    client.messages.create(**CLAUDE_ASKED)
    assert [event.type for event in client.messages.create(**CLAUDE_ASKED, stream=True)][-1] == "message_stop"
    assert [(row["provider"], row["contentType"]) for row in rows()] == [("google", "chat")] * 2
    assert [path.rpartition(":")[2] for path in upstream.paths] == ["rawPredict", "streamRawPredict"]


def test_the_raw_answer_of_gemini_is_read(rows: Rows, upstream: Provider) -> None:
    from google.genai.types import GenerateContentConfig  # noqa: PLC0415

    client = twinmeter.wrap(gemini(upstream))
    config = GenerateContentConfig(should_return_http_response=True)
    response = client.models.generate_content(model=GEMINI, contents="x", config=config)
    assert "SECRET" in response.sdk_http_response.body
    (row,) = rows()
    assert "SECRET" not in repr(row)
    assert row["response"]["usageMetadata"]["promptTokenCount"] == 1_000


def test_retries_of_claude_are_one_call(rows: Rows, upstream: Provider) -> None:
    client = twinmeter.wrap(claude(upstream, max_retries=1))
    with suppress(Exception):
        client.messages.create(**QUESTION, model=BROKEN, extra_headers={"x-should-retry": "true"})
    assert len(upstream.paths) == 2
    assert outcomes(rows) == [("error", "InternalServerError", False)]


def test_gemini_is_counted_by_requests_where_it_calls_functions(rows: Rows, upstream: Provider) -> None:
    from google.genai.types import GenerateContentConfig  # noqa: PLC0415

    def weather() -> str:
        """The weather."""
        return "sun"

    client = twinmeter.wrap(gemini(upstream))
    config = GenerateContentConfig(tools=[weather])
    assert client.models.generate_content(model=CALLER, contents="x", config=config).text == "".join(ANSWER)
    assert client.chats.create(model=GEMINI).send_message("x").text == "".join(ANSWER)
    assert [chunk.text for chunk in client.chats.create(model=GEMINI).send_message_stream("x")] == ANSWER
    assert len(upstream.paths) == len(rows()) == 4


def test_a_wrapped_gemini_stays_what_it_was(rows: Rows, upstream: Provider) -> None:
    from google.genai import Client as Gemini  # noqa: PLC0415
    from google.genai.errors import ClientError  # noqa: PLC0415

    plain, client = gemini(upstream), gemini(upstream)
    assert twinmeter.wrap(twinmeter.wrap(client)) is client
    assert type(client) is Gemini
    assert type(client.models) is type(plain.models)
    stream = stream_of(client)
    assert type(stream) is type(stream_of(plain))
    assert [chunk.text for chunk in stream] == [chunk.text for chunk in stream_of(plain)] == ANSWER
    assert type(generate()(client)) is type(generate()(plain))
    with pytest.raises(ClientError):
        generate(LIMITED)(client)
    assert [row.get("status") for row in rows()] == [None, None, "rate_limited"]


async def test_the_aio_of_gemini_is_wrapped_alone_and_with_its_client(rows: Rows, upstream: Provider) -> None:
    client = gemini(upstream)
    twinmeter.wrap(client.aio, user_id="aio")
    await generate_async()(client)
    generate()(client)
    assert [row["userId"] for row in rows()] == ["aio"]
    await close(client)


def test_images_of_imagen_are_counted(
    real: Client, account: Account, deployment: Deployment, upstream: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(clients._clients, "current", real)
    client = twinmeter.wrap(vertex(upstream), user_id="u1")
    assert len(client.models.generate_images(model=IMAGEN, prompt="SECRET-QUESTION").generated_images) == 2
    assert real.flush(patience(20)).delivered == 1
    (entry,) = entries(deployment, account)
    names = ("aiModel", "provider", "images", "serviceType", "contentType", "success")
    assert [entry[name] for name in names] == [IMAGEN, "google", 2, "image", "image-generation", True]


@pytest.mark.parametrize("hook", ["returned", "chunk", "ended"])
def test_a_fault_of_the_clients_own_reaches_nobody(
    rows: Rows, upstream: Provider, monkeypatch: pytest.MonkeyPatch, hook: str
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("twinmeter.usage.told_of", broken)
    monkeypatch.setattr("twinmeter.observation.fields_of", broken)
    for client in (twinmeter.wrap(claude(upstream)), twinmeter.wrap(gemini(upstream))):
        if hook == "returned":
            made = create() if hasattr(client, "messages") else generate()
            assert "".join(ANSWER) in repr(made(client))
        else:
            stream = create(stream=True)(client) if hasattr(client, "messages") else stream_of(client)
            assert "SECRET" in repr(list(stream))
    assert len(rows()) == 2
