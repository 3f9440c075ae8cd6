"""What a response says beside its tokens, and what becomes of one that cannot be read: fields of a report."""

import time
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, PrivateAttr

from app.usage.responses import reported_of, reported_of_stream
from models import CallStatus
from models.call import AICall
from tests.usage.test_field_responses import priced

CHAT = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
MESSAGE = {"input_tokens": 1000, "output_tokens": 100}
RESPONSE = {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 100}
GEMINI = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
CONVERSE = {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}
TOKENS = {"input_tokens": 1000, "output_tokens": 100}


def told(response: Any, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
    """What is reported beside the tokens that every response here has, and the model."""
    reported = reported_of(response, provider, model)
    assert {name: reported.pop(name) for name in TOKENS} == TOKENS
    reported.pop("model", None)
    return reported


TIERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openai flex": ({"service_tier": "flex", "usage": CHAT}, {"service_tier": "flex"}),
    "openai priority, in an event": (
        {"type": "response.completed", "response": {"service_tier": "priority", "usage": RESPONSE}},
        {"service_tier": "priority"},
    ),
    "openai default": ({"service_tier": "default", "usage": CHAT}, {}),
    "openai auto": ({"service_tier": "auto", "usage": CHAT}, {}),
    "groq": ({"service_tier": "on_demand", "usage": CHAT}, {}),
    "anthropic standard": ({"usage": MESSAGE | {"service_tier": "standard", "speed": "standard"}}, {}),
    "anthropic priority": ({"usage": MESSAGE | {"service_tier": "priority"}}, {"service_tier": "priority"}),
    "anthropic batch": ({"usage": MESSAGE | {"service_tier": "batch"}}, {"batch": True}),
    "anthropic fast": ({"usage": MESSAGE | {"service_tier": "standard", "speed": "fast"}}, {"service_tier": "fast"}),
    "gemini": ({"usageMetadata": GEMINI | {"serviceTier": "flex"}}, {"service_tier": "flex"}),
    "gemini as an enum": ({"usageMetadata": GEMINI | {"serviceTier": "SERVICE_TIER_FLEX"}}, {"service_tier": "flex"}),
    "vertex": ({"usageMetadata": GEMINI | {"trafficType": "ON_DEMAND"}}, {}),
    "vertex priority": (
        {"usageMetadata": GEMINI | {"trafficType": "ON_DEMAND_PRIORITY"}},
        {"service_tier": "priority"},
    ),
    "vertex that is paid in advance": (
        {"usageMetadata": GEMINI | {"trafficType": "PROVISIONED_THROUGHPUT"}},
        {"service_tier": "provisioned_throughput"},
    ),
    "bedrock": ({"usage": CONVERSE, "serviceTier": {"type": "flex"}}, {"service_tier": "flex"}),
    "bedrock default": ({"usage": CONVERSE, "serviceTier": {"type": "default"}}, {}),
    "bedrock in a stream": (
        {"metadata": {"usage": CONVERSE, "serviceTier": {"type": "priority"}}},
        {"service_tier": "priority"},
    ),
    "bedrock latency": (
        {"usage": CONVERSE, "performanceConfig": {"latency": "optimized"}},
        {"service_tier": "optimized"},
    ),
    "ai sdk": (
        {"usage": CONVERSE, "providerMetadata": {"openai": {"serviceTier": "flex"}}},
        {"service_tier": "flex"},
    ),
    "langchain": (
        {"usage_metadata": MESSAGE | {"input_token_details": {"flex": 1000}, "output_token_details": {"flex": 100}}},
        {"service_tier": "flex"},
    ),
    "anthropic in the us": ({"usage": MESSAGE | {"inference_geo": "us"}}, {"region": "us"}),
    "anthropic anywhere": ({"usage": MESSAGE | {"inference_geo": "global"}}, {}),
    "anthropic that does not say where": ({"usage": MESSAGE | {"inference_geo": "not_available"}}, {}),
}


@pytest.mark.parametrize(("response", "facts"), TIERS.values(), ids=TIERS)
def test_tier_and_region_that_served_the_call_are_told_where_they_change_a_price(
    response: dict[str, Any], facts: dict[str, Any]
) -> None:
    assert told(response) == facts


