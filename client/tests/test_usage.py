"""What is sent of a response: the server reads of it what it reads of the whole, and there is no text in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from app.usage.responses import reported_of, reported_of_stream
from app.usage.sent import in_plain_fields

from twinmeter.calls import camel
from twinmeter.usage import TOO_LARGE, UNTOLD, Events, fields_of, text_of

DATA = Path(__file__).parents[2] / "tests" / "data"
RECORDED = [json.loads(line) for line in (DATA / "provider_usage_recorded.jsonl").read_text().splitlines()]
FIELD = [json.loads(line) for line in (DATA / "field" / "responses.jsonl").read_text("utf-8").splitlines()]
USAGE = {"prompt_tokens": 1_234, "completion_tokens": 567, "total_tokens": 1_801}
SECRET = "SECRET-ANSWER"
TEXT_FREE: list[Any] = [
    {"model": "gpt-4o", "choices": [{"message": {"content": SECRET}}], "usage": USAGE},
    {"model": "gpt-4o", "output": [{"type": "message", "content": SECRET}], "instructions": SECRET, "usage": USAGE},
    {"model": "o3", "output": [{"type": "web_search_call", "action": {"query": SECRET}}], "usage": USAGE},
    {"created": 1, "data": [{"url": SECRET, "revised_prompt": SECRET}, {"b64_json": SECRET}]},
    {"text": SECRET, "task": "transcribe", "duration": 2.5, "segments": [{"text": SECRET}]},
    {"modelVersion": "gemini-3-pro", "usageMetadata": {"promptTokenCount": 3}, "candidates": [
        {"content": {"parts": [{"text": SECRET}]}, "groundingMetadata": {"webSearchQueries": [SECRET, SECRET]}}
    ]},
    {"model": "c", "content": [{"type": "text", "text": SECRET}], "usage": {"input_tokens": 3, "output_tokens": 4}},
    {"metadata": {"prompt": SECRET, "usage": {"inputTokens": 1, "outputTokens": 2}}},
    {"inputTextTokenCount": 5, "results": [{"tokenCount": 8, "outputText": SECRET, "completionReason": "FINISH"}]},
    {"token": {"id": 1, "text": SECRET, "logprob": -1.0, "special": False}, "generated_text": None},
    {"tokens": [1, 2], "token_strings": [SECRET], "access_token": SECRET, "usage": {**USAGE, "note": SECRET}},
    {"usage": USAGE, "providerMetadata": {
        "openai": {"logprobs": [{"token": SECRET}]},
        "google": {"groundingMetadata": {"webSearchQueries": [SECRET]}},
    }},
    {"usage": USAGE, "_hidden_params": {"api_key": SECRET, "api_base": SECRET, "response_cost": 0.25}},
    {"predictions": [{"content": SECRET}], "metadata": {"tokenMetadata": {"inputTokenCount": {"totalTokens": 1}}}},
]  # fmt: skip


def read(fields: dict[str, Any], provider: str | None, model: str | None = None) -> dict[str, Any]:
    """What the server makes of a row."""
    row = {camel(name): value for name, value in fields.items()}
    told = {name: value for name, value in {"provider": provider, "model": model}.items() if value}
    fields = in_plain_fields({**json.loads(json.dumps(row)), **told})
    return {name: value for name, value in fields.items() if name not in told}


def reported(payload: Any, provider: str | None, model: str | None = None) -> dict[str, Any]:
    """What the server reads of the whole, as it does in process."""
    whole = (reported_of_stream if isinstance(payload, list) else reported_of)(payload, provider, model)
    return {name: value for name, value in {"model": "unknown", **whole}.items() if not (name == "model" and model)}


def sent(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, list):
        return fields_of(payload)
    events = Events()
    for event in payload:
        events.add(event)
    return events.fields()


@pytest.mark.parametrize("row", RECORDED, ids=[row["id"] for row in RECORDED])
def test_recorded_responses_say_the_same_as_a_whole(row: dict[str, Any]) -> None:
    assert read(sent(row["response"]), row["provider"]) == reported(row["response"], row["provider"])


@pytest.mark.parametrize("row", FIELD, ids=[row["id"] for row in FIELD])
def test_responses_from_the_field_say_the_same_as_a_whole(row: dict[str, Any]) -> None:
    known = row["how"]["in process"]
    provider, model = known.get("provider"), known.get("model")

    found, whole = read(sent(row["payload"]), provider, model), reported(row["payload"], provider, model)

    assert len(found.pop("output_text", "")) == len(whole.pop("output_text", ""))
    assert found == whole


@pytest.mark.parametrize("response", TEXT_FREE)
def test_no_text_is_sent(response: Any) -> None:
    fields = fields_of(response)

    assert SECRET not in json.dumps(fields)
    assert read(fields, None) == reported(response, None)


def test_a_stream_is_told_by_its_usage_and_how_long_its_text_is() -> None:
    chunks = [{"id": "1", "model": "gpt-4o", "choices": [{"delta": {"content": text}}]} for text in ("SEC", "RET")]

    cut = sent(chunks)
    whole = sent([*chunks, {"id": "1", "model": "gpt-4o", "choices": [], "usage": USAGE}])

    assert cut == {"response": [{"id": "1", "model": "gpt-4o"}], "output_text": "xxxxxx"}
    assert whole == {"usage": [USAGE], "response": {"id": "1", "model": "gpt-4o"}}
    assert text_of(chunks[0]) == "SEC"
    assert sent([]) == {}


@pytest.mark.parametrize("response", ["text", b"bytes", None, 7, object(), {"text": SECRET, "choices": []}])
def test_what_tells_nothing_is_recorded_as_unreadable(response: Any) -> None:
    fields = fields_of(response)

    assert fields in ({"unreadable_usage": True, "unreadable_reason": UNTOLD}, {"response": {"text": ""}})
    assert read(fields, None)["unreadable_usage"] is True


def test_odd_members_do_not_cost_the_usage() -> None:
    odd: dict[str, Any] = {
        "candidates": [{"content": {"parts": 7}, "groundingMetadata": {"webSearchQueries": True}}, None, "x"]
    }
    odd |= {"data": 3, "output": "x", "message": [], "metadata": 1, "service_tier": [], "segments": 5, "alignment": "x"}

    assert fields_of({**odd, "usage": USAGE})["usage"] == USAGE


def test_a_response_that_raises_hurts_nobody_and_is_not_quoted() -> None:
    class Response:
        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            raise RuntimeError(SECRET)

    assert fields_of(Response())["unreadable_reason"] == "usage: raises RuntimeError"
    assert sent([Response()])["unreadable_reason"] == "usage: raises RuntimeError"


@pytest.mark.parametrize(
    "usage", [{f"k{n}": {"tokens": n} for n in range(2_000)}, {"k" * 90 + str(n): n for n in range(300)}]
)
def test_a_usage_too_large_for_the_server_is_unreadable_and_not_cut(usage: Any) -> None:
    assert fields_of({"usage": usage}) == {"unreadable_usage": True, "unreadable_reason": TOO_LARGE}


@pytest.mark.parametrize("last", [{}, {"thoughtsTokenCount": 40}])
def test_a_long_stream_that_tells_its_counts_with_each_chunk_stays_small(last: dict[str, int]) -> None:
    counts = [
        {"promptTokenCount": 100, "candidatesTokenCount": count, "totalTokenCount": 100 + count}
        for count in range(1, 300)
    ]
    counts.append(
        {"promptTokenCount": 100, "candidatesTokenCount": 300, "totalTokenCount": 400 + sum(last.values()), **last}
    )
    chunks: list[Any] = [
        {
            "candidates": [{"content": {"parts": [{"text": SECRET}]}}],
            "usageMetadata": {**usage, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}]},
            "modelVersion": "gemini-2.5-flash",
        }
        for usage in counts
    ]
    searched = {"groundingMetadata": {"webSearchQueries": [SECRET, SECRET]}}
    chunks[7]["candidates"][0] |= searched

    fields = sent(chunks)

    assert len(json.dumps(fields)) < 2_000
    assert read(fields, "google") == reported(chunks, "google")
    assert read(fields, "google")["output_tokens"] == 300 + sum(last.values())


def test_usages_that_add_up_are_each_told() -> None:
    steps: list[Any] = [{"type": "finish-step", "usage": {"inputTokens": 500, "outputTokens": 50}}] * 2
    added: list[Any] = [
        {"usage_metadata": {"input_tokens": 5, "output_tokens": n, "total_tokens": 5 + n}} for n in (1, 2)
    ]

    for events in (steps, added):
        assert read(sent(events), None) == reported(events, None)
