"""Anthropic's API."""

import re
from typing import Any

import msgspec

from app.gateway.formats.anthropic_events import stream_of
from app.gateway.formats.base import Api, GatewayError, Headers, Operation, Reading, Wanted
from app.gateway.formats.contents import Tally
from app.gateway.formats.errors import QUOTA, headers_of
from app.gateway.formats.members import Members, invalid
from app.gateway.formats.readings import reading_of
from app.gateway.formats.tools import Tools
from models import ServiceType

_DESCRIBED = re.compile(r"(bash|text_editor|computer|memory)_\d+")
"""Tools that the caller runs, and Anthropic describes."""
_CALLERS = frozenset({"", "custom"})
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVERS = 500


class Anthropic:
    """The format `anthropic`."""

    api = Api.ANTHROPIC
    keep_alive = b'event: ping\ndata: {"type": "ping"}\n\n'

    def read(self, operation: Operation, path_model: str | None, content_type: str, body: bytes) -> Wanted:
        """See `Format`."""
        members = Members(body)
        if (model := members.word("model")) is None:
            raise invalid("model", "is required: the name of the model that is to answer")
        tools = Tools(members.raw("tools"), is_own=_is_described, is_remote=_is_remote)
        tally = Tally(len(body))
        tally.take_messages(members.raw("messages"))
        tally.take_messages(members.raw("system"))
        tally.tool_tokens = tools.tokens
        tally.open_ended |= tools.remote or "container" in members or "mcp_servers" in members
        asked: dict[str, Any] = {
            "max_output_tokens": members.count("max_tokens"),
            "web_searches": tools.most_uses or None,
            "service_tier": "standard" if members.word("service_tier") == "standard_only" else None,
        }
        return Wanted(
            Api.ANTHROPIC,
            operation,
            model,
            stream=members.flag("stream"),
            user=_user(members.value("metadata")),
            asks_usage=True,
            asked={name: value for name, value in asked.items() if value is not None},
            repeatable=members.value("temperature") in (0, 0.0) and not tally.open_ended,
            tools=tools.any,
            service_type=ServiceType.CHAT,
            content_type="chat",
            counted=operation is not Operation.COUNT_TOKENS,
            sent=tally.sent(),
            source=members,
        )

    def body_for(self, wanted: Wanted, body: bytes, model: str) -> bytes:
        """See `Format`."""
        if model == wanted.model or wanted.source is None:
            return body
        return wanted.source.replaced({"model": msgspec.json.encode(model)})

    def path_for(self, operation: Operation, model: str) -> str:
        """See `Format`."""
        return f"/v1/{operation}"

    def headers_for(self, key: str) -> list[tuple[str, str]]:
        """See `Format`."""
        return [("x-api-key", key)]

    def refusal(self, error: GatewayError, request_id: str) -> tuple[Headers, bytes]:
        """See `Format`."""
        headers = [*headers_of(error, request_id), (b"request-id", request_id.encode("latin-1", "replace"))]
        return headers, msgspec.json.encode(_error(error, request_id))

    def stream_error(self, error: GatewayError, request_id: str, operation: Operation | None = None) -> bytes:
        """See `Format`."""
        return b"event: error\ndata: %b\n\n" % msgspec.json.encode(_error(error, request_id))

    def reading(self, wanted: Wanted, status: int, content_type: str) -> Reading:
        """See `Format`."""
        return reading_of(wanted, status, content_type, stream_of)


def _error(error: GatewayError, request_id: str) -> dict[str, Any]:
    told = {**error.extra, "type": _type_of(error), "message": error.message}
    return {"type": "error", "error": told, "request_id": request_id}


def _type_of(error: GatewayError) -> str:
    if error.code == QUOTA:
        return "billing_error"
    return _TYPES.get(error.status, "api_error" if error.status >= _SERVERS else "invalid_request_error")


def _user(metadata: object) -> str | None:
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return user if isinstance(user, str) else None


def _is_described(kind: str) -> bool:
    return _DESCRIBED.fullmatch(kind) is not None


def _is_remote(kind: str) -> bool:
    return kind not in _CALLERS and not _is_described(kind)
