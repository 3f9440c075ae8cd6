"""What a call takes from the spans around it: who made it, in which conversation, for what."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from app.otlp.attributes import CONTEXT, Context, Found, UnusableSpanError, context_in, name, text
from app.otlp.shapes import Shape
from app.otlp.spans import Origin, SpanNode

HASHED = frozenset({"user_id", "conversation_id"})
"""Fields by which calls are told apart: of a text that is no name the hash stands for it."""
HASH_DIGITS = 32

_SWITCH = {True: True, False: False, "true": True, "false": False}


def contexts_of(innermost_first: list[SpanNode], shapes: Mapping[SpanNode, Shape]) -> dict[SpanNode, Context]:
    """The context of every span: its own attributes, else those of the nearest span around it."""
    contexts: dict[SpanNode, Context] = {}
    for node in reversed(innermost_first):
        around = contexts[node.parent] if node.parent else {}
        own = _own(node, shapes[node])
        contexts[node] = around | own if own else around  # shared where nothing is added: a chain stays cheap
    return contexts


def context_fields(context: Context, origin: Origin) -> tuple[dict[str, Any], list[str]]:
    """The context as fields of `AICall`; last of all the resource is asked. With it what was left out, and why.

    A meter counts a call whose user or conversation cannot be stored, and keeps it apart from those of others. But a
    load test that does not say so clearly is none of the bill: that raises UnusableSpanError.
    """
    fields: dict[str, Any] = {}
    left_out: list[str] = []
    around = origin.context
    for field, found in ((around | context) if around else context).items():
        if field == "synthetic":
            fields[field] = _switch(found)
            continue
        try:
            fields[field] = name(found)
        except UnusableSpanError as error:
            hashed = _hash_of(found) if field in HASHED else None
            if hashed is not None:
                fields[field] = hashed
            left_out.append(f"{error}: recorded {'under its hash' if hashed is not None else 'without it'}")
    if ("experiment" in fields) != ("variant" in fields):
        alone = "experiment" if fields.pop("variant", None) is None else "variant"
        fields.pop("experiment", None)
        left_out.append(f"{CONTEXT[alone][0]} is alone: recorded without it")
    return fields, left_out


def _hash_of(found: Found) -> str | None:
    """A name for a text that is none. It quotes nothing: what is that long is often no id but a token, or a record."""
    said = text(found)
    return None if said is None else f"sha256:{sha256(said.encode(errors='surrogatepass')).hexdigest()[:HASH_DIGITS]}"


def _own(node: SpanNode, shape: Shape) -> Context:
    found = context_in(node.attributes)
    if "user_id" not in found and shape.user is not None:
        found["user_id"] = shape.user
    return found


def _switch(found: Found) -> bool:
    """A string as well: attributes from the environment are always strings."""
    value = found.value.lower() if isinstance(found.value, str) else found.value
    if isinstance(value, bool | str) and value in _SWITCH:
        return _SWITCH[value]
    raise UnusableSpanError(f"{found.attribute} must be true or false")
