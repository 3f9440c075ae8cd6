"""Responses of the kinds that nearly all are of, read at a glance: in a tenth of the time of `reader.py`, with the same
result.

Where anything stands that is not of a known form (`forms.py`), or counts do not add up as they should, nothing is said
here, and the reader looks at the response with all its care.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from app.usage.forms import USUAL_TIERS, counts_of, is_of_messages
from app.usage.pictures import is_maker
from models.fields import MAX_NAME

Event = dict[str, Any]

_PLACES = ("usage", "usageMetadata", "usage_metadata")
_MODELS = ("model", "modelVersion", "model_version")
_OTHER_MODELS = frozenset(_MODELS[1:])
_WORDS: Mapping[str, frozenset[str]] = {
    "object": frozenset({"chat.completion", "chat.completion.chunk", "response", "list"}),
    "type": frozenset({"message", "response"}),
    "service_tier": USUAL_TIERS,
}
_SILENT = ("id", "responseId", "response_id", "created", "created_at", "role", "status", "system_fingerprint")
_RESPONSE = frozenset({*_PLACES, *_MODELS, *_WORDS, *_SILENT, "finish_reason", "stop_reason", "stop_sequence"})
"""Members of a response of which none says anything of the bill, but the usage and the model,"""
_LISTS = frozenset({"data", "candidates"})
"""and those that do not where they are embeddings, and answers without a search."""
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_BEGINNINGS = frozenset({"response.created", "response.in_progress", "response.queued"})
_OF_THE_END = frozenset({"output_tokens", "output_tokens_details"})


def glance(response: Sequence[Any], model: str | None) -> dict[str, Any] | None:
    """What `reported_of` says of the events of a response, where they are of a kind that is known here."""
    if (events := _events(response)) is None:
        return None
    usages, named = [], None
    for event in events:
        if not _is_ordinary(event):
            return None
        told = [name for place in _MODELS if (name := event.get(place)) is not None]
        if len(told) > 1 or (told and not _is_name(told[0])):
            return None
        named = told[0] if told else named
        found = [usage for place in _PLACES if (usage := event.get(place)) is not None]
        if len(found) > 1 or (found and type(found[0]) is not dict):
            return None
        usages += found
    answered = named or model
    if not usages or (answered and is_maker(answered)) or (counts := counts_of(usages)) is None:
        return None
    return {"model": named, **counts} if named else counts


def _events(response: Sequence[Any]) -> Sequence[Event] | None:
    """The events that say something, each as a response of its own."""
    if {*map(type, response)} != {dict}:
        return None
    first = response[0]
    if "response" in first:
        return _answer(response)
    if len(response) == 2:  # noqa: PLR2004 - a beginning, and an end
        last = response[1]
        if first.keys() == {"usage"}:
            return _message(first, last, around=last) or response
        if first.get("type") == "message_start":
            is_plain = first.keys() == {"type", "message"} and last.keys() == {"type", "usage"}
            begun = first["message"] if is_plain and last["type"] == "message_delta" else None
            return _message(begun, last, around=begun) if _is_inner(begun) else None
    return response


def _answer(response: Sequence[Event]) -> Sequence[Event] | None:
    """Of OpenAI's responses: the whole answer, as it is at the end of a stream."""
    *before, last = response
    kinds = [event.get("type") for event in before]
    if not all(event.keys() == {"type", "response"} and _is_inner(event["response"]) for event in response):
        return None
    if not (type(last["type"]) is str and last["type"] in _ENDS):
        return None
    if not all(type(kind) is str and kind in _BEGINNINGS for kind in kinds):
        return None
    answers = [event["response"] for event in response]
    if any(answer.get(place) is not None for answer in answers[:-1] for place in _PLACES):
        return None
    return answers


def _message(begun: Event, ended: Event, *, around: Event) -> Sequence[Event] | None:
    """Of Anthropic's: the beginning of a stream has the input, and the end all of the output."""
    first, last = begun.get("usage"), ended.get("usage")
    if type(first) is not dict or type(last) is not dict:
        return None
    if not (is_of_messages(first) and is_of_messages(last)):  # also of the same counts: false is equal to 0
        return None
    if type(output := last.get("output_tokens")) is not int or output < 1:
        return None
    if any(value is not None and value != first.get(name) for name, value in last.items() if name not in _OF_THE_END):
        return None
    whole = {**first, **{name: last[name] for name in _OF_THE_END if name in last}}
    return [{"usage": first}, {**around, "usage": whole}]


def _is_inner(event: Any) -> TypeGuard[Event]:
    """Whether it may lie in another event: there a model has one name only."""
    return type(event) is dict and _OTHER_MODELS.isdisjoint(event)


def _is_ordinary(event: Event) -> bool:
    """Whether it is billed by its counts alone, at the usual price."""
    if not event.keys() <= _RESPONSE and not _has_usual_lists(event):
        return False
    if type(usage := event.get("usage_metadata")) is dict and "input_tokens" in usage:
        return False  # LangChain's, which are added up
    for name, usual in _WORDS.items():
        if (word := event.get(name)) is not None and (type(word) is not str or word not in usual):
            return False
    return True


def _has_usual_lists(event: Event) -> bool:
    lists = event.keys() - _RESPONSE
    if not lists <= _LISTS or any(type(event[name]) is not list for name in lists):
        return False
    if "data" in lists and event.get("created") is not None:
        return False  # images
    return all(type(each) is dict and each.keys() <= {"content"} for each in event.get("candidates", ()))


def _is_name(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_NAME and value.isprintable()
