"""The description of the interface: OpenAPI 3.1, served at `/schema`."""

from decimal import Decimal
from typing import Any

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

PATH = "/schema"
CONFIG = OpenAPIConfig(
    title="twinmeter",
    version="0.1.0",
    description="AI usage and cost monitoring: report calls, read exact figures. Money is USD, durations are ms.",
    path=PATH,
    render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"]), YamlRenderPlugin()],
    security=[{"bearer": []}],
    components=Components(
        security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT or API key")}
    ),
)


class DecimalsAreNumbers(OpenAPISchemaPlugin):
    """Litestar takes a Decimal for a string; here it is a JSON number, see `app.serialization`."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return value is Decimal

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:  # noqa: ARG002
        return Schema(type=OpenAPIType.NUMBER)
