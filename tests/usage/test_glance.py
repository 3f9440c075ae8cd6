"""What is read at a glance is what the reader says of it; what is not wholly of a known form is left to the reader."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from app.usage import responses
from app.usage.glance import glance
from app.usage.objects import snake_case
from app.usage.responses import reported_of

RECORDED = Path(__file__).parents[1] / "data" / "provider_usage_recorded.jsonl"
ROWS = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
Usage = dict[str, Any]


def read_with_care(events: list[Any], provider: str | None, model: str | None) -> dict[str, Any]:
    with mock.patch.object(responses, "glance", return_value=None):
        return reported_of(events, provider, model)


def usages_in(response: Any) -> Iterator[Usage]:
    """Each event's usage object, as a client sends it."""
    for event in response if isinstance(response, list) else [response]:
        inner = event.get("message") or event.get("response") or event
        if usage := inner.get("usage") or inner.get("usageMetadata"):
            yield usage


def test_every_recorded_response_is_read_alike_and_most_of_them_at_a_glance() -> None:
    seen = 0
    for row in ROWS:
        response, provider, model = row["response"], row["provider"], row["model"]
        *before, last = usages_in(response)
        whole = response if isinstance(response, list) else [response]
        for events in (whole, [*({"usage": usage} for usage in before), {"usage": last, "model": model}]):
            if (found := glance(events, model)) is not None:
                assert found == read_with_care(events, provider, model)
        seen += found is not None
    assert (len(ROWS), seen) == (528, 485)


def count(draw: random.Random) -> int:
    return draw.choice([0, 0, 1, 5, 40, draw.randrange(300)])


def usage_of(form: str, draw: random.Random, fresh: int, read: int, answer: int, thought: int) -> Usage:
    prompt, output = fresh + read, answer + thought
    written = count(draw)
    hour = draw.randrange(written + 1)
    forms: dict[str, Usage] = {
        "chat": {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": read, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
        },
        "responses": {
            "input_tokens": prompt,
            "output_tokens": output,
            "total_tokens": prompt + output,
            "input_tokens_details": {"cached_tokens": read},
            "output_tokens_details": {"reasoning_tokens": thought},
        },
        "messages": {
            "input_tokens": fresh,
            "output_tokens": answer,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "cache_creation": {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour},
            "service_tier": "standard",
            "inference_geo": "global",
            "server_tool_use": None,
        },
        "converse": {
            "inputTokens": fresh,
            "outputTokens": answer,
            "totalTokens": fresh + answer,
            "cacheReadInputTokens": 0,
            "serverToolUsage": {},
        },
        "gemini": {
            "promptTokenCount": prompt,
            "candidatesTokenCount": answer,
            "thoughtsTokenCount": thought,
            "cachedContentTokenCount": read,
            "totalTokenCount": prompt + output,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        },
        "langchain": {
            "input_tokens": prompt,
            "output_tokens": answer,
            "total_tokens": prompt + answer,
            "input_token_details": {"cache_read": read},
        },
    }
    if form == "gemini sdk":
        details = [{"modality": "TEXT", "token_count": prompt}]
        return {snake_case(name): told for name, told in forms["gemini"].items()} | {"prompt_tokens_details": details}
    return forms[form]


