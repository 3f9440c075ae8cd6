"""The OpenAPI 3.1 description of the API, served at `/schema`."""

import asyncio
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from litestar import Request, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition
from pydantic import BaseModel, ConfigDict

from app import __version__

PATH = "/schema"
_BETWEEN_WORDS = re.compile(r"[\s_]")
_INSIDE_NAMES = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=[0-9])")


class _BelowPrefix(JsonRenderPlugin):
    """The description, whose server is the prefix under which it was asked for."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        servers = [{"url": request.scope["root_path"] or "/"}]
        return self.render_json(request, {**openapi_schema, "servers": servers})


def config() -> OpenAPIConfig:
    """How one application describes itself."""
    return OpenAPIConfig(
        title="twinmeter",
        version=__version__,
        description="AI usage and cost monitoring: report calls, read exact figures. Money is USD, durations are ms. "
        "Addresses of the gateway, such as /v1/chat/completions, are those of the providers' APIs, whose own "
        "descriptions hold; docs/gateway.md lists them, and has the bodies of /v1/generate and its like.",
        path=PATH,
        use_handler_docstrings=True,
        # no YAML: to write it took a second of the event loop for each request, and JSON is YAML
        render_plugins=[_BelowPrefix(path=["/", "/openapi.json"])],
        openapi_router=Router(PATH, route_handlers=[], include_in_schema=False, before_request=_described),
        security=[{"bearer": []}],
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT or API key")}
        ),
    )


async def _described(request: Request[Any, Any, Any]) -> None:
    """Have the description made in a thread, and once for all who wait for it: it takes most of a second."""
    plugin: Any = request.app.plugins.get("OpenAPIPlugin")
    state = request.app.state
    async with state.setdefault("describing", asyncio.Lock()):
        if state.get("described") is None:
            state.described = await asyncio.to_thread(lambda: entitle(plugin.provide_openapi_schema()))


def entitle(node: Any) -> Any:
    """Give fields titles that can be read, in place: "User id" where one was made of the name, such as "Userid"."""
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        entitle(each)
    fields = node.get("properties") if isinstance(node, dict) else None
    for name, field_schema in fields.items() if isinstance(fields, dict) else ():
        title = field_schema.get("title") if isinstance(field_schema, dict) else None
        if isinstance(title, str) and _BETWEEN_WORDS.sub("", title).lower() == _BETWEEN_WORDS.sub("", name).lower():
            field_schema["title"] = _INSIDE_NAMES.sub(" ", name).replace("_", " ").capitalize()
    return node


@dataclass
class JSONSchema(Schema):
    """A schema that is given as it is written."""

    raw: dict[str, Any] = field(default_factory=dict)

    def to_schema(self) -> dict[str, Any]:
        return self.raw


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model as clients send it, in one piece."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


def exemplified(example: dict[str, Any]) -> ConfigDict:
    """The configuration of a model whose description has an example of what is sent."""
    # the first is read by Litestar, the second by `schema_of`
    return cast("ConfigDict", {"example": example, "json_schema_extra": {"examples": [example]}})


def array_of(schema: dict[str, Any]) -> dict[str, Any]:
    """A list of what `schema` says."""
    return {"type": "array", "items": schema}


def body_described(content: dict[str, dict[str, Any]]) -> RequestBody:
    """The body of a request whose handler reads it by itself: schemas by media type."""
    media = {media_type: OpenAPIMediaType(schema=JSONSchema(raw=raw)) for media_type, raw in content.items()}
    return RequestBody(content=media, required=True)


def describe_waiting(operation: Operation, refusal: str) -> None:
    """Say how a sender asks for a shorter wait, and how it is refused: by the status `refusal`, and a time."""
    text, seconds = Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.INTEGER)
    wait = "`wait=N`: how many seconds the sender waits at most for the commit (RFC 7240)."
    prefer = Parameter(name="Prefer", param_in="header", description=wait, schema=text, required=False)
    operation.parameters = [*(operation.parameters or []), prefer]
    after = OpenAPIHeader(description="Seconds until there is room.", schema=seconds)
    why = "The calls would wait longer than their sender does. Nothing of them is stored: send them again then."
    refused = OpenAPIResponse(description=why, headers={"Retry-After": after})
    operation.responses = {**(operation.responses or {}), refusal: refused}


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items()}


class DecimalsAreNumbers(OpenAPISchemaPlugin):
    """Litestar takes a Decimal for a string; here it is a JSON number, see `app.http.serialization`."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return value is Decimal

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:  # noqa: ARG002
        return Schema(type=OpenAPIType.NUMBER)
