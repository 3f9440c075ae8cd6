"""OpenAI's API, and all that is compatible with it."""

from typing import Any

import msgspec

from app.gateway.formats import openai_requests
from app.gateway.formats.base import Api, GatewayError, Headers, Operation, Reading, Wanted
from app.gateway.formats.errors import QUOTA, headers_of
from app.gateway.formats.forms import Form
from app.gateway.formats.members import Members
from app.gateway.formats.openai_events import stream_of
from app.gateway.formats.readings import reading_of

_RATES, _SERVERS = 429, 500
_MAY_BE_SET = (None, False)
"""Whatever else stands for `include_usage` is a mistake, of which the provider tells."""


class OpenAI:
    """The format `openai`."""

    api = Api.OPENAI
    keep_alive = b": keep-alive\n\n"

    def read(self, operation: Operation, path_model: str | None, content_type: str, body: bytes) -> Wanted:
        """See `Format`."""
        return openai_requests.read(operation, content_type, body)

    def body_for(self, wanted: Wanted, body: bytes, model: str) -> bytes:
        """See `Format`."""
        values: dict[str, bytes] = {}
        source = wanted.source
        if model != wanted.model:
            values["model"] = model.encode() if isinstance(source, Form) else msgspec.json.encode(model)
        if wanted.stream and not wanted.asks_usage and isinstance(source, Members):
            options = source.value("stream_options") or {}
            if isinstance(options, dict) and options.get("include_usage") in _MAY_BE_SET:
                values["stream_options"] = msgspec.json.encode({**options, "include_usage": True})
        return body if source is None or not values else source.replaced(values)

    def path_for(self, operation: Operation, model: str) -> str:
        """See `Format`."""
        return f"/{operation}"

    def headers_for(self, key: str) -> list[tuple[str, str]]:
        """See `Format`."""
        return [("authorization", f"Bearer {key}")]

    def refusal(self, error: GatewayError, request_id: str) -> tuple[Headers, bytes]:
        """See `Format`."""
        return headers_of(error, request_id), msgspec.json.encode({"error": _error(error)})

    def stream_error(self, error: GatewayError, request_id: str, operation: Operation | None = None) -> bytes:
        """See `Format`. Of a response it says in one event what both OpenAI's SDK, which looks for `error`, and Codex,
        which looks for `response.failed`, take for an error.
        """
        told = _error(error)
        if operation is not Operation.RESPONSES:
            return b"data: %b\n\n" % msgspec.json.encode({"error": told})
        failed = {"code": told["code"], "message": told["message"]}
        response = {"id": request_id, "object": "response", "status": "failed", "error": failed, "output": []}
        event = {"type": "response.failed", "response": response, "error": told}
        return b"event: response.failed\ndata: %b\n\n" % msgspec.json.encode(event)

    def reading(self, wanted: Wanted, status: int, content_type: str) -> Reading:
        """See `Format`."""
        return reading_of(wanted, status, content_type, stream_of)


def _error(error: GatewayError) -> dict[str, Any]:
    told = {"message": error.message, "type": _type_of(error), "param": error.param, "code": error.code}
    return {**error.extra, **told}


def _type_of(error: GatewayError) -> str:
    if error.code == QUOTA:
        return QUOTA
    if error.status >= _SERVERS:
        return "server_error"
    return "requests" if error.status == _RATES else "invalid_request_error"
