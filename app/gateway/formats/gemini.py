"""Gemini's API, as Google's AI Studio has it."""

from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from app.gateway.formats.base import Api, GatewayError, Headers, Operation, Reading, Wanted
from app.gateway.formats.contents import Tally
from app.gateway.formats.errors import headers_of
from app.gateway.formats.gemini_events import stream_of
from app.gateway.formats.members import Members, checked_word, decoded, invalid
from app.gateway.formats.readings import reading_of
from app.gateway.formats.tools import MOST_SEARCHES
from models import ServiceType

MOST_ANSWERS = 128
_EMBEDS = frozenset({Operation.EMBED_CONTENT, Operation.BATCH_EMBED_CONTENTS})
_OWN_TOOLS = frozenset({"functionDeclarations", "function_declarations"})
_STATUSES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}
_SERVERS = 500
_PREFIX = "models/"


class Gemini:
    """The format `gemini`."""

    api = Api.GEMINI
    keep_alive = b"\n"
    """An empty line: Google's SDK takes a comment for the beginning of an error."""

    def read(self, operation: Operation, path_model: str | None, content_type: str, body: bytes) -> Wanted:
        """See `Format`."""
        members = Members(body)
        model = checked_word((path_model or "").removeprefix(_PREFIX), "model")
        if operation in _EMBEDS:
            return _embedding(operation, model, members, len(body))
        tally = Tally(len(body))
        for name in ("contents", "systemInstruction", "system_instruction"):
            tally.take_contents(members.raw(name))
        remote, has_tools = _tools(members.raw("tools"))
        tally.open_ended |= remote or "cachedContent" in members or "cached_content" in members
        config = _Config(members)
        answers = config.count("candidateCount", most=MOST_ANSWERS) or 1
        asked: dict[str, Any] = {
            "max_output_tokens": config.count("maxOutputTokens"),
            "answers": answers if answers > 1 else None,
            "web_searches": MOST_SEARCHES if remote else None,
        }
        return Wanted(
            Api.GEMINI,
            operation,
            model,
            stream=operation is Operation.STREAM_GENERATE,
            user=None,
            asks_usage=True,
            asked={name: value for name, value in asked.items() if value is not None},
            repeatable=config.value("temperature") in (0, 0.0) and answers == 1 and not tally.open_ended,
            tools=has_tools,
            service_type=ServiceType.CHAT,
            content_type="chat",
            counted=operation is not Operation.COUNT_CONTENT_TOKENS,
            sent=tally.sent(),
            source=members,
        )

    def body_for(self, wanted: Wanted, body: bytes, model: str) -> bytes:
        """See `Format`. The model is in the address; a body that names it as well has to agree."""
        if model == wanted.model or not isinstance(source := wanted.source, Members):
            return body
        values: dict[str, bytes] = {}
        if "model" in source:
            values["model"] = msgspec.json.encode(_PREFIX + model)
        if wanted.operation is Operation.BATCH_EMBED_CONTENTS and (requests := source.raw("requests")) is not None:
            values["requests"] = _renamed(requests, model)
        return source.replaced(values) if values else body

    def path_for(self, operation: Operation, model: str) -> str:
        """See `Format`."""
        return f"/v1beta/models/{quote(model, safe='')}:{operation}"

    def headers_for(self, key: str) -> list[tuple[str, str]]:
        """See `Format`."""
        return [("x-goog-api-key", key)]

    def refusal(self, error: GatewayError, request_id: str) -> tuple[Headers, bytes]:
        """See `Format`."""
        return headers_of(error, request_id), msgspec.json.encode({"error": _error(error)})

    def stream_error(self, error: GatewayError, request_id: str, operation: Operation | None = None) -> bytes:
        """See `Format`."""
        return b"data: %b\n\n" % msgspec.json.encode({"error": _error(error)})

    def reading(self, wanted: Wanted, status: int, content_type: str) -> Reading:
        """See `Format`."""
        return reading_of(wanted, status, content_type, stream_of)


class _Config:
    """The generation's, whose names Google takes in both spellings."""

    def __init__(self, members: Members) -> None:
        told = [members.value(name) for name in ("generationConfig", "generation_config")]
        self._told = {key: value for each in told if isinstance(each, dict) for key, value in each.items()}

    def value(self, name: str) -> Any:
        return self._told.get(name, self._told.get(_snake(name)))

    def count(self, name: str, *, most: int = 1_000_000_000) -> int | None:
        value = self.value(name)
        if value is not None and (type(value) is not int or not 0 <= value <= most):
            raise invalid(f"generationConfig.{name}", f"must be a whole number from 0 to {most}")
        return value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


class _EmbedRequest(Struct):
    content: Raw = Raw(b"")


_EMBED_REQUESTS = msgspec.json.Decoder(list[_EmbedRequest])


def _embedding(operation: Operation, model: str, members: Members, size: int) -> Wanted:
    tally = Tally(size)
    tally.take_contents(members.raw("content"))
    try:
        requests = _EMBED_REQUESTS.decode(members.raw("requests") or b"[]")
    except (msgspec.DecodeError, RecursionError):
        requests, tally.open_ended = [], True
    for request in requests:
        tally.take_contents(request.content if memoryview(request.content) else None)
    return Wanted(
        Api.GEMINI,
        operation,
        model,
        stream=False,
        user=None,
        asks_usage=True,
        asked={},
        repeatable=True,
        tools=False,
        service_type=ServiceType.EMBEDDING,
        content_type="embedding",
        sent=tally.sent(),
        source=members,
    )


def _renamed(requests: Raw, model: str) -> bytes:
    """Each request of a batch names the model of its address once more."""
    told = decoded(requests, "requests")
    each = [{**one, "model": _PREFIX + model} if isinstance(one, dict) and "model" in one else one for one in told]
    return msgspec.json.encode(each)


def _tools(raw: Raw | None) -> tuple[bool, bool]:
    """Whether Google runs one of the tools, and whether there is any."""
    tools = [] if raw is None else decoded(raw, "tools")
    listed = [tool for tool in (tools if isinstance(tools, list) else [tools]) if isinstance(tool, dict)]
    return any(not tool.keys() <= _OWN_TOOLS for tool in listed), bool(listed)


def _error(error: GatewayError) -> dict[str, Any]:
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.code.upper(),
            "domain": "twinmeter",
            "metadata": {name: str(value) for name, value in error.extra.items()},
        }
    ]
    if error.retry_after is not None:
        wait = f"{error.retry_after}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait})
    usual = "UNAVAILABLE" if error.status >= _SERVERS else "INVALID_ARGUMENT"
    status = _STATUSES.get(error.status, usual)
    return {"code": error.status, "message": error.message, "status": status, "details": details}
