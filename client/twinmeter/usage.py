"""From a provider's response, or the events of its stream, to the fields of a call: the server reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twinmeter.told import MODELS, NESTED, Fields, TooLargeError, is_trivial, step, told_of
from twinmeter.values import dumps

MOST_BYTES = 16_000
"""Of JSON, that the server takes of one response."""
MOST_CHARACTERS = 900_000
"""Of a text that is told by its length: the server takes no longer row than one of 1 MB."""
UNTOLD = "usage: not reported; a streamed OpenAI chat needs stream_options.include_usage"
TOO_LARGE = f"usage: with what else is read of the response, more than {MOST_BYTES:,} bytes"

_TEXTS: tuple[tuple[str | int, ...], ...] = (
    ("choices", 0, "delta", "content"),  # OpenAI chat and what is compatible with it
    ("delta", "text"),  # Anthropic
    ("delta",),  # OpenAI responses: response.output_text.delta
    ("candidates", 0, "content", "parts", 0, "text"),  # Gemini
    ("contentBlockDelta", "delta", "text"),  # Bedrock ConverseStream
    ("data", "choices", 0, "delta", "content"),  # Mistral's SDK
)
"""Where an event of a stream has its piece of the answer; the server looks in the same places."""


def text_of(event: Any) -> str | None:
    """The piece of the answer in one event of a stream."""
    for path in _TEXTS:
        found = event
        for name in path:
            found = step(found, name)
            if found is None:
                break
        if isinstance(found, str):
            return found
    return None


def fields_of(response: Any) -> Fields:
    """Of a complete response: `usage` and `response` as `twinmeter.track` takes them."""
    try:
        if isinstance(response, (list, tuple)):
            return _sendable({"response": [told for event in response if (told := told_of(event))]})
        told = told_of(response)
        usage = told.pop("usage", None)
        return _sendable({"usage": usage, "response": told}) if told or usage else _unreadable(UNTOLD)
    except Exception as error:
        return _unreadable_by(error)


def names_model(fields: Fields) -> bool:
    """Whether what was read of a response names the model that answered."""
    told = fields.get("response") or ()
    return any(_names_model(event) for event in (told if isinstance(told, list) else [told]))


def _names_model(told: Any, depth: int = 3) -> bool:
    if not isinstance(told, dict):
        return False
    if any(told.get(name) for name in MODELS):
        return True
    return depth > 0 and any(_names_model(member, depth - 1) for name, member in told.items() if name in NESTED)


class Events:
    """The events of a stream, of which only what they say beside their texts is kept."""

    def __init__(self) -> None:
        self._told: list[Fields] = []
        self._characters = 0
        self._any = False
        self._unreadable: Fields = {}
        self._head: Any = None
        """Of the last chunk of a chat that held nothing but a word: those that follow are mostly like it."""

    def add(self, event: Any) -> bool:
        """Take one event. Whether it holds a piece of the answer."""
        self._any = True
        text = None
        try:
            text = text_of(event)
            self._characters += len(text or "")
            head = _head_of(event)
            if head is None or head != self._head:
                self._take(told_of(event))
                self._head = head
        except Exception as error:
            self._unreadable = _unreadable_by(error)
        return bool(text)

    def _take(self, told: Fields) -> None:
        if is_trivial(told):
            return
        last = self._told[-1] if self._told else {}
        if last and _says_more(told, last):
            self._told[-1] = told
        elif told != last or tells_usage(told):
            self._told.append(told)

    def fields(self) -> Fields:
        """`usage` and `response`; where no event told of a usage, the length of the text, of which an estimate is made.

        Of the text nothing is told but how long it is.
        """
        if not self._any or self._unreadable:
            return self._unreadable
        told = [dict(event) for event in self._told]
        if not any(tells_usage(event) for event in told):
            return {**_sendable({"response": told}), "output_text": "x" * min(self._characters, MOST_CHARACTERS)}
        usages = [event.pop("usage") for event in told if isinstance(event.get("usage"), dict)]
        if usages and all(event == told[0] for event in told) and "type" not in told[0]:
            return _sendable({"usage": usages, "response": told[0]})
        return _sendable({"response": [dict(event) for event in self._told]})


def _says_more(later: Fields, earlier: Fields) -> bool:
    """Whether the counts of an event replace those of the one before: Gemini, for one, has the counts so far in each.

    That is where it has the same members, or more, and the same words in them; the server lets the last count hold.
    """
    if "type" in later or _is_addend(later) or not tells_usage(earlier):
        return False
    leaves = dict(_leaves(later))
    kept = all(
        path in leaves and (leaf == leaves[path] or not isinstance(leaf, str)) for path, leaf in _leaves(earlier)
    )
    return kept and any(leaf and not isinstance(leaf, str) for leaf in leaves.values())


def _leaves(told: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if told and isinstance(told, (dict, list)):
        for name, member in told.items() if isinstance(told, dict) else enumerate(told):
            yield from _leaves(member, (*path, name))
    else:
        yield path, told


def _is_addend(told: Fields) -> bool:
    """LangChain's chunks are made to be added up."""
    usage = told.get("usage_metadata")
    return isinstance(usage, dict) and "input_tokens" in usage


def _head_of(event: Any) -> Any:
    """What a chunk of a chat tells where it holds but a word; None where it may tell more."""
    own = event if type(event) is dict else getattr(event, "__dict__", None)
    if not own or not own.get("choices") or own.get("usage") or own.get("x_groq"):
        return None
    more = getattr(event, "__pydantic_extra__", None)
    if more and not more.keys() <= _PADDING:
        return None
    return own.get("model"), own.get("service_tier"), own.get("id")


_PADDING = frozenset({"obfuscation"})


def tells_usage(told: Any, depth: int = 3) -> bool:
    """Whether what was read of a response, or of an event, says what was used."""
    if not isinstance(told, dict):
        return False
    return any(
        "usage" in name.lower() or "token" in name.lower() or (depth > 0 and tells_usage(member, depth - 1))
        for name, member in told.items()
    )


def _sendable(fields: Fields) -> Fields:
    fields = {name: value for name, value in fields.items() if value}
    return _unreadable(TOO_LARGE) if any(_is_too_large(value) for value in fields.values()) else fields


def _unreadable(reason: str) -> Fields:
    return {"unreadable_usage": True, "unreadable_reason": reason}


def _unreadable_by(error: Exception) -> Fields:
    """A foreign object may raise whatever it likes, and its message may quote a text."""
    return _unreadable(TOO_LARGE if isinstance(error, TooLargeError) else f"usage: raises {type(error).__name__}")


def _is_too_large(value: Any) -> bool:
    text = dumps(value)
    return len(text) > MOST_BYTES // 4 and len(text.encode()) > MOST_BYTES
