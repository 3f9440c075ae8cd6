"""OpenAI's chat completions, and those of who speaks the same with differences in usage."""

import json
from array import array
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from scripts.provider.answers import DONE, Answer, Asked, Json, answer, data_events
from scripts.provider.faults import Faults
from scripts.provider.texts import ident, input_tokens, instance, pieces, said, tokens

CREATED = 1_760_000_000
SNAPSHOTS = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "o3": "o3-2025-04-16",
    "o4-mini": "o4-mini-2025-04-16",
}
"""What a provider says it ran, where that is not what was asked for."""
CACHED_FROM, CACHED = 1_024, 1_024
REASONING = 64
"""Tokens that a reasoning model thinks before it answers."""
REASONING_MODELS = ("o1", "o3", "o4", "gpt-5")


def ran(model: str) -> str:
    return SNAPSHOTS.get(model, model)


def cached_tokens(read: int) -> int:
    """Prompts that are long enough are found in the provider's cache."""
    return CACHED if read >= CACHED_FROM else 0


def reasoning_tokens(model: str) -> int:
    return REASONING if model.startswith(REASONING_MODELS) else 0


def wanted_call(fields: Json) -> Json | None:
    """The function that is called: the chosen one, else the first; none where a result was given, or none is wanted."""
    tools, choice = fields.get("tools") or [], fields.get("tool_choice")
    functions: list[Json] = [tool.get("function", tool) for tool in tools if tool.get("type", "function") == "function"]
    last = (fields.get("messages") or [{}])[-1]
    if not functions or choice == "none" or last.get("role") == "tool":
        return None
    chosen = choice.get("function", choice).get("name") if isinstance(choice, dict) else None
    return next((each for each in functions if each["name"] == chosen), functions[0])


def completion(asked: Asked, model: str, faults: Faults) -> Answer:
    fields = asked.fields
    text, finish, call = _says(fields, faults)
    usage = _usage(asked.flavour, fields, model, text)
    head = _head(asked, model, "chat.completion")
    count = int(fields.get("n") or 1)
    if asked.streams:
        return _stream(asked, {**head, "object": "chat.completion.chunk"}, [(text, finish, call)] * count, usage)
    message: Json = {"role": "assistant", "content": None if call else text, "refusal": None, "annotations": []}
    if call:
        message["tool_calls"] = [_tool_call(asked, call, text)]
    choices = [{"index": n, "message": message, "logprobs": None, "finish_reason": finish} for n in range(count)]
    tail = {name: head.pop(name) for name in ("service_tier", "system_fingerprint") if name in head}
    extra = {"x_groq": {"id": ident("req_", asked)}} if asked.flavour == "groq" else {}
    return answer(
        {**head, "choices": choices, "usage": usage(count), **tail, **extra}, indent=_INDENTS.get(asked.flavour)
    )


_INDENTS = {"": 2}
"""OpenAI's own answers are set in lines; those of others are not."""


def structured(schema: Json | None) -> str:
    """JSON that fits a schema; without one, any object."""
    return json.dumps(instance(schema) if schema else {"answer": "Paris"}, separators=(",", ":"))


def _says(fields: Json, faults: Faults) -> tuple[str, str, Json | None]:
    """The text, or the arguments of a call; how it finished; the function that is called."""
    if call := wanted_call(fields):
        return structured(call.get("parameters")), "tool_calls", call
    wanted = fields.get("response_format") or {}
    if wanted.get("type") in {"json_schema", "json_object"}:
        return structured(wanted.get("json_schema", {}).get("schema")), "stop", None
    most = fields.get("max_completion_tokens") or fields.get("max_tokens")
    text, more = said(fields, most, int(faults.get("tokens") or 0))
    return text, "length" if more else "stop", None


def _head(asked: Asked, model: str, kind: str) -> Json:
    head = {"id": ident("chatcmpl-", asked), "object": kind, "created": CREATED, "model": ran(model)}
    tier = asked.fields.get("service_tier")
    own = {"service_tier": "default" if tier in {None, "auto"} else tier} if not asked.flavour else {}
    return {**head, **own, "system_fingerprint": "fp_44709d6fcb"} if asked.flavour != "mistral" else head


def _tool_call(asked: Asked, call: Json, arguments: str) -> Json:
    function = {"name": call["name"], "arguments": arguments}
    return {
        "id": ident("call_", asked, 9 if asked.flavour == "mistral" else 24),
        "type": "function",
        "function": function,
    }


