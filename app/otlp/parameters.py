"""What OpenInference's instrumentations say of a request in one attribute: its parameters, as JSON."""

from typing import Any

from app.errors import InvalidRequestError
from app.http.serialization import decode
from app.otlp.attributes import PARAMETERS, Attributes, Found, first
from app.otlp.usage_attributes import MAX_OBJECT


def parameters_of(attributes: Attributes) -> dict[str, Any]:
    """OpenInference's parameters of the request; empty where they cannot be read."""
    found = first(attributes, PARAMETERS)
    if found is None or not isinstance(found.value, str) or len(found.value) > MAX_OBJECT:
        return {}
    try:
        parameters = decode(found.value.encode())
    except InvalidRequestError:
        return {}
    return parameters if isinstance(parameters, dict) else {}


def parameter(attributes: Attributes, key: str) -> Found | None:
    """One string of those parameters."""
    value = parameters_of(attributes).get(key)
    return Found(f"{key} in the invocation parameters", value) if isinstance(value, str) and value else None
