"""What a span says of its usage and its bill: the attributes whose names mean so, with objects among them opened."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from app.otlp.usage_names import IN_METADATA, MAX_NAME, PROVIDER_METADATA, Meaning

Value = str | bool | int | float | None
"""None is a value that is there, in a form that nothing here reads: a list, bytes, an object that is too large."""

SCALARS = frozenset({"string_value", "bool_value", "int_value", "double_value"})
MAX_OBJECT = 100_000
"""Characters of an object as JSON: a hundred times what one of usage has."""
_DEPTH = 6
"""Objects within objects; usage has three. What lies deeper is there, and nothing here reads it."""
_json = msgspec.json.Decoder()


class Said(NamedTuple):
    """One thing that a span says of its usage, and under which name."""

    attribute: str
    meaning: Meaning
    value: Value


def leaves_of(attribute: str, value: AnyValue, kind: str) -> Iterator[tuple[str, Value]]:
    """An attribute of usage, or each member of the object that it holds as JSON or as a map, under its path."""
    if kind == "kvlist_value":
        yield from _leaves(attribute, _plain(value, _DEPTH), _DEPTH)
    elif kind == "string_value" and value.string_value[:1] in {"{", "["}:
        yield from _leaves(attribute, _decoded(value.string_value), _DEPTH)
    else:
        yield attribute[:MAX_NAME], getattr(value, kind) if kind in SCALARS else None


def leaves_of_metadata(value: AnyValue) -> Iterator[tuple[str, Value]]:
    """What the Vercel AI SDK passes on of a provider's own words, where it is usage."""
    metadata = _decoded(value.string_value)
    for path in IN_METADATA:
        found = metadata
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, str | int | float):
            yield f"{PROVIDER_METADATA}.{path}", found


def _leaves(attribute: str, content: Any, depth: int) -> Iterator[tuple[str, Value]]:
    if isinstance(content, dict) and depth:
        for name, member in content.items():
            if member is not None:
                yield from _leaves(f"{attribute}.{name}"[:MAX_NAME], member, depth - 1)
    elif isinstance(content, list) and depth and all(map(_is_of_a_modality, content)):
        for item in content:  # as Gemini tells counts apart
            rest = {name: member for name, member in item.items() if name != "modality"}
            yield from _leaves(f"{attribute}.{item['modality']}"[:MAX_NAME], rest, depth - 1)
    else:
        yield attribute[:MAX_NAME], content if isinstance(content, str | bool | int | float) else None


def _is_of_a_modality(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("modality"), str)


def _decoded(text: str) -> Any:
    """What `text` holds as JSON; `...` where that cannot be read."""
    if len(text) > MAX_OBJECT:
        return ...
    try:
        return _json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return ...


def _plain(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {pair.key: _plain(pair.value, depth - 1) for pair in value.kvlist_value.values} if depth else ...
    if kind is None:
        return None
    return getattr(value, kind) if kind in SCALARS else ...
