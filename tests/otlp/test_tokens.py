import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from app.otlp import tokens
from app.otlp.calls import calls_of
from app.otlp.usage_attributes import Said, leaves_of
from app.otlp.usage_names import meaning_of
from models.token_usage import TOKEN_FIELDS
from tests.otlp.exports import CHAT, NO_NUMBERS, export, fields_of, span

CURRENT = {
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 300,
    "gen_ai.usage.cache_read.input_tokens": 600,
    "gen_ai.usage.cache_write.input_tokens": 100,
    "gen_ai.usage.reasoning.output_tokens": 200,
    "gen_ai.usage.audio.input_tokens": 40,
    "gen_ai.usage.audio.output_tokens": 30,
    "gen_ai.usage.audio.cache_read.input_tokens": 20,
    "gen_ai.usage.image.input_tokens": 50,
    "gen_ai.usage.image.output_tokens": 60,
    "gen_ai.usage.image.cache_read.input_tokens": 10,
    "gen_ai.usage.video.input_tokens": 70,
}
CURRENT_COUNTS = {
    "input_tokens": 1000,
    "output_tokens": 300,
    "cache_read_tokens": 600,
    "cache_write_tokens": 100,
    "reasoning_tokens": 200,
    "input_audio_tokens": 40,
    "output_audio_tokens": 30,
    "cache_audio_read_tokens": 20,
    "input_image_tokens": 50,
    "output_image_tokens": 60,
    "cache_image_read_tokens": 10,
    "input_video_tokens": 70,
}
PARTS = {
    "input_tokens": 1000,
    "output_tokens": 300,
    "cache_read_tokens": 600,
    "cache_write_tokens": 100,
    "reasoning_tokens": 200,
}
AUDIO = {"input_audio_tokens": 40, "output_audio_tokens": 30}


def usage(**values: Any) -> dict[str, Any]:
    fields = fields_of({**CHAT, **values})
    return {name: value for name, value in fields.items() if name in {*TOKEN_FIELDS, "tokens_used", "unreadable_usage"}}


@pytest.mark.parametrize(
    ("attributes", "counts"),
    [
        (CURRENT, CURRENT_COUNTS),
        (
            {
                "gen_ai.usage.prompt_tokens": 1000,
                "gen_ai.usage.completion_tokens": 300,
                "llm.usage.total_tokens": 1300,
                "gen_ai.usage.cache_read_input_tokens": 600,
                "gen_ai.usage.cache_creation_input_tokens": 100,
                "gen_ai.usage.reasoning_tokens": 200,
            },
            PARTS,
        ),
        (
            {
                "llm.usage.prompt_tokens": 1000,
                "llm.usage.completion_tokens": 300,
                "gen_ai.usage.cache_read.input_tokens": 600,
                "gen_ai.usage.cache_creation.input_tokens": 100,
                "llm.usage.reasoning_tokens": 200,
            },
            PARTS,
        ),
        (
            {
                "llm.token_count.prompt": 1000,
                "llm.token_count.completion": 300,
                "llm.token_count.total": 1300,
                "llm.token_count.prompt_details.cache_read": 600,
                "llm.token_count.prompt_details.cache_write": 100,
                "llm.token_count.prompt_details.audio": 40,
                "llm.token_count.completion_details.reasoning": 200,
                "llm.token_count.completion_details.audio": 30,
            },
            PARTS | AUDIO,
        ),
    ],
    ids=["conventions", "earlier conventions", "openllmetry", "OpenInference"],
)
def test_counts_are_read_under_every_name(attributes: dict[str, Any], counts: dict[str, int]) -> None:
    assert usage(**attributes) == counts


@pytest.mark.parametrize("value", [12, 12.0, "12"])
def test_a_count_may_be_a_whole_number_in_any_form(value: Any) -> None:
    assert usage(**{"gen_ai.usage.input_tokens": value}) == {"input_tokens": 12}


@pytest.mark.parametrize("value", [value for value in NO_NUMBERS if value != ""], ids=lambda value: repr(value)[:20])
def test_a_count_that_is_none_leaves_the_call_unpriced(value: Any) -> None:
    counts = {"gen_ai.usage.input_tokens": value, "gen_ai.usage.output_tokens": 5}
    assert usage(**counts) == {"unreadable_usage": True}