SEARCH = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}
SEARCHES: dict[str, tuple[dict[str, Any], str | None, int]] = {
    "openai": ({"output": [SEARCH, SEARCH, {"type": "message"}], "usage": RESPONSE}, None, 2),
    "openai that opened a page": (
        {"output": [SEARCH, SEARCH | {"action": {"type": "open_page"}}], "usage": RESPONSE},
        None,
        1,
    ),
    "openai whose search failed": ({"output": [SEARCH | {"status": "failed"}], "usage": RESPONSE}, None, 0),
    "openai of an older version": ({"output": [{"type": "web_search_call"}], "usage": RESPONSE}, None, 1),
    "openai by its own count": (
        {"output": [SEARCH], "tool_usage": {"web_search": {"num_requests": 3}}, "usage": RESPONSE},
        None,
        3,
    ),
    "anthropic": ({"usage": MESSAGE | {"server_tool_use": {"web_search_requests": 3}}}, None, 3),
    "xai": ({"usage": CHAT | {"num_sources_used": 4}}, "grok-4", 4),
    "perplexity, by the search": ({"usage": CHAT | {"num_search_queries": 18}}, "sonar-deep-research", 18),
    "perplexity, by the request": ({"usage": CHAT | {"num_search_queries": 1}}, "sonar", 0),
    "gemini 2, by the prompt": (
        {"candidates": [{"groundingMetadata": {"webSearchQueries": ["a", "b"]}}], "usageMetadata": GEMINI},
        "gemini-2.5-flash",
        1,
    ),
    "gemini 3, by the query": (
        {"candidates": [{"grounding_metadata": {"web_search_queries": ["a", "", "b"]}}], "usageMetadata": GEMINI},
        "gemini-3-pro-preview",
        2,
    ),
    "gemini that did not search": ({"candidates": [{"groundingMetadata": {}}], "usageMetadata": GEMINI}, "gemini-3", 0),
}


@pytest.mark.parametrize(("response", "model", "searches"), SEARCHES.values(), ids=SEARCHES)
def test_searches_are_counted_as_they_are_billed(response: dict[str, Any], model: str | None, searches: int) -> None:
    assert told(response, model=model) == ({"web_searches": searches} if searches else {})


