"""Recorded answers pass through with the usage that `app.usage` finds in the whole of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.gateway.formats.base import Operation
from app.usage.responses import reported_of, reported_of_stream
from tests.gateway.formats.answers import EVENTS, FORMATS, JSON, chat_chunk, compact, event, read, wanted_by

DATA = Path(__file__).parents[2] / "data"
ENDINGS = {
    "chat/completions": Operation.CHAT,
    "responses": Operation.RESPONSES,
    "embeddings": Operation.EMBEDDINGS,
    "messages": Operation.MESSAGES,
    "generateContent": Operation.GENERATE,
    "batchEmbedContents": Operation.BATCH_EMBED_CONTENTS,
}
ROWS = [json.loads(line) for line in (DATA / "provider_usage_recorded.jsonl").read_text().splitlines()]
FIELD = [json.loads(line) for line in (DATA / "field" / "responses.jsonl").read_text().splitlines()]
RESPONSES = ("A03-", "A04", "A16c", "A16d", "A17")


def operation_of(path: str) -> Operation | None:
    return next((operation for ending, operation in ENDINGS.items() if path.endswith(ending)), None)


PASSED = [row for row in ROWS if operation_of(row["path"]) is not None]
WHOLE, STREAMS = ([row for row in PASSED if row["stream"] is stream] for stream in (False, True))


@pytest.mark.parametrize("row", WHOLE, ids=[row["id"] for row in WHOLE])
def test_a_whole_answer_has_the_usage_of_its_recording(row: dict[str, Any]) -> None:
    operation = operation_of(row["path"])
    assert operation is not None
    model = row["model"] or "gemini-embedding-2"
    reading = FORMATS[operation].reading(wanted_by(operation, model=model), 200, JSON)
    body = compact(row["response"])
    assert read(reading, [body[:50], body[50:]]) == body
    assert (reading.complete, reading.failure) == (True, None)
    found = reading.reported(row["provider"])
    assert found == reported_of(row["response"], row["provider"], model)
    assert "unreadable_reason" in found or expected(found) == row["expect"]


@pytest.mark.parametrize("row", STREAMS, ids=[row["id"] for row in STREAMS])
@pytest.mark.parametrize("asks", [True, False], ids=["asked", "not-asked"])
def test_a_stream_has_the_usage_of_its_recording(row: dict[str, Any], asks: bool) -> None:
    operation = operation_of(row["path"])
    assert operation is not None
    options = {"stream_options": {"include_usage": True}} if asks else {}
    wanted = wanted_by(operation, model=row["model"], stream=True, **options)
    reading = FORMATS[operation].reading(wanted, 200, EVENTS)
    sent = stream_of(operation, row["response"], row["model"])
    assert len(read(reading, [sent])) <= len(sent)
    assert (reading.complete, reading.failure) == (True, None)
    whole = reported_of_stream(row["response"], row["provider"], row["model"])
    found = reading.reported(row["provider"])
    assert found == {"model": row["model"], **whole}
    assert "unreadable_reason" in found or expected(found) == row["expect"]


def stream_of(operation: Operation, told: list[dict[str, Any]], model: str) -> bytes:
    """The events that a recording has, and texts before them."""
    match operation:
        case Operation.CHAT:
            events = [chat_chunk({"content": "word "}, model=model) for _ in range(20)]
            closing = event(chat_chunk({}, "stop", model)) if "choices" not in told[-1] else b""
            return b"".join(map(event, events)) + closing + b"".join(map(event, told)) + b"data: [DONE]\n\n"
        case Operation.RESPONSES:
            deltas: list[dict[str, Any]] = [{"type": "response.output_text.delta", "delta": "word "}] * 20
            created: dict[str, Any] = {
                "type": "response.created",
                "response": {"model": model, "usage": None, "error": None},
            }
            return b"".join(event(each, each["type"]) for each in [created, *deltas, *told])
        case _:
            deltas = [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": "word "}}] * 20
            events = [told[0], *deltas, *told[1:], {"type": "message_stop"}]
            return b"".join(event(each, each["type"]) for each in events)


def expected(reported: dict[str, Any]) -> dict[str, int]:
    names = ("cache_read_tokens", "cache_write_tokens", "input_tokens", "output_tokens", "reasoning_tokens")
    return {name: reported.get(name, 0) for name in names}


@pytest.mark.parametrize("row", [row for row in FIELD if isinstance(row["payload"], dict)], ids=lambda row: row["id"])
def test_an_answer_of_the_field_is_read_as_its_helper_reads_it(row: dict[str, Any]) -> None:
    operation = Operation.RESPONSES if row["id"].startswith(RESPONSES) else Operation.CHAT
    known = row["how"]["in process"]
    provider = known.get("provider", "openai")
    model = known.get("model", "gpt-4o")
    reading = FORMATS[operation].reading(wanted_by(operation, model=model), 200, JSON)
    read(reading, [compact(row["payload"])])
    assert reading.reported(provider) == reported_of(row["payload"], provider, model)