@pytest.mark.parametrize(
    "counts",
    [
        {"input_tokens": 10, "cache_read.input_tokens": 11},
        {"input_tokens": 10, "cache_read.input_tokens": 6, "cache_write.input_tokens": 6},
        {"output_tokens": 10, "reasoning.output_tokens": 11},
        {"input_tokens": 10, "audio.input_tokens": 6, "image.input_tokens": 6},
        {"cache_read.input_tokens": 5},
        {"input_tokens": 10, "output_tokens": 5, "total_tokens": 40},
        {"input_tokens": 10, "total_tokens": 9},
        {"reasoning.output_tokens": 5, "total_tokens": 9},
    ],
)
def test_counts_that_contradict_each_other_leave_the_call_unpriced(counts: dict[str, int]) -> None:
    assert usage(**{f"gen_ai.usage.{name}": count for name, count in counts.items()}) == {"unreadable_usage": True}


@pytest.mark.parametrize(
    ("counts", "read"),
    [
        ({}, {}),
        ({"input_tokens": None}, {}),
        ({"input_tokens": ""}, {}),
        ({"cache_read.input_tokens": 0}, {}),
        ({"total_tokens": 9}, {"tokens_used": 9}),
        ({"total_tokens": 0}, {}),
        ({"input_tokens": 8}, {"input_tokens": 8}),
        ({"input_tokens": 8, "total_tokens": 10}, {"input_tokens": 8, "output_tokens": 2}),
        ({"output_tokens": 2, "total_tokens": 10}, {"input_tokens": 8, "output_tokens": 2}),
    ],
)
def test_what_is_not_said_is_left_to_the_tracker(counts: dict[str, Any], read: dict[str, int]) -> None:
    assert usage(**{f"gen_ai.usage.{name}": count for name, count in counts.items()}) == read


def reason(**values: Any) -> str | None:
    """Why the usage of a chat with these attributes cannot be read."""
    found = fields_of({**CHAT, **values}).get("unreadable_reason")
    return None if found is None else str(found)


CLAUDE = {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-4-6"}
AI = {"ai.usage.inputTokens": 4740, "ai.usage.outputTokens": 255}
WHOLE = {"input_tokens": 4740, "output_tokens": 255, "cache_read_tokens": 4000, "cache_write_tokens": 735}
METADATA = {
    "anthropic": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 4000}, "cacheCreationInputTokens": 735}
}


