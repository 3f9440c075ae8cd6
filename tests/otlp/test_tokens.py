from typing import Any

import pytest

from app.otlp.attributes import TOKENS
from tests.otlp.exports import CHAT, NO_NUMBERS, fields_of

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
    return {name: value for name, value in fields.items() if name in {*TOKENS, "tokens_used", "unreadable_usage"}}


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
        ({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 0, "output_tokens": 0}),
        ({"input_tokens": 8}, {"input_tokens": 8}),
        ({"input_tokens": 8, "total_tokens": 10}, {"input_tokens": 8, "output_tokens": 2}),
        ({"output_tokens": 2, "total_tokens": 10}, {"input_tokens": 8, "output_tokens": 2}),
    ],
)
def test_what_is_not_said_is_left_to_the_tracker(counts: dict[str, Any], read: dict[str, int]) -> None:
    assert usage(**{f"gen_ai.usage.{name}": count for name, count in counts.items()}) == read
