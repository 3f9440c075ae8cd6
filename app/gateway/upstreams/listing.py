"""`GET /v1/models` and `/v1/models/{id}`, in one shape that OpenAI's and Anthropic's SDKs read, and in Gemini's own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.gateway.formats.base import Api
from app.gateway.upstreams.catalog import ModelRow

_GEMINI_METHODS = ("generateContent", "streamGenerateContent", "countTokens")


def api_asked(headers: Mapping[str, str]) -> Api | None:
    """Whose models a client can use, by the headers of its SDK, in lower case: `/v1/models` is of all APIs."""
    if "anthropic-version" in headers:
        return Api.ANTHROPIC
    return Api.GEMINI if "x-goog-api-key" in headers or "x-goog-api-client" in headers else None


def listed(rows: Sequence[ModelRow]) -> bytes:
    """A whole list, for OpenAI's and Anthropic's SDKs: there are never more pages."""
    first, last = (rows[0].id, rows[-1].id) if rows else (None, None)
    data = [_shown(row) for row in rows]
    return msgspec.json.encode({"object": "list", "data": data, "has_more": False, "first_id": first, "last_id": last})


def single(row: ModelRow) -> bytes:
    return msgspec.json.encode(_shown(row))


def listed_for_gemini(rows: Sequence[ModelRow]) -> bytes:
    return msgspec.json.encode({"models": [_shown_for_gemini(row) for row in rows]})


def single_for_gemini(row: ModelRow) -> bytes:
    return msgspec.json.encode(_shown_for_gemini(row))


def _shown(row: ModelRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "model",
        "created": row.created,
        "owned_by": row.owned_by,
        "type": "model",
        "display_name": row.id,
        "created_at": datetime.fromtimestamp(row.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _shown_for_gemini(row: ModelRow) -> dict[str, Any]:
    return {
        "name": f"models/{row.id}",
        "displayName": row.id,
        "version": "",
        "supportedGenerationMethods": _GEMINI_METHODS,
    }
