"""What is read at a glance is what the reader says of it; what is not wholly of a known form is left to the reader."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.usage import responses
from app.usage.glance import glance
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


COUNTS = st.sampled_from([0, 1, 3, 40, 100]) | st.integers(0, 300)
ODD = st.sampled_from(
    [None, 0, 7, -1, 1.5, 2.0, True, "5", "standard", "flex", "", {}, {"x": 1}, {"x": 0}, [], [3], 10**9]
)
DETAILS = st.fixed_dictionaries({}, optional=dict.fromkeys(("cached_tokens", "audio_tokens"), COUNTS))
NAMES = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "cached_tokens"),
    *("cache_read_input_tokens", "cache_creation_input_tokens", "promptTokenCount", "candidatesTokenCount"),
    *("thoughtsTokenCount", "totalTokenCount", "cachedContentTokenCount", "inputTokens", "outputTokens", "totalTokens"),
    *("reasoning_tokens", "service_tier", "speed", "inference_geo", "server_tool_use", "prompt_tokens_details"),
    *("output_tokens_details", "input_tokens_details", "total_time", "cost", "iterations", "cache_creation", "other"),
    *("prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "num_search_queries", "seconds", "trafficType"),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Of one form, sometimes with a total that is wrong, a member that is missing, or one that is odd."""
    fresh, read, written, answer, thought = (draw(COUNTS) for _ in range(5))
    off = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, read, thought, written]))
    hour = draw(st.integers(0, written))
    usage: Usage = draw(
        st.sampled_from(
            [
                {
                    "prompt_tokens": fresh + read,
                    "completion_tokens": answer + thought,
                    "total_tokens": fresh + read + answer + thought + off,
                    "prompt_tokens_details": {"cached_tokens": read, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": draw(ZEROS)},
                },
                {
                    "input_tokens": fresh + read,
                    "output_tokens": answer + thought,
                    "total_tokens": fresh + read + answer + thought + off,
                    "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": draw(ZEROS)},
                    "output_tokens_details": {"reasoning_tokens": thought},
                },
                {
                    "input_tokens": fresh,
                    "output_tokens": answer,
                    "cache_read_input_tokens": read,
                    "cache_creation_input_tokens": written + off,
                    "cache_creation": {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour},
                    "output_tokens_details": {"thinking_tokens": thought},
                    "server_tool_use": {"web_search_requests": draw(ZEROS)},
                    "service_tier": draw(st.sampled_from(["standard", "batch", "priority"])),
                    "inference_geo": draw(st.sampled_from(["global", "us", "not_available"])),
                },
                {
                    "inputTokens": fresh,
                    "outputTokens": answer,
                    "totalTokens": fresh + answer + off,
                    "cacheReadInputTokens": draw(ZEROS),
                    "serverToolUsage": {},
                },
                {
                    "promptTokenCount": fresh + read,
                    "candidatesTokenCount": answer,
                    "thoughtsTokenCount": thought,
                    "cachedContentTokenCount": read,
                    "totalTokenCount": fresh + read + answer + thought + off,
                    "promptTokensDetails": [
                        {"modality": draw(st.sampled_from(["TEXT", "AUDIO"])), "tokenCount": fresh + read}
                    ],
                    "trafficType": draw(st.sampled_from(["ON_DEMAND", "PROVISIONED_THROUGHPUT"])),
                },
            ]
        )
    )
    for name in draw(st.sets(st.sampled_from(sorted(usage)), max_size=2)):
        usage[name] = draw(st.sampled_from([None, usage[name], 0]))
    for name in draw(st.sets(st.sampled_from(NAMES), max_size=draw(st.sampled_from([0, 0, 1, 2])))):
        usage[name] = draw(ODD | DETAILS)
    return usage


ZEROS = st.sampled_from([0, 0, 0, 0, 2])
AROUND: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "gpt-image-1", "", None, "a\nb", 5]),
    "modelVersion": st.sampled_from(["gemini-2.5-pro", None]),
    "object": st.sampled_from(["chat.completion", "response", "batch", "video", 5]),
    "type": st.sampled_from(["message", "image_generation.completed", "assistant"]),
    "service_tier": st.sampled_from(["default", "auto", "flex", "priority", "on_demand", 3]),
    "created": st.integers(0, 10),
    "status": st.sampled_from(["completed", "in_progress", "failed"]),
    "data": st.sampled_from([[], [{"url": "x"}]]),
    "choices": st.just([]),
}
MAKERS = st.sampled_from([None, "openai", "anthropic", "xai", "google", "perplexity", "bedrock"])


@given(usages(), st.fixed_dictionaries({}, optional=AROUND), MAKERS, st.sampled_from([None, "gpt-4o", "gemini-3-pro"]))
def test_what_is_read_at_a_glance_is_what_the_reader_says(
    usage: Usage, around: dict[str, Any], provider: str | None, model: str | None
) -> None:
    events = [{**around, "usage": usage}]

    if (found := glance(events, model)) is not None:
        assert found == read_with_care(events, provider, model)


@given(usages(), usages(), st.data())
def test_a_stream_of_two_usages_likewise(first: Usage, last: Usage, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        last = {name: first[name] for name in data.draw(st.sets(st.sampled_from(sorted(first))))}
        last["output_tokens"] = data.draw(COUNTS)
    events = [{"usage": first}, {"usage": last, "model": "claude-sonnet-4-5"}]

    if (found := glance(events, None)) is not None:
        assert found == read_with_care(events, "anthropic", None)


CHAT = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
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
            [{"usageMetadata": {"promptTokenCount": 9, "thoughtsTokenCount": 2, "totalTokenCount": 11}}],
            {"input_tokens": 9, "output_tokens": 2, "reasoning_tokens": 2},
        ),
        ([{"usage": {**CHAT, "total_tokens": 15}}], None),
        ([{"usage": {**CHAT, "cost": 0.1}}], None),
        ([{"usage": CHAT, "service_tier": "flex"}], None),
        ([{"usage": CHAT, "model": "gpt-image-1"}], None),
        ([{"usage": CHAT}, {"usage": CHAT}], None),
    ],
)
def test_which_responses_are_read_at_a_glance(events: list[Any], found: dict[str, Any] | None) -> None:
    assert glance(events, None) == found
