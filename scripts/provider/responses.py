"""OpenAI's responses, whole and as a stream."""

from collections.abc import Iterator
from typing import Any

from scripts.provider.answers import Answer, Asked, Json, answer, named_events
from scripts.provider.chat import CREATED, cached_tokens, ran, reasoning_tokens, structured
from scripts.provider.faults import Faults
from scripts.provider.texts import ident, input_tokens, pieces, said, tokens


def response(asked: Asked, model: str, faults: Faults) -> Answer:
    fields = asked.fields
    item, more = _item(asked, faults)
    text = item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"]
    thinking = {"id": ident("rs_", asked, 48), "type": "reasoning", "summary": []}
    items = [thinking, item] if reasoning_tokens(model) else [item]
    whole = {
        **_head(asked, model),
        "status": "incomplete" if more else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if more else None,
        "output": items,
        "usage": _usage(fields, model, text),
    }
    if asked.streams:
        return named_events({**event, "sequence_number": n} for n, event in enumerate(_events(asked, model, whole)))
    return answer(whole, indent=2)


def _item(asked: Asked, faults: Faults) -> tuple[Json, bool]:
    """What it says or calls, and whether there was more to say."""
    fields = asked.fields
    functions = [tool for tool in fields.get("tools") or [] if tool["type"] == "function"]
    given = fields.get("input")
    answered = isinstance(given, list) and any(each.get("type") == "function_call_output" for each in given)
    if functions and not answered and fields.get("tool_choice") != "none":
        call = {"arguments": structured(functions[0].get("parameters")), "call_id": ident("call_", asked)}
        return {
            "id": ident("fc_", asked, 48),
            "type": "function_call",
            "status": "completed",
            **call,
            "name": functions[0]["name"],
        }, False
    wanted = (fields.get("text") or {}).get("format") or {}
    if wanted.get("type") in {"json_schema", "json_object"}:
        text, more = structured(wanted.get("schema")), False
    else:
        # the settings of a text are no text
        spoken = {name: value for name, value in fields.items() if name != "text"}
        text, more = said(spoken, fields.get("max_output_tokens"), int(faults.get("tokens") or 0))
    content = [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}]
    message = {"id": ident("msg_", asked, 48), "type": "message", "status": "completed"}
    return {**message, "content": content, "role": "assistant"}, more


def _head(asked: Asked, model: str) -> Json:
    fields = asked.fields
    tier = fields.get("service_tier")
    return {
        "id": ident("resp_", asked, 48),
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": fields.get("instructions"),
        "max_output_tokens": fields.get("max_output_tokens"),
        "model": ran(model),
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": fields.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default" if tier in {None, "auto"} else tier,
        "store": fields.get("store", True),
        "temperature": fields.get("temperature", 1.0),
        "text": fields.get("text") or {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": fields.get("tool_choice", "auto"),
        "tools": fields.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": fields.get("user"),
        "metadata": fields.get("metadata") or {},
    }


def _usage(fields: Json, model: str, text: str) -> Json:
    read = input_tokens({name: value for name, value in fields.items() if name != "text"})
    thought = reasoning_tokens(model)
    wrote = tokens(text) + thought
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": cached_tokens(read)},
        "output_tokens": wrote,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read + wrote,
    }


def _events(asked: Asked, model: str, whole: Json) -> Iterator[Json]:
    head = _head(asked, model)
    yield {"type": "response.created", "response": head}
    yield {"type": "response.in_progress", "response": head}
    for index, item in enumerate(whole["output"]):
        yield from _item_events(asked, index, item)
    ended = "response.completed" if whole["status"] == "completed" else "response.incomplete"
    yield {"type": ended, "response": whole}


def _item_events(asked: Asked, index: int, item: Json) -> Iterator[Json]:
    place: Json = {"item_id": item["id"], "output_index": index}
    empty: dict[str, Any] = {"message": {"content": []}, "function_call": {"arguments": ""}, "reasoning": {}}
    begun = {**item, **empty[item["type"]], **({"status": "in_progress"} if "status" in item else {})}
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    if item["type"] == "function_call":
        text, kind = item["arguments"], "response.function_call_arguments"
        half = len(text) // 2
        for part in (text[:half], text[half:]):
            yield {"type": f"{kind}.delta", **place, "delta": part, "obfuscation": ident("", asked, 6)}
        yield {"type": f"{kind}.done", **place, "arguments": text}
    if item["type"] == "message":
        (part,) = item["content"]
        place["content_index"] = 0
        yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
        for piece in pieces(part["text"]):
            yield {
                "type": "response.output_text.delta",
                **place,
                "delta": piece,
                "logprobs": [],
                "obfuscation": ident("", asked, 6),
            }
        yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}
