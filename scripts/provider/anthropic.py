"""Anthropic's messages, whole and as a stream, and their count of tokens."""

import json
from collections.abc import Iterator

from scripts.provider.answers import Answer, Asked, Json, answer, named_events
from scripts.provider.chat import structured
from scripts.provider.faults import Faults
from scripts.provider.texts import ident, input_tokens, pieces, said, tokens

SNAPSHOTS = {
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
}
CACHE_READ, CACHE_WRITTEN_5M, CACHE_WRITTEN_1H = 6_000, 2_000, 1_000
"""Tokens of a prompt that marks something as to be kept, beside its own."""


def message(asked: Asked, model: str, faults: Faults) -> Answer:
    fields = asked.fields
    block, text, reason = _says(asked, faults)
    whole: Json = {
        "model": SNAPSHOTS.get(model, model),
        "id": ident("msg_01", asked),
        "type": "message",
        "role": "assistant",
        "content": [block],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": _usage(fields, asked.body, tokens(text)),
    }
    return named_events(_events(whole, block, text)) if asked.streams else answer(whole)


def count(asked: Asked, _: str, __: Faults) -> Answer:
    return answer({"input_tokens": input_tokens(asked.fields)})


def _says(asked: Asked, faults: Faults) -> tuple[Json, str, str]:
    """A block, its text, and why it ended."""
    fields = asked.fields
    tools = [tool for tool in fields.get("tools") or [] if "input_schema" in tool]
    if tools and not _has_result(fields) and (fields.get("tool_choice") or {}).get("type") != "none":
        chosen = (fields.get("tool_choice") or {}).get("name")
        tool = next((each for each in tools if each["name"] == chosen), tools[0])
        text = structured(tool["input_schema"])
        return (
            {"type": "tool_use", "id": ident("toolu_01", asked), "name": tool["name"], "input": json.loads(text)},
            text,
            "tool_use",
        )
    wanted = fields.get("output_format") or (fields.get("output_config") or {}).get("format")
    if wanted:
        text, more = structured(wanted.get("schema")), False
    else:
        text, more = said(fields, fields.get("max_tokens"), int(faults.get("tokens") or 0))
    return {"type": "text", "text": text}, text, "max_tokens" if more else "end_turn"


def _has_result(fields: Json) -> bool:
    content = (fields.get("messages") or [{}])[-1].get("content")
    return isinstance(content, list) and any(part.get("type") == "tool_result" for part in content)


def _usage(fields: Json, body: bytes, wrote: int) -> Json:
    kept = b'"cache_control"' in body
    written = {
        "ephemeral_5m_input_tokens": CACHE_WRITTEN_5M * kept,
        "ephemeral_1h_input_tokens": CACHE_WRITTEN_1H * kept,
    }
    tier = fields.get("service_tier")
    return {
        "input_tokens": input_tokens(fields),
        "cache_creation_input_tokens": sum(written.values()),
        "cache_read_input_tokens": CACHE_READ * kept,
        "cache_creation": written,
        "output_tokens": wrote,
        "service_tier": "priority" if tier == "priority" else "standard",
    }


def _events(whole: Json, block: Json, text: str) -> Iterator[Json]:
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    called = block["type"] == "tool_use"
    empty: Json = {"input": {}} if called else {"text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": {**block, **empty}}
    yield {"type": "ping"}
    half = len(text) // 2
    parts = ["", text[:half], text[half:]] if called else pieces(text)
    for part in parts:
        delta = {"type": "input_json_delta", "partial_json": part} if called else {"type": "text_delta", "text": part}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    spent = {name: whole["usage"][name] for name in names}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
        "usage": spent,
    }
    yield {"type": "message_stop"}