@pytest.mark.parametrize(
    "attributes",
    [
        # the total proves that input has its cache, or lacks it, or a part of it
        {"gen_ai.usage.input_tokens": 4740, "gen_ai.usage.total_tokens": 4995},
        {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.total_tokens": 4995},
        {"gen_ai.usage.input_tokens": 4005, "gen_ai.usage.total_tokens": 4995},
        # two names for it differ by the cache
        {"gen_ai.usage.input_tokens": 4740, "gen_ai.usage.details.input_tokens": 5},
        # what is not cached proves it
        {"ai.usage.inputTokens": 4740, "ai.usage.inputTokenDetails.noCacheTokens": 5},
        {"ai.usage.inputTokens": 5, "ai.usage.inputTokenDetails.noCacheTokens": 5},
        # Langfuse's own names exclude each other
        {"langfuse.observation.usage_details": '{"input": 5}'},
        # Claude's own counts leave it out, and cannot be less than their parts otherwise
        {"gen_ai.usage.input_tokens": 5, **CLAUDE},
        {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.total_tokens": 260, **CLAUDE},
        # by the convention
        {"gen_ai.usage.input_tokens": 4740},
        {"gen_ai.usage.input_tokens": 4740, **CLAUDE},
    ],
)
def test_input_is_brought_to_include_the_cache(attributes: dict[str, Any]) -> None:
    cache = {"gen_ai.usage.cache_read_tokens": 4000, "gen_ai.usage.cache_write_tokens": 735}
    assert usage(**attributes, **cache, **{"gen_ai.usage.output_tokens": 255}) == WHOLE


@pytest.mark.parametrize(
    ("scope", "model", "input_tokens"),
    [
        ("opentelemetry.instrumentation.bedrock", "amazon.nova-pro-v1:0", 9_000),
        ("openlit.otel.tracing", "claude-sonnet-4-6", 9_000),
        ("openlit.otel.tracing", "gpt-4o", 5_000),
        ("opentelemetry.instrumentation.anthropic", "claude-sonnet-4-6", 5_000),
    ],
)
@pytest.mark.parametrize("total", [{}, {"gen_ai.usage.total_tokens": 5_100}])
def test_instrumentations_that_are_known_to_leave_the_cache_out(
    scope: str, model: str, input_tokens: int, total: dict[str, int]
) -> None:
    told = {"gen_ai.usage.input_tokens": 5_000, "gen_ai.usage.output_tokens": 100, "gen_ai.usage.cached_tokens": 4_000}
    [call] = calls_of(export(span(1, CHAT | {"gen_ai.request.model": model} | told | total), scope=scope)).calls
    assert (call.fields["input_tokens"], call.fields["cache_read_tokens"]) == (input_tokens, 4_000)


@pytest.mark.parametrize("told", [4740, 5])
def test_the_ai_sdk_passes_on_what_anthropic_said(told: int) -> None:
    metadata = json.dumps(METADATA)
    assert (
        usage(**(AI | {"ai.usage.inputTokens": told}), **CLAUDE, **{"ai.response.providerMetadata": metadata}) == WHOLE
    )


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        (
            {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.cache_read_tokens": 5758},
            "cache_read_tokens: cache_read_tokens cannot exceed input_tokens (3)",
        ),
        (
            {**AI, **CLAUDE, "ai.usage.cachedInputTokens": 4000, "ai.usage.totalTokens": 4995},
            "it cannot be told whether an input of 4740 includes 4000 cached tokens",
        ),
        (
            {**AI, **CLAUDE, "ai.usage.cachedInputTokens": 4000},
            "it cannot be told whether an input of 4740 includes 4000 cached tokens",
        ),
        (
            {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.prompt_tokens": 11},
            "gen_ai.usage.input_tokens is 10, but gen_ai.usage.prompt_tokens is 11",
        ),
        (
            {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5, "gen_ai.usage.total_tokens": 40},
            "the total is 40, but input is 10 and output 5",
        ),
        (
            {**AI, "ai.usage.inputTokenDetails.noCacheTokens": 7, "ai.usage.cachedInputTokens": 4000},
            "input is 4740, but 7 uncached and 4000 cached tokens",
        ),
        (
            {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0},
            "input and output are both 0, in a call that succeeded",
        ),
        (
            {"gen_ai.usage.input_tokens": "many"},
            "gen_ai.usage.input_tokens is not a whole number from 0 to 1000000000",
        ),
        (
            {**AI, "gen_ai.usage.hologram": 1, "ai.usage.hologram": 2},
            "gen_ai.usage.hologram (and 1 more) is usage of a kind that is not known here",
        ),
    ],
)
def test_usage_that_cannot_be_told_says_why(attributes: dict[str, Any], why: str) -> None:
    assert reason(**attributes) == why


@pytest.mark.parametrize(
    "prefix", ["gen_ai.usage.", "gen_ai.usage.details.", "llm.usage.", "llm.token_count.", "ai.usage."]
)
@pytest.mark.parametrize("value", [1, 0.5, "7", [1], b"1"])
def test_usage_of_a_made_up_name_never_yields_a_price(prefix: str, value: Any) -> None:
    known = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    assert (
        reason(**known, **{f"{prefix}hologram": value}) == f"{prefix}hologram is usage of a kind that is not known here"
    )


@pytest.mark.parametrize("value", [0, 0.0, "0", "", "words", False, None])
def test_usage_of_a_made_up_name_that_says_no_number_changes_nothing(value: Any) -> None:
    assert usage(**{"gen_ai.usage.input_tokens": 10, "gen_ai.usage.hologram": value}) == {"input_tokens": 10}


def test_a_zero_does_not_stand_against_a_number() -> None:
    told = {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.output_tokens": 5}
    assert usage(**told) == {"input_tokens": 10, "output_tokens": 5}


@pytest.mark.parametrize(
    ("attributes", "counts"),
    [
        (
            {"langfuse.observation.usage_details": '{"input": 5, "output": 7, "output_reasoning": 3, "total": 15}'},
            {"input_tokens": 5, "output_tokens": 10, "reasoning_tokens": 3},
        ),
        (
            {"langfuse.observation.usage_details": '{"input": 5, "output": 7, "output_reasoning": 3}'},
            {"input_tokens": 5, "output_tokens": 10, "reasoning_tokens": 3},
        ),
        (
            {
                "gen_ai.usage.input_tokens": 12,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.usage.input_token_details": '{"cache_read": 8}',
            },
            {"input_tokens": 12, "output_tokens": 4, "cache_read_tokens": 8},
        ),
        (
            {
                "gen_ai.usage.input_tokens": 20,
                "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens": 6,
                "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens": 4,
            },
            {"input_tokens": 20, "cache_write_tokens": 10, "cache_write_1h_tokens": 4},
        ),
        (
            {"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 4, "gen_ai.usage.web_search_requests": 2},
            {"input_tokens": 20, "output_tokens": 4, "web_searches": 2},
        ),
        (
            {
                "gen_ai.usage.input_tokens": 20,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.usage.thoughts_tokens": 30,
                "gen_ai.usage.tool_use_prompt_tokens": 6,
                "gen_ai.usage.total_tokens": 60,
            },
            {"input_tokens": 26, "output_tokens": 34, "reasoning_tokens": 30},
        ),
        (
            {
                "gen_ai.usage.input_tokens": 12,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.usage.raw": '{"promptTokenCount": 12, "totalTokenCount": 16, "promptTokensDetails": '
                '[{"modality": "TEXT", "tokenCount": 9}, {"modality": "AUDIO", "tokenCount": 3}]}',
            },
            {"input_tokens": 12, "output_tokens": 4, "input_audio_tokens": 3},
        ),
        (
            {
                "gen_ai.usage.input_tokens": 5_000,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.usage.raw": '{"input_tokens": 5000, "output_tokens": 4, "cache_read_input_tokens": 4000}',
            },
            {"input_tokens": 9_000, "output_tokens": 4, "cache_read_tokens": 4_000},
        ),
        (
            {
                "gen_ai.usage.input_tokens": 5_000,
                "gen_ai.usage.output_tokens": 4,
                "gen_ai.usage.raw": '{"input_tokens": 5000, "input_tokens_details": {"cached_tokens": 4000}}',
            },
            {"input_tokens": 5_000, "output_tokens": 4, "cache_read_tokens": 4_000},
        ),
    ],
)
def test_parts_are_read_from_objects_and_added_where_they_stand_apart(
    attributes: dict[str, Any], counts: dict[str, int]
) -> None:
    assert usage(**attributes) == counts


def test_seconds_characters_and_images_are_read() -> None:
    told = {"gen_ai.usage.audio_seconds": 12.5, "gen_ai.usage.characters": "1200", "gen_ai.usage.images": 2}
    fields = fields_of(CHAT | told)
    assert (fields["audio_seconds"], fields["characters"], fields["images"]) == (Decimal("12.5"), 1200, 2)
    assert reason(**{"gen_ai.usage.audio_seconds": "long"}) == (
        "gen_ai.usage.audio_seconds is not a number of seconds from 0 to 1000000"
    )


def test_usage_nested_without_end_is_one_unread_value_and_fails_no_other_span() -> None:
    deep = '{"a":' * 900 + "1" + "}" * 900
    wide = '{"a":' * 20 + "{" + ",".join(f'"k{number}":1' for number in range(1_000)) + "}" + "}" * 20

    for text in (deep, wide):
        said = list(leaves_of("gen_ai.usage.details", AnyValue(string_value=text), "string_value"))
        assert said == [("gen_ai.usage.details.a.a.a.a.a.a", None)]


def test_a_modality_that_is_an_object_is_none() -> None:
    text = json.dumps([{"modality": {"a": 1}, "tokenCount": 5}])

    assert list(leaves_of("gen_ai.usage.x", AnyValue(string_value=text), "string_value")) == [("gen_ai.usage.x", None)]


NAMES = [
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.total_tokens",
    "gen_ai.usage.raw.input_tokens",
    "gen_ai.usage.raw.cache_read_input_tokens",
    "langfuse.observation.usage_details.input",
    "langfuse.observation.usage_details.output",
    "gen_ai.usage.uncached_input_tokens",
    "gen_ai.usage.audio.input_tokens",
    "gen_ai.usage.cost",
    "gen_ai.usage.of_a_kind_unknown",
]
counts_of_spans = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0, 1, 10, 50, 100, -1, 10**9 + 1, "10", ""]))


@given(counts_of_spans, st.booleans(), st.booleans())
def test_what_needs_no_proof_is_read_as_what_does(told: dict[str, Any], by_claude: bool, embeds: bool) -> None:
    said = [Said(name, meaning, value) for name, value in told.items() if (meaning := meaning_of(name))]
    try:
        expected = tokens._fields(said, by_claude=by_claude, exclusive=False, embeds=embeds)
    except tokens.UnreadableError as error:
        expected = {"unreadable_usage": True, "unreadable_reason": str(error)}
    assert tokens.usage_of(said, by_claude=by_claude, embeds=embeds) == expected
