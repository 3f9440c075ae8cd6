"""Clients and blocks that ask before each call: what is refused is never sent to a provider, nor counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Callable

import pytest
from client.tests import claude_and_gemini
from client.tests.providers import ANSWER, MODEL, USAGE, Provider, answers, upstream
from client.tests.sdks import anthropic, mistralai, openai
from client.tests.stand_in import Reply, StandIn, granted
from client.tests.test_limits import REFUSED, refuses, released
from client.tests.wrapped import ASKED, Rows, current, rows, unwrapped

import twinmeter
from twinmeter.wrapping.bounds import bounds_of

__all__ = ["answers", "current", "released", "rows", "unwrapped", "upstream"]

# of google-genai's own
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

WITH_MOST: dict[str, Any] = {**ASKED, "max_completion_tokens": 100}


@pytest.fixture
def enforced(unwrapped: openai.OpenAI) -> openai.OpenAI:
    return twinmeter.wrap(unwrapped, user_id="u1", enforce=True)


@pytest.fixture(scope="module")
def claude_upstream() -> Iterator[claude_and_gemini.Provider]:
    with claude_and_gemini.provider() as told:
        yield told


def test_each_call_asks_by_the_most_that_it_can_take_and_settles_its_reservation(
    enforced: openai.OpenAI, server: StandIn, rows: Rows, released: Any
) -> None:
    enforced.chat.completions.create(**WITH_MOST, n=2)
    for _ in enforced.chat.completions.create(**WITH_MOST, stream=True):
        pass

    first, second = (dict(asked) for asked in server.asked)
    assert first.pop("requestId") != second["requestId"]
    assert first == {
        "inputBytes": 112,
        "userId": "u1",
        "contentType": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "maxOutputTokens": 200,
    }
    assert [row["reservationId"] for row in rows()] == [f"r-{asked['requestId']}" for asked in server.asked]
    assert second["maxOutputTokens"] == 100
    assert released() == []


def refused_by(made: Callable[[], Any]) -> None:
    with pytest.raises(twinmeter.QuotaExceeded, match="You have used all 10") as caught:
        made()
    assert caught.value.decision == REFUSED
    assert caught.value.status_code == 429


def test_a_refused_call_is_not_made_and_not_counted(
    enforced: openai.OpenAI, server: StandIn, answers: Provider, rows: Rows
) -> None:
    server.limits = refuses

    refused_by(lambda: enforced.chat.completions.create(**ASKED))
    refused_by(lambda: enforced.chat.completions.create(**ASKED, stream=True))
    refused_by(lambda: enforced.chat.completions.with_raw_response.create(**ASKED))
    refused_by(lambda: enforced.with_options(timeout=20).responses.create(model="gpt-4o", input="SECRET"))
    refused_by(lambda: enforced.embeddings.create(model="m", input="SECRET"))

    assert answers.requests == []
    assert rows() == []
    assert len(server.asked) == 5


def test_other_sdks_refuse_too(
    server: StandIn, answers: Provider, claude_upstream: claude_and_gemini.Provider, rows: Rows
) -> None:
    from google import genai  # noqa: PLC0415 - it takes a second

    server.limits = refuses
    claude = twinmeter.wrap(anthropic.Anthropic(base_url=claude_upstream.address, api_key="k"), enforce=True)
    gemini = twinmeter.wrap(genai.Client(api_key="k", http_options={"base_url": claude_upstream.address}), enforce=True)
    mistral = twinmeter.wrap(mistralai.Mistral(server_url=f"{answers.address}/mistral", api_key="k"), enforce=True)
    asked: dict[str, Any] = {"model": "m", "max_tokens": 99, "messages": ASKED["messages"]}
    config: Any = {"max_output_tokens": 99}

    refused_by(lambda: claude.messages.create(**asked))
    refused_by(lambda: claude.messages.create(**asked, stream=True))
    refused_by(lambda: claude.messages.stream(**asked).__enter__())
    refused_by(lambda: mistral.chat.complete(**asked))
    refused_by(lambda: mistral.chat.stream(**asked))
    refused_by(lambda: gemini.models.generate_content(model="m", contents="SECRET", config=config))
    refused_by(lambda: next(iter(gemini.models.generate_content_stream(model="m", contents="S", config=config))))
    claude.close()

    assert (answers.requests, claude_upstream.paths) == ([], [])
    assert rows() == []
    assert [asked.get("maxOutputTokens") for asked in server.asked] == [99] * 7
    assert all(asked["inputBytes"] > 0 for asked in server.asked)


def test_coroutines_are_refused_while_their_loop_goes_on(server: StandIn, answers: Provider, rows: Rows) -> None:
    def by_model(path: str, asked: dict[str, Any]) -> Reply:
        return refuses(path, asked) if asked["model"] == "gpt-4o" else granted(path, asked)

    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0) as client:
            twinmeter.wrap(client, user_id="u1", enforce=True)
            with pytest.raises(twinmeter.QuotaExceeded):
                await client.chat.completions.create(**ASKED)
            with pytest.raises(twinmeter.QuotaExceeded):
                await client.chat.completions.create(**ASKED, stream=True)
            await client.chat.completions.create(**{**ASKED, "model": "gpt-4o-mini"})

    server.limits = by_model
    asyncio.run(ask())

    assert len(answers.requests) == 1
    (row,) = rows()
    assert row["reservationId"] == f"r-{server.asked[2]['requestId']}"


GUESSED = ("inputTokens", "outputTokens", "estimatedUsage", "outputText")


def test_a_call_whose_usage_nobody_knows_has_used_all_that_was_held(
    enforced: openai.OpenAI, answers: Provider, rows: Rows
) -> None:
    stream = enforced.chat.completions.create(**WITH_MOST, stream=True)
    next(iter(stream))
    stream.close()
    answers.does = 500
    with pytest.raises(openai.InternalServerError):
        enforced.chat.completions.create(**WITH_MOST)
    answers.does = "answer"
    unbounded = enforced.chat.completions.create(**ASKED, stream=True)
    next(iter(unbounded))
    unbounded.close()
    most = {"input_bytes": 9, "output_tokens": 7}
    with twinmeter.reserve("chat", user_id="u1", **most):  # type: ignore[arg-type]
        twinmeter.track(model="m", output_text="x")
    with twinmeter.reserve("chat", user_id="u1", **most):  # type: ignore[arg-type]
        twinmeter.track(model="m", tokens_used=3)

    assert [tuple(row.get(name) for name in GUESSED) for row in rows()] == [
        (1_117, 100, True, None),
        (None, None, None, None),
        (None, None, None, ""),
        (1_009, 7, True, None),
        (None, None, None, None),
    ]


def test_an_application_may_raise_an_error_of_its_own(unwrapped: openai.OpenAI, server: StandIn, rows: Rows) -> None:
    class PaymentRequiredError(Exception):
        pass

    told = []

    def on_refused(decision: twinmeter.Decision) -> None:
        told.append(decision)
        if len(told) == 1:
            raise PaymentRequiredError

    server.limits = refuses
    client = twinmeter.wrap(unwrapped, enforce=True, on_refused=on_refused)
    with pytest.raises(PaymentRequiredError):
        client.chat.completions.create(**ASKED)
    with pytest.raises(twinmeter.QuotaExceeded):
        client.chat.completions.create(**ASKED)
    twinmeter.wrap(client, enforce=False).chat.completions.create(**ASKED)

    assert told == [REFUSED, REFUSED]
    assert [row["response"]["model"] for row in rows()] == [MODEL]


def test_where_limits_cannot_be_checked_calls_go_on_or_are_refused_as_was_set(
    unwrapped: openai.OpenAI, server: StandIn, answers: Provider
) -> None:
    server.limits = lambda *_: Reply(503, b"{}", (("Retry-After", "1"),))
    client = twinmeter.wrap(unwrapped, user_id="u1", enforce=True)

    assert client.chat.completions.create(**ASKED).choices[0].message.content == ANSWER
    twinmeter.configure(url=server.address, key="k", limits_when_away="refuse")
    with pytest.raises(twinmeter.QuotaExceeded) as caught:
        client.chat.completions.create(**ASKED)

    assert caught.value.decision.unenforced
    assert len(answers.requests) == 1


def test_a_block_asks_before_it_begins(server: StandIn, rows: Rows, released: Any) -> None:
    bounds = {"input_tokens": 10, "output_tokens": 20}
    with twinmeter.call(user_id="u1", content_type="letter", model="m", enforce=True, bounds=bounds) as call:
        call.record({"model": "m", "usage": USAGE})
    with suppress(OSError), twinmeter.call(user_id="u1", content_type="letter", enforce=True):
        raise OSError
    server.limits = refuses
    refused_by(lambda: twinmeter.call(user_id="u1", content_type="letter", enforce=True).__enter__())

    names = ("userId", "contentType", "model", "inputTokens", "maxOutputTokens")
    asked = [tuple(each.get(name) for name in names) for each in server.asked]
    without = ("u1", "letter", "unknown", None, None)
    assert asked == [("u1", "letter", "m", 10, 20), without, without]
    ids = [f"r-{each['requestId']}" for each in server.asked[:2]]
    assert [(row["reservationId"], row.get("status")) for row in rows()] == [(ids[0], None), (ids[1], "error")]
    assert released() == []


def test_decorated_functions_ask_first(server: StandIn, rows: Rows) -> None:
    made = []

    @twinmeter.call(user_id="u1", content_type="chat", enforce=True)
    def plain() -> Any:
        made.append("plain")
        return {"model": "m", "usage": USAGE}

    @twinmeter.call(user_id="u1", content_type="chat", enforce=True)
    async def awaited() -> Any:
        made.append("awaited")
        return {"model": "m", "usage": USAGE}

    @twinmeter.call(user_id="u1", content_type="chat", enforce=True)
    def words() -> Iterator[Any]:
        made.append("words")
        yield {"model": "m", "usage": USAGE}

    @twinmeter.call(user_id="u1", content_type="chat", enforce=True)
    async def words_awaited() -> Any:
        made.append("words awaited")
        yield {"model": "m", "usage": USAGE}

    async def taken() -> list[Any]:
        return [event async for event in words_awaited()]

    def all_of_them() -> list[Callable[[], Any]]:
        return [plain, lambda: asyncio.run(awaited()), lambda: list(words()), lambda: asyncio.run(taken())]

    for each in all_of_them():
        each()
    server.limits = refuses
    for each in all_of_them():
        refused_by(each)

    assert made == ["plain", "awaited", "words", "words awaited"]
    assert len({row["reservationId"] for row in rows()}) == 4


def test_what_is_reserved_around_a_call_is_not_asked_for_again(
    enforced: openai.OpenAI, server: StandIn, rows: Rows, released: Any
) -> None:
    with twinmeter.reserve("chat", user_id="u1") as reservation:
        enforced.chat.completions.create(**ASKED)
    assert len(server.asked) == 1
    with twinmeter.call(user_id="u1", content_type="letter", enforce=True):
        enforced.chat.completions.create(**ASKED)
        assert len(server.asked) == 2
        enforced.chat.completions.create(**ASKED)

    ids = [f"r-{asked['requestId']}" for asked in server.asked]
    assert ids[0] == reservation.id
    assert [(row["contentType"], row["reservationId"]) for row in rows()] == [
        ("chat", ids[0]),
        ("letter", ids[1]),
        ("letter", ids[2]),
    ]
    assert released() == []


def test_a_block_whose_call_was_refused_reports_what_is_called_instead(
    enforced: openai.OpenAI, server: StandIn, rows: Rows
) -> None:
    server.limits = refuses
    with twinmeter.call(user_id="u1", content_type="letter") as call:
        refused_by(lambda: enforced.chat.completions.create(**ASKED))
        call.record({"model": "cheaper", "usage": USAGE})
    with pytest.raises(twinmeter.QuotaExceeded), twinmeter.call(user_id="u1", content_type="letter"):
        enforced.chat.completions.create(**ASKED)

    assert [row["response"]["model"] for row in rows()] == ["cheaper"]


MESSAGES = [{"role": "user", "content": "four"}]
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}]


@pytest.mark.parametrize(
    ("request_", "kind", "bounds"),
    [
        ({"messages": MESSAGES}, None, {"input_bytes": 40}),
        ({"prompt": "ä"}, None, {"input_bytes": 12}),
        ({"max_tokens": 5, "best_of": 3, "n": 2}, None, {"output_tokens": 15, "input_bytes": 54}),
        ({"max_output_tokens": 5, "messages": PICTURE}, None, {"output_tokens": 5}),
        ({"max_tokens": None, "tools": [{"type": "web_search"}]}, None, {}),
        ({"tools": [{"type": "function", "name": "f"}]}, None, {"input_bytes": 35}),
        ({"previous_response_id": "r1", "input": "x"}, None, {}),
        ({"input": "x"}, "embedding", {"output_tokens": 0, "input_bytes": 10}),
        (
            {"prompt": "x", "n": 2, "size": "1024x1024", "quality": "auto"},
            "image",
            {"images": 2, "size": "1024x1024", "input_bytes": 56},
        ),
        (
            {"contents": "x", "config": {"max_output_tokens": 7, "candidate_count": 2}},
            None,
            {"output_tokens": 14, "input_bytes": 69},
        ),
        ({"contents": object()}, None, {}),
    ],
)
def test_bounds_say_no_more_than_is_certain(request_: dict[str, Any], kind: str | None, bounds: dict[str, Any]) -> None:
    assert bounds_of(request_, kind) == bounds