AROUND: dict[str, Any] = {
    "object": "chat.completion",
    "service_tier": "default",
    "created": 5,
    "status": "completed",
    "candidates": [{"content": {"parts": [{"text": ""}]}}],
    "data": [{"embedding": []}],
    "modelVersion": "gemini-2.5-pro",
}
FORMS = {
    **dict.fromkeys(("chat", "responses", "messages", "converse"), "usage"),
    "gemini": "usageMetadata",
    "gemini sdk": "usage_metadata",
    "langchain": "usage_metadata",
}
ODD: list[Any] = [
    *(None, 0, 1, 7, -1, 1.5, 2.0, True, "5", "", {}, {"x": 1}, {"x": 0}, [], [3], 10**9, {"cached_tokens": 5}),
    *("standard", "flex", "batch", "gpt-image-1", "response.done", "assistant", "list", "video"),
    *({"audio_tokens": 0}, [{"modality": "AUDIO", "tokenCount": 3}]),
]
NAMES = (
    *("usage", "usageMetadata", "usage_metadata", "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens"),
    *("output_tokens", "cached_tokens", "prompt_tokens_details", "input_tokens_details", "output_tokens_details"),
    *("cache_creation", "cache_read_input_tokens", "service_tier", "speed", "cost", "type", "object", "model"),
    *("model_version", "iterations", "prompt_token_count", "candidatesTokenCount", "toolUsePromptTokenCount"),
    *("thoughtsTokenCount", "totalTokenCount", "totalTokens", "num_search_queries", "data", "created", "choices"),
    *("candidates", "response", "message", "delta", "status", "reasoning_tokens", "total_time", "trafficType"),
    *("inference_geo", "server_tool_use", "seconds", "requests", "custom_id", "input_token_count", "no_cache_tokens"),
    *("cache_write_tokens", "candidatesTokensDetails", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens"),
)


def response_at_random(draw: random.Random) -> list[Any]:
    """One response, or the events of a stream, as providers and clients have them; with up to two things odd."""
    form, place = draw.choice(list(FORMS.items()))
    amounts = [count(draw) for _ in range(4)]
    words = [usage_of(form, draw, *amounts)]
    for _ in range(draw.choice([0, 1, 1, 2])):
        amounts = [amount + draw.choice([0, count(draw)]) for amount in amounts]
        words.append(usage_of(form, draw, *amounts))
    around = {name: AROUND[name] for name in draw.sample(sorted(AROUND), draw.choice([0, 1, 1, 2, 3]))}
    around |= draw.choice([{}, {"model": draw.choice(["gpt-4o", "grok-4", "gemini-2.5-flash", "sonar-deep-research"])}])
    begun = usage_of("messages", draw, *amounts)
    ended = {name: begun[name] for name in draw.sample(sorted(begun), draw.choice([0, 0, 3]))} | {
        "output_tokens": count(draw)
    }
    whole = {"type": draw.choice(["response.completed", "response.failed"]), "response": {**around, "usage": words[0]}}
    events: list[Any] = draw.choice(
        [
            [{**around, place: words[0]}],
            [{place: word, **around} for word in words],
            [*({place: word} for word in words[:-1]), {**around, place: words[-1]}],
            [{"usage": begun}, {**around, "usage": ended}],
            [
                {"type": "message_start", "message": {"model": "claude-sonnet-4-5", **around, "usage": begun}},
                {"type": "message_delta", "usage": ended},
            ],
            [whole],
            [{"type": "response.created", "response": around}, whole],
        ]
    )
    events = copy.deepcopy(events)
    for _ in range(draw.choice([0, 1, 1, 1, 2])):
        make_odd(draw, draw.choice(list(objects_in(events))))
    return events


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(member)


def make_odd(draw: random.Random, members: dict[str, Any]) -> None:
    name = draw.choice(sorted(members)) if members and draw.random() < 0.6 else draw.choice(NAMES)
    value = members.get(name)
    if type(value) is int and draw.random() < 0.4:
        members[name] = max(0, value + draw.choice([-5, -1, 1, 5]))
    elif name in members and draw.random() < 0.3:
        del members[name]
    else:
        members[name] = copy.deepcopy(draw.choice(ODD))


def test_what_is_read_at_a_glance_is_what_the_reader_says() -> None:
    draw, seen = random.Random(52), 0
    for _ in range(3_000):
        events = response_at_random(draw)
        provider = draw.choice([None, "openai", "xai", "google", "anthropic", "perplexity"])
        model = draw.choice([None, "gpt-4o", "gemini-3-pro"])
        if (found := glance(events, model)) is not None:
            assert found == read_with_care(events, provider, model), events
            seen += 1
    assert seen > 600


CHAT = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
LAST = {"input_tokens": 9, "output_tokens": 5}
MESSAGES = {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 1, "service_tier": "standard"}


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([{"usage": CHAT}], {"input_tokens": 9, "output_tokens": 5}),
        (
            [{"usage": {**CHAT, "total_time": 0.5}, "object": "chat.completion"}],
            {"input_tokens": 9, "output_tokens": 5},
        ),
        (
            [{"usage": MESSAGES}, {"usage": {"output_tokens": 5}, "model": "claude-sonnet-4-5"}],
            {"model": "claude-sonnet-4-5", "input_tokens": 13, "output_tokens": 5, "cache_read_tokens": 4},
        ),
        (
            [
                {"usage": {**MESSAGES, "cache_read_input_tokens": 0}},
                {"usage": {**LAST, "cache_read_input_tokens": False}},
            ],
            None,
        ),
        (
            [{"usageMetadata": {"promptTokenCount": 9, "thoughtsTokenCount": 2, "totalTokenCount": 11}}],
            {"input_tokens": 9, "output_tokens": 2, "reasoning_tokens": 2},
        ),
        ([{"usage": {**CHAT, "total_tokens": 15}}], None),
        ([{"usage": {**CHAT, "cost": 0.1}}], None),
        ([{"usage": {"input_tokens": None, "output_tokens": None}}], None),
        ([{"usage": CHAT, "service_tier": "flex"}], None),
        ([{"usage": CHAT, "model": "gpt-image-1"}], None),
        ([{"usage": CHAT}, {"usage": CHAT, "model": "m"}], {"model": "m", "input_tokens": 9, "output_tokens": 5}),
        ([{"usage": CHAT}, {"usage": {"prompt_tokens": 9, "completion_tokens": 5}}], None),
        (
            [{"type": "response.completed", "response": {"model": "m", "usage": CHAT}}],
            {"model": "m", "input_tokens": 9, "output_tokens": 5},
        ),
        (
            [
                {"type": "message_start", "message": {"model": "m", "type": "message", "usage": MESSAGES}},
                {"type": "message_delta", "usage": {"output_tokens": 5}},
            ],
            {"model": "m", "input_tokens": 13, "output_tokens": 5, "cache_read_tokens": 4},
        ),
        (
            [{"candidates": [{"content": {}}], "usage_metadata": {"prompt_token_count": 9, "total_token_count": 9}}],
            {"input_tokens": 9, "output_tokens": 0},
        ),
        (
            [
                {"usage_metadata": {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}},
                {"usage_metadata": {"input_tokens": 0, "output_tokens": 4, "total_tokens": 4}},
            ],
            None,
        ),
    ],
)
def test_which_responses_are_read_at_a_glance(events: list[Any], found: dict[str, Any] | None) -> None:
    assert glance(events, None) == found
