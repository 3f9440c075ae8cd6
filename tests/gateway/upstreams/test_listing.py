"""The list of models is read by the SDKs as their own provider's."""

import json
from datetime import UTC, datetime

import anthropic
import httpx
import httpx2
import openai
from google import genai
from google.genai import types

from app.gateway.formats.base import Api
from app.gateway.upstreams import listing
from app.gateway.upstreams.catalog import ModelRow

ROWS = [
    ModelRow("gpt-4o", "openai", Api.OPENAI, 1_780_000_000),
    ModelRow("openai/o1", "openrouter", Api.OPENAI, 1_780_000_000),
]


def told(path: str, api: Api | None) -> bytes:
    """What a route answers."""
    if path.endswith("gpt-4o"):
        return listing.single_for_gemini(ROWS[0]) if api is Api.GEMINI else listing.single(ROWS[0])
    return listing.listed_for_gemini(ROWS) if api is Api.GEMINI else listing.listed(ROWS)


def answer(request: httpx2.Request) -> httpx2.Response:
    content = told(
        request.url.path, listing.api_asked({name.lower(): value for name, value in request.headers.items()})
    )
    return httpx2.Response(200, content=content, headers={"content-type": "application/json"})


def test_openais_sdk_reads_it() -> None:
    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http)

    models = list(client.models.list())

    assert [(model.id, model.object, model.created, model.owned_by) for model in models] == [
        ("gpt-4o", "model", 1_780_000_000, "openai"),
        ("openai/o1", "model", 1_780_000_000, "openrouter"),
    ]
    assert client.models.retrieve("gpt-4o") == models[0]


def test_anthropics_sdk_reads_it() -> None:
    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http)

    models = list(client.models.list(limit=1_000))

    assert [(model.id, model.type, model.display_name) for model in models] == [
        ("gpt-4o", "model", "gpt-4o"),
        ("openai/o1", "model", "openai/o1"),
    ]
    assert models[0].created_at == datetime.fromtimestamp(1_780_000_000, UTC)
    assert client.models.retrieve("gpt-4o") == models[0]


def test_googles_sdk_reads_its_own_shape() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        content = told(request.url.path, listing.api_asked(request.headers))
        return httpx.Response(200, content=content, headers={"content-type": "application/json"})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    options = types.HttpOptions(base_url="http://gateway", httpx_client=http)
    client = genai.Client(api_key="k", http_options=options)

    assert [model.name for model in client.models.list()] == ["models/gpt-4o", "models/openai/o1"]
    assert client.models.get(model="gpt-4o").supported_actions == [
        "generateContent",
        "streamGenerateContent",
        "countTokens",
    ]


def test_an_empty_list_is_one() -> None:
    assert json.loads(listing.listed([])) == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
