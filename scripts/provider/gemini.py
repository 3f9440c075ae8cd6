"""Gemini's generation, whole, as a stream of events or of one JSON array; its counts and embeddings."""

import json

from scripts.provider.answers import JSON, Answer, Asked, Json, answer, data_events
from scripts.provider.chat import structured, vector
from scripts.provider.faults import Faults
from scripts.provider.texts import ident, input_tokens, pieces, said, tokens

THINKING_MODELS = ("gemini-2.5", "gemini-3")
THOUGHTS = 100


def generate(asked: Asked, model: str, faults: Faults) -> Answer:
    part, text, reason = _says(asked, faults)
    return answer(_chunk(asked, model, [part], reason, tokens(text)), indent=2)


def stream(asked: Asked, model: str, faults: Faults) -> Answer:
    part, text, reason = _says(asked, faults)
    parts = [part] if "functionCall" in part else [{"text": piece} for piece in pieces(text)]
    ends = [*[None] * (len(parts) - 1), reason]
    wrote = [min(n, tokens(text)) for n in range(1, len(parts) + 1)]
    wrote[-1] = tokens(text)
    chunks = [_chunk(asked, model, [each], end, spent) for each, end, spent in zip(parts, ends, wrote, strict=True)]
    if asked.parameters.get("alt") == "sse":
        events = data_events(chunks).events
        return Answer(
            content_type="text/event-stream", events=tuple(event.replace(b"\n\n", b"\r\n\r\n") for event in events)
        )
    texts = [json.dumps(chunk, indent=2).encode() for chunk in chunks]
    return Answer(content_type=JSON, events=(b"[" + texts[0], *(b",\r\n" + each for each in texts[1:]), b"]\n"))


def count(asked: Asked, _: str, __: Faults) -> Answer:
    read = input_tokens(asked.fields.get("generateContentRequest") or asked.fields)
    return answer({"totalTokens": read, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": read}]}, indent=2)


def embed(asked: Asked, _: str, __: Faults) -> Answer:
    fields = asked.fields
    size = int(fields.get("outputDimensionality") or 16)
    return answer({"embedding": {"values": vector(str(fields.get("content")), size)}, **_read(fields)}, indent=2)


def embed_all(asked: Asked, _: str, __: Faults) -> Answer:
    requests = asked.fields.get("requests") or []
    sizes = [int(each.get("outputDimensionality") or 16) for each in requests]
    values = [{"values": vector(str(each.get("content")), size)} for each, size in zip(requests, sizes, strict=True)]
    return answer({"embeddings": values, **_read(asked.fields)}, indent=2)


def models(asked: Asked) -> Answer:
    one = asked.path.rpartition("/models")[2].strip("/")
    rows = [_model(name) for name in ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")]
    return answer(_model(one) if one else {"models": rows}, indent=2)


def _model(name: str) -> Json:
    methods = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": methods,
    }


def _read(fields: Json) -> Json:
    read = input_tokens(fields)
    return {
        "usageMetadata": {"promptTokenCount": read, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": read}]}
    }


def _says(asked: Asked, faults: Faults) -> tuple[Json, str, str]:
    fields = asked.fields
    tools = fields.get("tools") or []
    functions = [
        each for tool in tools for each in tool.get("functionDeclarations") or tool.get("function_declarations") or []
    ]
    last = (fields.get("contents") or [{}])[-1]
    answered = any("functionResponse" in part for part in last.get("parts") or [])
    if functions and not answered:
        text = structured(functions[0].get("parameters") or functions[0].get("parametersJsonSchema"))
        return {"functionCall": {"name": functions[0]["name"], "args": json.loads(text)}}, text, "STOP"
    settings = fields.get("generationConfig") or {}
    if schema := settings.get("responseSchema") or settings.get("responseJsonSchema"):
        text, more = structured(schema), False
    else:
        text, more = said(fields, settings.get("maxOutputTokens"), int(faults.get("tokens") or 0))
    return {"text": text}, text, "MAX_TOKENS" if more else "STOP"


def _chunk(asked: Asked, model: str, parts: list[Json], reason: str | None, wrote: int) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}}
    if reason:
        candidate["finishReason"] = reason
    read, thought = input_tokens(asked.fields), THOUGHTS if model.startswith(THINKING_MODELS) else 0
    usage = {
        "promptTokenCount": read,
        "candidatesTokenCount": wrote,
        "totalTokenCount": read + wrote + thought,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": read}],
        **({"thoughtsTokenCount": thought} if thought else {}),
    }
    told = {"usageMetadata": usage, "modelVersion": model, "responseId": ident("", asked, 22)}
    return {"candidates": [{**candidate, "index": 0}], **told}