def _stream(
    asked: Asked, head: Json, choices: list[tuple[str, str, Json | None]], usage: Callable[[int], Json]
) -> Answer:
    told = bool((asked.fields.get("stream_options") or {}).get("include_usage"))
    openai = not asked.flavour
    spare = {"usage": None} if told and openai else {}
    padding = {"obfuscation": ident("", asked, 8)} if openai else {}
    chunks: list[Json] = []
    for index, (text, finish, call) in enumerate(choices):
        for delta, end in _deltas(asked, text, finish, call):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": end}
            chunks.append({**head, "choices": [choice], **spare, **padding})
    spent = usage(len(choices))
    if asked.flavour == "groq":
        chunks[0]["x_groq"] = {"id": ident("req_", asked)}
        chunks[-1]["x_groq"] = {"id": ident("req_", asked), "usage": spent}
    if asked.flavour in {"mistral", "deepseek"}:
        chunks[-1]["usage"] = spent
    elif told:
        chunks.append({**head, "choices": [], "usage": spent, **padding})
    stream = data_events(chunks, end=DONE)
    if asked.flavour == "openrouter":
        return Answer(content_type=stream.content_type, events=(b": OPENROUTER PROCESSING\n\n", *stream.events))
    return stream


def _deltas(asked: Asked, text: str, finish: str, call: Json | None) -> list[tuple[Json, str | None]]:
    if call is None:
        words = [({"content": piece}, None) for piece in pieces(text)]
        return [({"role": "assistant", "content": "", "refusal": None}, None), *words, ({}, finish)]
    opening = {"index": 0, **_tool_call(asked, call, "")}
    half = len(text) // 2
    if asked.flavour == "mistral":  # which sends a call in one piece
        return [
            ({"role": "assistant", "content": ""}, None),
            ({"tool_calls": [{"index": 0, **_tool_call(asked, call, text)}]}, finish),
        ]
    parts = [{"index": 0, "function": {"arguments": part}} for part in (text[:half], text[half:])]
    first = {"role": "assistant", "content": None, "tool_calls": [opening], "refusal": None}
    return [(first, None), *(({"tool_calls": [part]}, None) for part in parts), ({}, finish)]


def _usage(flavour: str, fields: Json, model: str, text: str) -> Callable[[int], Json]:
    """Of so many choices."""
    read, wrote, thought = input_tokens(fields), tokens(text), reasoning_tokens(model)
    cached = cached_tokens(read)

    def usage(choices: int) -> Json:
        out = choices * (wrote + thought)
        sums: Json = {"prompt_tokens": read, "completion_tokens": out, "total_tokens": read + out}
        return {**sums, **_DETAILS.get(flavour, _openai_details)(read, cached, choices * thought)}

    return usage


def _openai_details(_: int, cached: int, thought: int) -> Json:
    return {
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": thought,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


_DETAILS: dict[str, Callable[[int, int, int], Json]] = {
    "groq": lambda *_: {"queue_time": 0.019, "prompt_time": 0.002, "completion_time": 0.043, "total_time": 0.045},
    "mistral": lambda *_: {},
    "deepseek": lambda read, cached, _: {
        "prompt_tokens_details": {"cached_tokens": cached},
        "prompt_cache_hit_tokens": cached,
        "prompt_cache_miss_tokens": read - cached,
    },
    "openrouter": lambda read, cached, thought: {
        **_openai_details(read, cached, thought),
        "cost": 0.00015,
        "is_byok": False,
    },
}


def embeddings(asked: Asked, model: str, _: Faults) -> Answer:
    fields = asked.fields
    inputs = fields.get("input") or []
    inputs = [inputs] if isinstance(inputs, str) or (inputs and isinstance(inputs[0], int)) else inputs
    size = int(fields.get("dimensions") or 256)
    vectors: list[Any] = [vector(str(each), size) for each in inputs]
    if fields.get("encoding_format") == "base64":
        vectors = [as_base64(each) for each in vectors]
    read = sum(tokens(each) if isinstance(each, str) else len(each) for each in inputs)
    data = [{"object": "embedding", "index": n, "embedding": each} for n, each in enumerate(vectors)]
    usage = {"prompt_tokens": read, "total_tokens": read}
    head = {"id": ident("embd-", asked)} if asked.flavour == "mistral" else {}
    return answer(
        {**head, "object": "list", "data": data, "model": model, "usage": usage}, indent=_INDENTS.get(asked.flavour)
    )


def vector(text: str, size: int) -> list[float]:
    """Numbers that fit in four bytes, so that both encodings say the same."""
    seed = sum(text.encode(errors="replace"))
    return [((seed + n * 37) % 127 - 63) / 64 for n in range(size)]


def as_base64(numbers: list[float]) -> str:
    return b64encode(array("f", numbers).tobytes()).decode()