BYOK = {"is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}
COSTS: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
    "openrouter": ({"usage": CHAT | {"cost": 0.0175, "is_byok": False}}, "0.0175", "usage.cost"),
    "openrouter, which repeats what is upstream": (
        {"usage": CHAT | {"cost": 0.95, "cost_details": {"upstream_inference_cost": 0.9}, "is_byok": False}},
        "0.95",
        "usage.cost",
    ),
    "openrouter, the caller's own key": (
        {"usage": CHAT | BYOK | {"cost": 0.001}},
        "0.021",
        "usage.cost + cost_details.upstream_inference_cost",
    ),
    "openrouter, the caller's own key, at a price nobody says": (
        {"usage": CHAT | {"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}},
        None,
        None,
    ),
    "a model that is free by its name": ({"model": "a/b:free", "usage": CHAT | {"cost": 0}}, "0", "usage.cost"),
    "zero for what is not known": ({"usage": CHAT | {"cost": 0}}, None, None),
    "null": ({"usage": CHAT | {"cost": None}}, None, None),
    "below zero": ({"usage": CHAT | {"cost": -1}}, None, None),
    "no number": ({"usage": CHAT | {"cost": "free"}}, None, None),
    "not finite": ({"usage": CHAT | {"cost": float("inf")}}, None, None),
    "as a text": ({"usage": CHAT | {"cost": "0.0045"}}, "0.0045", "usage.cost"),
    "perplexity": ({"usage": CHAT | {"cost": {"total_cost": 0.005858}}}, "0.005858", "usage.cost.total_cost"),
    "in other money": ({"usage": CHAT | {"cost": {"total_cost": 1, "currency": "CNY"}}}, None, None),
    "xai, in ticks": ({"usage": CHAT | {"cost_in_usd_ticks": 37756000}}, "0.0037756", "usage.cost_in_usd_ticks"),
    "deepinfra": ({"usage": CHAT | {"estimated_cost": 2.6e-05}}, "0.000026", "usage.estimated_cost"),
    "litellm": (
        {"usage": CHAT, "_hidden_params": {"response_cost": 1.5e-05}},
        "0.000015",
        "_hidden_params.response_cost",
    ),
    "litellm that knows no price": ({"usage": CHAT, "_hidden_params": {"response_cost": 0.0}}, None, None),
    "claude code, of a whole run": ({"usage": MESSAGE, "total_cost_usd": 0.0123}, "0.0123", "total_cost_usd"),
    "vercel's gateway": (
        {"usage": CONVERSE, "providerMetadata": {"gateway": {"cost": "0.0045405"}}},
        "0.0045405",
        "providerMetadata.gateway.cost",
    ),
}


@pytest.mark.parametrize(("response", "cost", "basis"), COSTS.values(), ids=COSTS)
def test_a_stated_cost_is_reported_to_the_last_digit_with_what_states_it(
    response: dict[str, Any], cost: str | None, basis: str | None
) -> None:
    facts = told(response)
    assert facts == ({} if cost is None else {"cost": Decimal(cost), "cost_basis": basis})


def test_a_stated_cost_holds_whatever_stands_beside_it() -> None:
    reported = told({"usage": CHAT | {"cost": 0.5, "novel_tokens": 7}})
    assert reported == {"cost": Decimal("0.5"), "cost_basis": "usage.cost"}
    unreadable = reported_of({"usage": {"prompt_tokens": -1, "cost": 0.5}}, "openrouter")
    assert (unreadable["cost"], unreadable["unreadable_usage"]) == (Decimal("0.5"), True)


class LiteLLMResponse(BaseModel):
    usage: dict[str, int]
    _hidden_params: dict[str, Any] = PrivateAttr(default_factory=lambda: {"response_cost": 0.25})


def test_litellm_hides_its_cost_in_an_attribute() -> None:
    assert told(LiteLLMResponse(usage=CHAT))["cost"] == Decimal("0.25")


MEDIA: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "seconds as a text": ({"usage": {"type": "duration", "seconds": "11.5"}}, {"audio_seconds": Decimal("11.5")}),
    "seconds told twice": ({"usage": {"seconds": 11, "duration": 11}}, {"audio_seconds": Decimal(11)}),
    "verbose json": ({"task": "transcribe", "duration": 8.47, "text": "…"}, {"audio_seconds": Decimal("8.47")}),
    "deepgram": ({"metadata": {"duration": 25.93, "channels": 1}}, {"audio_seconds": Decimal("25.93")}),
    "characters": ({"usage": {"characters": 120}}, {"characters": 120}),
    "characters of the response itself": ({"character_count": 120}, {"characters": 120}),
    "elevenlabs": ({"audio_base64": "…", "alignment": {"characters": ["a", "b"]}}, {"characters": 2}),
    "dall-e": ({"created": 1, "data": [{"url": "…"}, {"b64_json": "…"}]}, {"images": 2}),
    "size and quality": (
        {"created": 1, "data": [{"b64_json": "…"}], "size": "1024x1024", "quality": "hd"},
        {"images": 1, "size": "1024x1024", "quality": "hd"},
    ),
    "video": (
        {"object": "video", "status": "completed", "seconds": "8", "size": "720x1280"},
        {"video_seconds": Decimal(8), "size": "720x1280"},
    ),
}


@pytest.mark.parametrize(("response", "facts"), MEDIA.values(), ids=MEDIA)
def test_media_are_read_where_no_tokens_are_sold(response: dict[str, Any], facts: dict[str, Any]) -> None:
    assert reported_of(response, None) == facts


@pytest.mark.parametrize(
    "model", ["gpt-image-2", "chatgpt-image-latest", "gemini-2.5-flash-image", "openai/gpt-image-1"]
)
def test_what_a_model_that_makes_images_puts_out_is_images(model: str) -> None:
    assert told({"usage": CHAT}, model=model) == {"output_image_tokens": 100}


@pytest.mark.parametrize(
    "response",
    [
        {"candidates": [{"content": {"parts": [{"text": "I cannot"}]}}], "usageMetadata": GEMINI},
        {"usageMetadata": GEMINI | {"candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 100}]}},
    ],
)
def test_unless_it_answered_in_words(response: dict[str, Any]) -> None:
    assert told(response, model="gemini-2.5-flash-image") == {}


@dataclass
class RunUsage:
    """As pydantic-ai's: the input includes the cache, and the total is a property."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    input_audio_tokens: int = 0
    requests: int = 1
    tool_calls: int = 0
    details: dict[str, int] = field(default_factory=dict)

    @property
    def request_tokens(self) -> int:
        raise DeprecationWarning("an old name")


ANTHROPIC = {"cacheCreationInputTokens": 30, "usage": MESSAGE | {"cache_creation_input_tokens": 30}}
CODEX = {"input_tokens": 1000, "cached_input_tokens": 900, "output_tokens": 100, "total_tokens": 1100}
SHAPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "pydantic-ai": (
        RunUsage(1000, 400, 30, 100, requests=1, tool_calls=2, details={"reasoning_tokens": 7}),
        TOKENS | {"cache_read_tokens": 400, "cache_write_tokens": 30, "reasoning_tokens": 7},
    ),
    "pydantic-ai, the sum of several requests": (
        RunUsage(1000, output_tokens=100, requests=3),
        TOKENS | {"aggregated": True, "aggregated_requests": 3},
    ),
    "pydantic-ai's response": (
        SimpleNamespace(model_name="gpt-5", usage=RunUsage(1000, 400, 0, 100)),
        {"model": "gpt-5", **TOKENS, "cache_read_tokens": 400},
    ),
    "openai agents": (
        {
            "requests": 2,
            "input_tokens": 1000,
            "input_tokens_details": {"cached_tokens": 10},
            "output_tokens": 100,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 1100,
            "request_usage_entries": [{"input_tokens": 500, "output_tokens": 50, "total_tokens": 550}] * 2,
        },
        TOKENS | {"cache_read_tokens": 10, "reasoning_tokens": 3, "aggregated": True, "aggregated_requests": 2},
    ),
    "langchain's message": (
        {
            "usage_metadata": MESSAGE | {"total_tokens": 1100, "input_token_details": {"cache_read": 8, "audio": 5}},
            "response_metadata": {"model_name": "gpt-4o"},
        },
        {"model": "gpt-4o", **TOKENS, "cache_read_tokens": 8, "input_audio_tokens": 5},
    ),
    "langchain's callback": (
        {"llm_output": {"token_usage": CHAT, "model_name": "gpt-4o"}},
        {"model": "gpt-4o", **TOKENS},
    ),
    "ai sdk 4": ({"usage": {"promptTokens": 1000, "completionTokens": 100, "totalTokens": 1100}}, TOKENS),
    "ai sdk 5": (
        {"usage": CONVERSE | {"cachedInputTokens": 64, "reasoningTokens": 20}},
        TOKENS | {"cache_read_tokens": 64, "reasoning_tokens": 20},
    ),
    "ai sdk 5, anthropic as it said it": (
        {"usage": CONVERSE, "providerMetadata": {"anthropic": ANTHROPIC}},
        {"input_tokens": 1030, "output_tokens": 100, "cache_write_tokens": 30},
    ),
    "ai sdk 4, anthropic's cache counts": (
        {"usage": CONVERSE, "experimental_providerMetadata": {"anthropic": {"cacheCreationInputTokens": 30}}},
        {"input_tokens": 1030, "output_tokens": 100, "cache_write_tokens": 30},
    ),
    "ai sdk 6": (
        {
            "usage": CONVERSE
            | {
                "inputTokenDetails": {"noCacheTokens": 900, "cacheReadTokens": 60, "cacheWriteTokens": 40},
                "outputTokenDetails": {"textTokens": 80, "reasoningTokens": 20},
                "raw": {"anything_tokens": 5},
            }
        },
        TOKENS | {"cache_read_tokens": 60, "cache_write_tokens": 40, "reasoning_tokens": 20},
    ),
    "ai sdk 6, from the provider": (
        {
            "usage": {
                "inputTokens": {"total": 1000, "noCache": 900, "cacheRead": 60, "cacheWrite": 40},
                "outputTokens": {"total": 100, "text": 80, "reasoning": 20},
            }
        },
        TOKENS | {"cache_read_tokens": 60, "cache_write_tokens": 40, "reasoning_tokens": 20},
    ),
    "ai sdk, all its steps": ({"usage": {"inputTokens": 1, "outputTokens": 1}, "totalUsage": CONVERSE}, TOKENS),
    "codex": (
        {"type": "event_msg", "payload": {"info": {"total_token_usage": {}, "last_token_usage": CODEX}}},
        TOKENS | {"cache_read_tokens": 900},
    ),
    "claude code": (
        {"type": "assistant", "message": {"model": "claude", "usage": MESSAGE | {"cache_read_input_tokens": 5}}},
        {"model": "claude", "input_tokens": 1005, "output_tokens": 100, "cache_read_tokens": 5},
    ),
    "qwen": (
        {"usage": CHAT | {"prompt_tokens_details": {"cache_creation": {"ephemeral_5m_input_tokens": 40}}}},
        TOKENS | {"cache_write_tokens": 40},
    ),
    "dashscope": (
        {"output": {}, "usage": MESSAGE | {"total_tokens": 1100, "prompt_tokens_details": {"cached_tokens": 50}}},
        TOKENS | {"cache_read_tokens": 50},
    ),
    "gemini interactions": (
        {
            "interaction": {
                "model": "gemini-3.5-flash",
                "usage": {
                    "total_input_tokens": 990,
                    "total_tool_use_tokens": 10,
                    "total_cached_tokens": 5,
                    "total_output_tokens": 60,
                    "total_thought_tokens": 40,
                    "total_tokens": 1100,
                    "input_tokens_by_modality": [
                        {"modality": "text", "tokens": 900},
                        {"modality": "audio", "tokens": 90},
                    ],
                },
            }
        },
        {
            "model": "gemini-3.5-flash",
            **TOKENS,
            "cache_read_tokens": 5,
            "reasoning_tokens": 40,
            "input_audio_tokens": 90,
        },
    ),
    "crewai": (
        {"token_usage": CHAT | {"cached_prompt_tokens": 5, "successful_requests": 2}},
        TOKENS | {"cache_read_tokens": 5, "aggregated": True, "aggregated_requests": 2},
    ),
    "strands": ({"metrics": {"accumulated_usage": CONVERSE}}, TOKENS),
    "haystack": ({"meta": {"usage": CHAT}}, TOKENS),
    "spring ai": ({"metadata": {"usage": CHAT | {"nativeUsage": {"prompt_tokens": 1000}}}}, TOKENS),
    "voyage": (
        {"object": "list", "data": [{"embedding": [0.5]}], "model": "voyage-3", "usage": {"total_tokens": 8}},
        {"model": "voyage-3", "input_tokens": 8, "output_tokens": 0},
    ),
    "ollama": ({"prompt_eval_count": 1000, "eval_count": 100, "eval_duration": 99, "context": [1, 2]}, TOKENS),
    "anthropic's batch": (
        {"custom_id": "a", "result": {"type": "succeeded", "message": {"model": "claude", "usage": MESSAGE}}},
        {"model": "claude", **TOKENS, "batch": True},
    ),
    "gemini's batch": ({"key": "a", "response": {"usageMetadata": GEMINI}}, TOKENS | {"batch": True}),
    "bedrock's batch": ({"recordId": "a", "modelOutput": {"usage": MESSAGE}}, TOKENS | {"batch": True}),
    "a request of a batch that failed": (
        {"custom_id": "a", "result": {"type": "errored", "error": {}}},
        {"batch": True, "status": CallStatus.ERROR},
    ),
    "a request of a batch that was refused": (
        {"custom_id": "a", "response": {"status_code": 400, "body": {"error": {}}}},
        {"batch": True, "status": CallStatus.ERROR},
    ),
    "two objects in one, the first of zeros": (
        {"usage": {"prompt_tokens": 0, "completion_tokens": 0, **MESSAGE, "total_tokens": 1100}},
        TOKENS,
    ),
    "input without the cache, as the total proves": (
        {"usage": {"prompt_tokens": 3, "completion_tokens": 100, "total_tokens": 1100, "cache_read_input_tokens": 997}},
        TOKENS | {"cache_read_tokens": 997},
    ),
    "input without the cache, as the rest proves": (
        {"usage": {"input_tokens": 3, "output_tokens": 100, "uncached_input_tokens": 3, "cached_input_tokens": 997}},
        TOKENS | {"cache_read_tokens": 997},
    ),
}


@pytest.mark.parametrize(("response", "reported"), SHAPES.values(), ids=SHAPES)
def test_what_frameworks_make_of_a_response_is_read_like_it(response: Any, reported: dict[str, Any]) -> None:
    assert reported_of(response, None) == reported


def answer(identity: str, **usage: int) -> dict[str, Any]:
    return {"type": "assistant", "message": {"id": identity, "usage": usage}}


def turn(session: dict[str, Any]) -> dict[str, Any]:
    return {"payload": {"info": {"total_token_usage": session, "last_token_usage": {"input_tokens": 1}}}}


HALF = {"prompt_tokens": 500, "completion_tokens": 50}
DONE = {"type": "response.done", "response": {"id": "r1", "usage": RESPONSE}}
SUMS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "realtime, an answer told twice": ([DONE, DONE], TOKENS),
    "realtime, two answers": (
        [DONE, {"type": "response.done", "response": {"id": "r2", "usage": RESPONSE}}],
        {"input_tokens": 2000, "output_tokens": 200},
    ),
    "claude code, line by line": (
        [
            answer("a", input_tokens=3, output_tokens=1),
            {"type": "user"},
            answer("a", input_tokens=3, output_tokens=7),
            answer("b", input_tokens=997, output_tokens=93),
        ],
        TOKENS,
    ),
    "claude's agent, whose result is the sum": (
        [answer("a", input_tokens=3, output_tokens=1), {"type": "result", "usage": MESSAGE, "total_cost_usd": 0.5}],
        TOKENS | {"cost": Decimal("0.5"), "cost_basis": "total_cost_usd"},
    ),
    "ai sdk, cut before its total": (
        [{"type": "finish-step", "usage": {"inputTokens": 500, "outputTokens": 50}}] * 2,
        TOKENS,
    ),
    "codex, a whole session": (
        [turn({}), turn(CODEX)],
        TOKENS | {"cache_read_tokens": 900},
    ),
    "langchain, chunk by chunk": (
        [
            {"usage_metadata": {"input_tokens": 1000, "output_tokens": 0, "total_tokens": 1000}},
            {"content": "…", "usage_metadata": None},
            {"usage_metadata": {"input_tokens": 0, "output_tokens": 100, "total_tokens": 100}},
        ],
        TOKENS,
    ),
    "lines of a batch": (
        [{"custom_id": name, "response": {"body": {"usage": HALF}}} for name in "ab"],
        TOKENS | {"batch": True, "aggregated": True, "aggregated_requests": 2},
    ),
    "a last event of zeros": ([{"usage": CHAT}, {"usage": dict.fromkeys(CHAT, 0)}], TOKENS),
    "a total that is not told again": (
        [{"usage": CHAT | {"completion_tokens": 1, "total_tokens": 1001}}, {"usage": {"completion_tokens": 100}}],
        TOKENS,
    ),
    "a fact under a later name": (
        [
            {"message": {"usage": {"input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 9}}}},
            {"type": "message_delta", "usage": MESSAGE | {"cache_creation_input_tokens": 0}},
        ],
        TOKENS,
    ),
}


@pytest.mark.parametrize(("events", "reported"), SUMS.values(), ids=SUMS)
def test_several_answers_are_one_call_with_their_sum_and_the_last_word_holds(
    events: list[Any], reported: dict[str, Any]
) -> None:
    assert reported_of_stream(events, None) == reported


IMAGE_TOOL = {"image_gen": {"output_tokens": 7024}}
ADVISOR = [{"type": "message", "input_tokens": 5}, {"type": "advisor_message", "input_tokens": 2564}]
UNREADABLE: dict[str, tuple[Any, str]] = {
    "image tool": ({"usage": RESPONSE, "tool_usage": IMAGE_TOOL}, "tool_usage.image_gen.output_tokens: 7024, billed"),
    "image tool that counts nothing": (
        {"usage": RESPONSE, "output": [{"type": "image_generation_call"}]},
        "output.image_generation_call: image tokens of another model",
    ),
    "file search": ({"usage": RESPONSE, "output": [{"type": "file_search_call"}]}, "output.file_search_call: searches"),
    "advisor": ({"usage": MESSAGE | {"iterations": ADVISOR}}, "iterations.type=advisor_message.input_tokens: 2564"),
    "transcription beside an answer": (
        [DONE, {"type": "conversation.item.input_audio_transcription.completed", "usage": MESSAGE}],
        "input_audio_transcription: another model's usage",
    ),
    "batch at work": (
        {"object": "batch", "status": "in_progress", "request_counts": {"completed": 0}, "usage": MESSAGE},
        "usage: of a batch that is not finished",
    ),
    "total without parts": ({"usage": {"prompt_tokens": 0, "total_tokens": 1079}}, "total_tokens: is 1079, but"),
    "parts above the total": (
        {"usage": CHAT | {"total_tokens": 500}},
        "total_tokens: is 500, but input and output are",
    ),
    "one key, two spellings, two values": (
        {"usage": {"prompt_tokens": 3, "promptTokens": 4}},
        "prompt_tokens: is told twice, as 3 and as 4",
    ),
    "two usages that differ": (
        {"usage": CHAT, "usage_metadata": CHAT | {"completion_tokens": 5}},
        "completion_tokens: is 100 in usage and 5 in usage_metadata",
    ),
    "two names that differ": (
        {"usage": CHAT | {"cached_tokens": 7, "prompt_cache_hit_tokens": 8}},
        "cache_read_tokens: is 7 in cached_tokens and 8 in prompt_cache_hit_tokens",
    ),
    "input told twice": ({"usage": CHAT | {"input_tokens": 7}}, "input_tokens: is 1000, and 7 in input_tokens"),
    "input that may leave the cache out": (
        {"usage": {"prompt_tokens": 3, "completion_tokens": 100, "cache_read_input_tokens": 5758}},
        "cache_read_tokens: cache_read_tokens cannot exceed input_tokens (3)",
    ),
    "input that the total says includes the cache, but the names do not": (
        {"usage": CONVERSE | {"cacheReadInputTokens": 60}},
        "input_tokens: total_tokens says that it includes the 60 tokens of the cache",
    ),
    "ai sdk 5 and anthropic": (
        {"model": "claude-sonnet-4-5", "usage": CONVERSE | {"cachedInputTokens": 64}},
        "input_tokens: may leave cached_input_tokens out or not",
    ),
    "ai sdk 5, of several steps": (
        {"usage": CONVERSE, "steps": [{}, {}], "providerMetadata": {"anthropic": {"cacheReadInputTokens": 5}}},
        "cache_read_input_tokens: of the last step alone",
    ),
    "rest that does not add up": (
        {"usage": CONVERSE | {"inputTokenDetails": {"noCacheTokens": 5, "cacheReadTokens": 6}}},
        "input_tokens: is 1000, but input_tokens_details.no_cache_tokens and the cache are 5 and 6",
    ),
    "seconds that are no number": ({"usage": {"seconds": "long"}}, "seconds: must be a number from 0 to 1000000"),
    "seconds told twice": ({"usage": {"seconds": 5, "duration": 6}}, "duration: is 6, and 5 under another name"),
    "modality of a new kind": (
        {"usageMetadata": GEMINI | {"promptTokensDetails": [{"modality": "SMELL", "tokenCount": 5}]}},
        "prompt_tokens_details.modality=SMELL.token_count: a count of something",
    ),
    "negative": ({"usage": CHAT | {"prompt_tokens": -1}}, "input_tokens (prompt_tokens): must be zero or more, not -1"),
    "2^63": ({"usage": {"input_tokens": 2**63}}, "input_tokens (input_tokens): must be at most 1000000000"),
}


@pytest.mark.parametrize(("response", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_right_is_unreadable_with_its_reason(response: Any, reason: str) -> None:
    reported = reported_of(response, None)
    assert reported["unreadable_reason"].startswith(reason)
    assert (reported["unreadable_usage"], "input_tokens" in reported) == (True, False)


class Raises:
    @property
    def usage(self) -> Any:
        raise RuntimeError("SECRET prompt")


def test_what_a_foreign_object_raises_is_not_quoted() -> None:
    assert reported_of(Raises(), None) == {"unreadable_usage": True, "unreadable_reason": "usage: raises RuntimeError"}


def test_a_name_that_is_not_text_still_makes_a_reason() -> None:
    reported = reported_of({"usage": CHAT | {"novel\ud800": 5}}, None)
    assert reported["unreadable_reason"] == "novel?: a count of something under a name that is not known here"


LARGE: dict[str, tuple[dict[str, Any], str | None]] = {
    "many names": ({f"k{number}": "x" for number in range(500_000)}, "usage: holds more than 10000 values"),
    "a long list": ({"list": [{"a": 1}] * 500_000}, "usage: holds more than 10000 values"),
    "a deep list": ({"list": [[{"a": [1] * 9}] * 99] * 999}, "usage: holds more than 10000 values"),
    "a long text": ({"note": "x" * 5_000_000}, None),
    "a long number": ({"prompt_tokens": "9" * 5_000_000}, "input_tokens (prompt_tokens): must be a number of tokens"),
    "a long name": ({"K" * 5_000_000: 4}, "_k_k_k"),
    "a thousand counts": ({f"k{number}_tokens": 1 for number in range(1000)}, "k0_tokens: a count of something"),
    "a thousand zeros": ({f"k{number}_tokens": 0 for number in range(1000)}, None),
}


@pytest.mark.parametrize(("members", "reason"), LARGE.values(), ids=LARGE)
def test_five_megabytes_of_usage_hold_nobody_up(members: dict[str, Any], reason: str | None) -> None:
    started = time.process_time()
    reported = reported_of({"usage": CHAT | members}, None)
    assert time.process_time() - started < 1
    if reason is None:
        assert reported == TOKENS
    else:
        assert reported["unreadable_reason"].startswith(reason)
        AICall(**{"user_id": "u", "content_type": "chat", "model": "gpt-4o", **reported})


KNOWN = {"openai": {"usage": CHAT}, "anthropic": {"usage": MESSAGE}, "google": {"usageMetadata": GEMINI}}
MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "google": "gemini-2.5-flash"}
STEM = st.sampled_from(["zorb", "quux", "flurb", "wibble", "glorp"])
KIND = st.sampled_from(
    ["{}_tokens", "{}TokenCount", "cache_{}_tokens", "{}Units", "{}_searches", "num_{}", "{}", "{}_seconds"]
)
WHERE = st.sampled_from(["", "prompt_tokens_details", "completionTokensDetails", "output_tokens_details", "novel"])
COUNT = st.integers(1, 10**12) | st.integers(1, 500).map(str) | st.integers(1, 500).map(float)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(KNOWN)), STEM, KIND, WHERE, COUNT, st.booleans())
def test_an_unknown_attribute_never_yields_a_priced_call(
    provider: str, stem: str, kind: str, where: str, count: Any, streamed: bool
) -> None:
    ((place, usage),) = KNOWN[provider].items()
    name = kind.format(stem)
    response = {"model": MODELS[provider], place: usage | ({where: {name: count}} if where else {name: count})}
    reported = reported_of_stream([{}, response], provider) if streamed else reported_of(response, provider)
    found = priced(AICall(**{"user_id": "u", "content_type": "chat", "provider": provider, **reported})).cost
    assert (found.cost, stem in (found.unpriced_reason or "")) == (None, True)


NAMES = st.sampled_from(
    [
        *("usage", "usageMetadata", "response", "message", "providerMetadata", "anthropic", "tool_usage", "web_search"),
        *("service_tier", "model", "output", "type", "candidates", "groundingMetadata", "webSearchQueries", "is_byok"),
        *(
            "cost",
            "total_cost",
            "cost_details",
            "upstream_inference_cost",
            "cost_in_usd_ticks",
            "inference_geo",
            "speed",
        ),
        *("seconds", "duration", "characters", "requests", "num_requests", "request_counts", "completed", "object"),
        *(
            "data",
            "created",
            "b64_json",
            "size",
            "quality",
            "custom_id",
            "result",
            "status",
            "prompt_tokens",
            "iterations",
        ),
        *("completion_tokens", "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "num_search_queries"),
    ]
)
LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**20)
    | st.floats()
    | st.sampled_from(["", "12", "batch", "video", "completed", "web_search_call", "a\nb", "x" * 300, "fast", "1e9"])
)
ANYTHING = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)


@settings(max_examples=600, deadline=None, database=None, derandomize=True)
@given(st.dictionaries(NAMES, ANYTHING, min_size=1, max_size=5), st.booleans())
def test_whatever_comes_in_is_a_report_that_is_accepted(response: dict[str, Any], streamed: bool) -> None:
    reported = reported_of_stream([response, {}], "openai") if streamed else reported_of(response, "openai")
    call = AICall(**{"user_id": "u", "content_type": "chat", "model": "gpt-4o", **reported})
    cost = priced(call).cost
    assert call.is_unreadable is False or cost.cost is None or cost.source == "reported"
