"""What a call takes from the spans around it: who made it, in which conversation, for what."""

from typing import Any

from app.errors import InvalidRequestError
from app.http.serialization import decode
from app.otlp.attributes import CONTEXT, PARAMETERS, Attributes, Found, UnusableSpanError, first, name
from app.otlp.spans import SpanNode

Context = dict[str, Found]
"""By field of `AICall`."""

_SWITCH = {True: True, False: False, "true": True, "false": False}


def contexts_of(innermost_first: list[SpanNode]) -> dict[SpanNode, Context]:
    """The context of every span: its own attributes, else those of the nearest span around it."""
    contexts: dict[SpanNode, Context] = {}
    for node in reversed(innermost_first):
        around = contexts[node.parent] if node.parent else {}
        own = _own(node.attributes)
        contexts[node] = around | own if own else around  # shared where nothing is added: a chain stays cheap
    return contexts


def context_fields(context: Context, resource: Attributes) -> dict[str, Any]:
    """The context as fields of `AICall`, with the resource as the last source. Raises UnusableSpanError."""
    fields: dict[str, Any] = {}
    for field, names in CONTEXT.items():
        found = context.get(field) or first(resource, names)
        if found is not None:
            fields[field] = _switch(found) if field == "synthetic" else name(found)
    return fields


def parameters_of(attributes: Attributes) -> dict[str, Any]:
    """OpenInference's parameters of the request; empty where they cannot be read."""
    found = first(attributes, PARAMETERS)
    if found is None or not isinstance(found.value, str):
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


def _own(attributes: Attributes) -> Context:
    found = {field: first(attributes, names) for field, names in CONTEXT.items()}
    found["user_id"] = found["user_id"] or parameter(attributes, "user")
    return {field: said for field, said in found.items() if said is not None}


def _switch(found: Found) -> bool:
    """A string as well: attributes from the environment are always strings."""
    value = found.value.lower() if isinstance(found.value, str) else found.value
    if isinstance(value, bool | str) and value in _SWITCH:
        return _SWITCH[value]
    raise UnusableSpanError(f"{found.attribute} must be true or false")
