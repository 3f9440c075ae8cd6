"""A call sent over HTTP with the provider's own usage: from there on it is one of plain fields, as any other."""

from collections.abc import Mapping
from types import NoneType
from typing import Any

import msgspec

from app.errors import invalid
from app.usage.reader import NOT_REPORTED, model_of
from app.usage.responses import reported_of, unless_told
from models import CallStatus
from models.base import camel
from models.call import UNKNOWN_MODEL, AICall

USAGE, RESPONSE = "usage", "response"
MAX_BYTES = 16_000
"""Of either as JSON. A usage object has some hundreds, with all steps of an agent some thousands."""
MAX_VALUES = 1_000
MAX_EVENTS = 100
"""That are looked at: more would hold up the event loop."""

_OWN_NAMES = {camel(name): name for name in AICall.model_fields}
_TELLS_USE = frozenset(
    {
        *("tokens_used", "input_tokens", "output_tokens", "input_text", "output_text", "cost"),
        *("images", "characters", "audio_seconds", "video_seconds"),
    }
)
_NOTHING = (NoneType, dict, list)
_OBJECT = {dict}
_BETWEEN_VALUES = (b",", b"{", b"[")
_UNREADABLE = frozenset({"unreadable_usage", "unreadable_reason"})


def has_usage(sent: Mapping[str, Any]) -> bool:
    """Whether a call has something for `in_plain_fields`."""
    return USAGE in sent or RESPONSE in sent


def in_plain_fields(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `AICall`, by their own names, that a sent call has: those that it tells, and under them what its
    `usage` and its `response` say. Null tells nothing.

    `usage` is a provider's usage object, or of a stream those of its events, in order; `response` what else of the
    response, or of the events, is no text. What cannot be read of them is recorded as unreadable, as by `reported_of`.

    Raises InvalidRequestError where they are too large, or no objects.
    """
    told = {_OWN_NAMES.get(name, name): value for name, value in sent.items() if value is not None}
    if len(told) < len(sent):
        _refuse_two_names({name for name, value in sent.items() if value is not None})
    usage, response = told.pop(USAGE, None), told.pop(RESPONSE, None)
    values = _values_in(USAGE, usage) + _values_in(RESPONSE, response)
    if not values:
        return told
    events = _events(usage, response)
    provider, model = (told[name] if type(told.get(name)) is str else None for name in ("provider", "model"))
    is_looked_at = values <= MAX_VALUES and len(events) <= MAX_EVENTS
    read = reported_of(events, provider, model) if is_looked_at else _not_looked_at(events)
    if read.get("unreadable_reason") == NOT_REPORTED and _tells_what_was_used(told):
        read = {name: fact for name, fact in read.items() if name not in _UNREADABLE}
    return {"model": UNKNOWN_MODEL, **unless_told(read, told)}


def _values_in(field: str, value: Any) -> int:
    """About how many there are; 0 for nothing. Raises InvalidRequestError."""
    if not value and type(value) in _NOTHING:
        return 0
    if {*map(type, value if type(value) is list else [value])} != _OBJECT:
        raise invalid(field, "must be a JSON object, or a list of objects")
    encoded = msgspec.json.encode(value)
    if len(encoded) > MAX_BYTES:
        raise invalid(field, f"has more than {MAX_BYTES:,} bytes; no texts are needed")
    return sum(map(encoded.count, _BETWEEN_VALUES))


def _events(usage: Any, response: Any) -> list[dict[str, Any]]:
    """As a stream would have them: each usage in an event of its own, the last in the last of the response."""
    usages, events = _listed(usage), _listed(response)
    if not usages or not events:
        return events or [{USAGE: each} for each in usages]
    return [*events[:-1], *[{USAGE: each} for each in usages[:-1]], {**events[-1], USAGE: usages[-1]}]


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else [value] if value else []


def _not_looked_at(events: list[dict[str, Any]]) -> dict[str, Any]:
    answered = model_of(events[-1:])
    reason = f"usage: with its response, has more than {MAX_VALUES:,} values, or {MAX_EVENTS} events"
    return ({"model": answered} if answered else {}) | {"unreadable_usage": True, "unreadable_reason": reason}


def _refuse_two_names(names: set[str]) -> None:
    for name, own in _OWN_NAMES.items():
        if name != own and {name, own} <= names:
            raise invalid(name, f"is told twice, as {own} too; leave one of them out")


def _tells_what_was_used(told: Mapping[str, Any]) -> bool:
    """Whether nothing is missing where the response has no usage: the call tells it, or has failed."""
    failed = told.get("success") is False or told.get("status", CallStatus.SUCCESS) != CallStatus.SUCCESS
    return failed or not _TELLS_USE.isdisjoint(told)
