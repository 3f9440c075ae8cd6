"""From a neutral body to a request of the API that its model has."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from app.gateway.formats.base import Api, GatewayError, Headers, Operation
from app.gateway.neutral.bodies import Alias, ChatBody, ImageBody, VideoBody, read
from app.gateway.upstreams.catalog import ModelRow

ANSWER_TOKENS = 4_096
"""What Anthropic's API wants to be told, where nobody says it."""
_NEWER = frozenset({"openai", "azure"})
"""Providers whose newer models refuse `max_tokens`; those that are compatible may know nothing else."""


_MOST_ANSWERED = re.compile(r"(?<=end )(?:generationConfig\.maxOutputTokens|max_tokens)\b")


class Request(NamedTuple):
    """What is asked of the gateway instead."""

    alias: Alias
    api: Api
    operation: Operation
    path_model: str | None
    query: bytes
    body: bytes
    said: Headers
    """What the body says of the call, as the headers that say it elsewhere."""

    @property
    def streams(self) -> bool:
        return self.alias is Alias.CHAT_STREAM


def in_our_words(error: GatewayError) -> GatewayError:
    """The same refusal, with the name that our own form has for the field to send."""
    message, count = _MOST_ANSWERED.subn("maxTokens", error.message)
    return error if not count else replace(error, message=message, param=error.param and "maxTokens")


def request_of(alias: Alias, content: bytes, default: str | None, row_of: Callable[[str], ModelRow | None]) -> Request:
    """`default` is the model of a body that names none; `row_of` finds a model. Raises GatewayError."""
    body = read(alias, content)
    model = body.model or default
    if model is None:
        message = f"is required: this gateway's file has no default ([defaults] {alias.kind})"
        raise GatewayError(400, "invalid_request", f"model {message}", param="model", should_retry=False)
    row = row_of(model)
    api, provider = (Api.OPENAI, "") if row is None else (row.api, row.owned_by)
    said = [(b"x-user-id", body.user_id), (b"x-twinmeter-content-type", body.content_type)]
    headers = [(name, text.encode()) for name, text in said if text is not None]
    if isinstance(body, ChatBody):
        operation, fields = _CHATS[api](body, model, provider, streams=alias is Alias.CHAT_STREAM)
        path_model = model if api is Api.GEMINI else None
        query = b"alt=sse" if operation is Operation.STREAM_GENERATE else b""
        return Request(alias, api, operation, path_model, query, msgspec.json.encode(fields), headers)
    if api is not Api.OPENAI:
        message = f"pictures and videos are made through OpenAI's API here, and {model[:100]!r} has another"
        raise GatewayError(400, "unsupported_model", message, param="model", should_retry=False)
    operation = Operation.IMAGES if isinstance(body, ImageBody) else Operation.VIDEOS
    return Request(alias, api, operation, None, b"", msgspec.json.encode(_media(body, model)), headers)


def _media(body: ImageBody | VideoBody, model: str) -> dict[str, Any]:
    if isinstance(body, VideoBody):
        return {"model": model, "prompt": body.prompt, "seconds": str(body.seconds), "size": body.size}
    fields = {"model": model, "prompt": body.prompt, "n": body.count, "size": body.size, "quality": body.quality}
    return _without_none(fields)


def _openai(body: ChatBody, model: str, provider: str, *, streams: bool) -> tuple[Operation, dict[str, Any]]:
    fields = {
        "model": model,
        "messages": [{"role": each.role, "content": each.content} for each in body.conversation],
        "max_completion_tokens" if provider in _NEWER else "max_tokens": body.max_tokens,
        "temperature": body.temperature,
        "stream": True if streams else None,
    }
    return Operation.CHAT, _without_none(fields)


def _anthropic(body: ChatBody, model: str, _: str, *, streams: bool) -> tuple[Operation, dict[str, Any]]:
    fields = {
        "model": model,
        "system": _system(body),
        "messages": [
            {"role": each.role, "content": each.content} for each in body.conversation if each.role != "system"
        ],
        "max_tokens": body.max_tokens or ANSWER_TOKENS,
        "temperature": body.temperature,
        "stream": True if streams else None,
    }
    return Operation.MESSAGES, _without_none(fields)


def _gemini(body: ChatBody, _: str, __: str, *, streams: bool) -> tuple[Operation, dict[str, Any]]:
    system = _system(body)
    fields = {
        "systemInstruction": None if system is None else {"parts": [{"text": system}]},
        "contents": [
            {"role": "model" if each.role == "assistant" else "user", "parts": [{"text": each.content}]}
            for each in body.conversation
            if each.role != "system"
        ],
        "generationConfig": _without_none({"maxOutputTokens": body.max_tokens, "temperature": body.temperature})
        or None,
    }
    return (Operation.STREAM_GENERATE if streams else Operation.GENERATE), _without_none(fields)


_CHATS = {Api.OPENAI: _openai, Api.ANTHROPIC: _anthropic, Api.GEMINI: _gemini}


def _system(body: ChatBody) -> str | None:
    return "\n\n".join(each.content for each in body.conversation if each.role == "system") or None


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
