"""Foreign objects, opened: a response of any SDK, dictionary or object, laid out as plain names and values."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any

from pydantic import BaseModel

FlatUsage = dict[str, list[Any]]
Names = tuple[str, ...]

TAGS = ("modality", "ttl", "type")
"""What tells the items of a list apart, in every shape."""

_SCALARS = frozenset({NoneType, str, bytes, int, float, bool, Decimal})
_SCALAR = (str, bytes, int, float, Decimal, Enum)
_DEPTH = 6  # usage objects are four deep; what goes deeper was not made by a provider
_MOST_VALUES = 10_000  # a batch of embeddings has some thousands; more would hold up the caller's event loop
_LONG_KEY = 100
_HUMP = re.compile(r"(?=[A-Z])")


class UnreadableUsageError(ValueError):
    """A response whose tokens cannot be told. The message names the field and the reason, never content."""


def snake_case(key: str) -> str:
    """One spelling for all: Gemini and Bedrock write camelCase in JSON and snake_case in their SDKs, and OpenAI says
    both `prompt_tokens_details` (chat) and `prompt_token_details` (runs, realtime, transcription).
    """
    return _snake_case(key[:_LONG_KEY])  # no name is longer, and what is must not hold up the caller


@lru_cache(maxsize=2_048)
def _snake_case(key: str) -> str:
    if not key.islower():
        key = _HUMP.sub("_", key).lower()
    return f"{key.removesuffix('_token_details')}_tokens_details" if key.endswith("_token_details") else key


def follow(value: Any, path: Iterable[str]) -> Any:
    """What stands at `path` below `value`, by keys or attributes; None where there is nothing."""
    for name in path:
        if value is None:
            return None
        value = opened(value)
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def opened(value: Any) -> Any:
    """Make the members of an object of an SDK keys, where they are not plain attributes. A response can hold megabytes
    beside its usage: only an object that has no other way in is dumped whole.
    """
    if isinstance(value, dict) or type(value) in _SCALARS:
        return value
    if isinstance(value, BaseModel):
        # Mistral's SDK lists its extra fields among the fields a second time, under a private name
        return {name: member for name, member in {**vars(value), **(value.model_extra or {})}.items() if name[0] != "_"}
    return dict(value) if isinstance(value, Mapping) else _dumped(value)


def _dumped(value: Any) -> Any:
    kind = type(value)
    if hasattr(kind, "model_dump"):
        return kind.model_dump(value)
    if hasattr(kind, "to_dict"):  # with `pb` it is proto-plus, which gives enums as numbers unless told not to
        return kind.to_dict(value, use_integers_for_enums=False) if hasattr(kind, "pb") else kind.to_dict(value)
    if dataclasses.is_dataclass(kind):  # whose properties may be old names that warn
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(kind)}
    return value


def word_of(value: Any) -> str | None:
    """A short word, such as a tier: a text in one line, or the name of an enum's member."""
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    return value if isinstance(value, str) and 0 < len(value) <= _LONG_KEY and value.isprintable() else None


def is_leaf(value: Any) -> bool:
    """A list of numbers is one too: an embedding, in which there is nothing to find."""
    if type(value) in _SCALARS or isinstance(value, _SCALAR):
        return True
    return isinstance(value, Sequence) and bool(value) and isinstance(value[0], int | float | Decimal)


def flat_usage(value: Any, path: str = "") -> FlatUsage:
    """Lay a usage object of any kind out flat: path -> the values there, which are many only below a list or a `*`.

    Raises UnreadableUsageError where it holds more values than any usage does, and where one key has two values.
    """
    flat: FlatUsage = {}
    _lay_out(value, path, _DEPTH, flat, iter(range(_MOST_VALUES)))
    return flat


def flat_at(value: Any, place: Names) -> FlatUsage:
    """The object at `place`, laid out flat; empty where there is none."""
    if isinstance(value, dict) and place[0] not in value:
        return {}
    found = follow(value, place)
    return {} if found is None or is_leaf(found) else flat_usage(found)


def sum_of(leaves: list[Any]) -> Any:
    return sum(leaf for leaf in leaves if isinstance(leaf, int | float | Decimal))


def _lay_out(value: Any, path: str, depth: int, flat: FlatUsage, allowance: Iterator[int]) -> None:
    if next(allowance, None) is None:
        raise UnreadableUsageError(f"usage: holds more than {_MOST_VALUES} values")
    if type(value) in _SCALARS or is_leaf(value):
        flat.setdefault(path, []).append(value)
        parent, dot, _ = path.rpartition(".")
        if dot:
            flat.setdefault(f"{parent}.*", []).append(value)
    elif not depth:
        return
    elif isinstance(value, dict):
        for name, member in _members(value).items():
            _lay_out(member, f"{path}.{name}" if path else name, depth - 1, flat, allowance)
    elif isinstance(value, Sequence):
        for item in value:
            for tagged in _paths_of_item(item, path):
                _lay_out(item, tagged, depth - 1, flat, allowance)
    else:
        members = opened(value)
        _lay_out(members if isinstance(members, dict) else _attributes(members), path, depth, flat, allowance)


def _paths_of_item(item: Any, path: str) -> Iterator[str]:
    yield path
    for tag in TAGS:
        value = follow(item, (tag,))
        name = value.name if isinstance(value, Enum) else value  # an SDK gives an enum, JSON its name
        if isinstance(name, str) and len(name) <= _LONG_KEY:  # it stands in the path of each member
            yield f"{path}.{tag}={name}"


def _attributes(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name, None) for name in dir(value) if name[0].islower()}


def _members(value: dict[Any, Any]) -> dict[str, Any]:
    """The members that are not null. A key in two spellings is one member: added up, it would count twice."""
    if len(value) > _MOST_VALUES:
        raise UnreadableUsageError(f"usage: holds more than {_MOST_VALUES} values")
    members: dict[str, Any] = {}
    for key, member in value.items():
        if member is not None:
            name = snake_case(key if type(key) is str else str(key))
            members[name] = _one_of(name, members[name], member) if name in members else member
    return members


def _one_of(name: str, told: Any, again: Any) -> Any:
    if isinstance(told, dict) and isinstance(again, dict):
        return {**again, **told, **{key: _one_of(key, told[key], again[key]) for key in told.keys() & again.keys()}}
    if told and again and isinstance(told, int | float | Decimal) and told != again:
        raise UnreadableUsageError(f"{name}: is told twice, as {told} and as {again}")
    return told or again
