"""What an answer told, as fields of a call; and about how much was used where it told nothing."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.gateway.formats import skim
from app.gateway.formats.base import Operation, Wanted
from app.pricing.estimates import CHARACTERS_PER_TOKEN
from app.usage.objects import word_of
from app.usage.reader import NOT_REPORTED, model_of
from app.usage.responses import reported_of, reported_of_stream

A_PICTURE = 1_000
"""Tokens of one that was sent, about."""
_PICTURES = frozenset({Operation.IMAGES, Operation.IMAGE_EDITS})
_HEARD = frozenset({Operation.TRANSCRIPTIONS, Operation.TRANSLATIONS})
_NO_LENGTH = (
    "usage: the answer says neither tokens nor how long the sound is; ask for response_format json or verbose_json"
)
_KEPT_OF_A_GUESS = ("model", "service_tier", "region")
_NO_TEXT = frozenset({"role", "type", "id", "index", "name", "finish_reason", "object", "finishReason", "signature"})
_TEXTS = ("choices", "delta", "candidates", "content", "output")
"""Members of an answer, or of an event, in which there are its texts."""


class Told:
    """For one call. `provider` and `model` are what the upstream is called and was asked for."""

    def __init__(self, wanted: Wanted, provider: str | None, model: str) -> None:
        self._wanted = wanted
        self._provider = provider
        self._model = model

    def of_answer(self, answer: Any) -> dict[str, Any]:
        """Of a whole answer."""
        if not self._wanted.counted:
            return {}
        told = reported_of(skim.lean(answer, self._model), self._provider, self._model)
        if told.get("unreadable_reason") == NOT_REPORTED:
            return self._of_operation(told) or self.about(told, text_bytes_in(answer))
        return self._with_words(told)

    def of_stream(self, events: list[Any], text_bytes: int, *, exact: bool) -> dict[str, Any]:
        """Of the events of a stream that tell something. `exact` is whether the usage in them is the final one."""
        if not self._wanted.counted:
            return {}
        told = reported_of_stream([skim.lean(event, self._model) for event in events], self._provider, self._model)
        told.pop("output_text", None)
        is_known = "unreadable_reason" in told or "cost" in told
        if is_known or (exact and "input_tokens" in told) or "images" in told or "audio_seconds" in told:
            return self._with_words(told)
        return self._of_operation(told) or self.about(told, text_bytes)

    def of_bytes(self) -> dict[str, Any]:
        """Of an answer that is no JSON: sound, or a text alone."""
        return self._of_operation({}) or {"unreadable_usage": True, "unreadable_reason": NOT_REPORTED}

    def failed(self, events: list[Any]) -> dict[str, Any]:
        """Of a call that has come to nothing: no provider bills it."""
        name = model_of(events)
        return {} if name is None else {"model": name}

    def about(self, told: Mapping[str, Any], text_bytes: int) -> dict[str, Any]:
        """Where the usage is not told, or not to its end: about as many tokens as the texts have."""
        sent = self._wanted.sent
        guess = -(-sent.text_bytes // CHARACTERS_PER_TOKEN) + sent.pictures * A_PICTURE + int(sent.audio_seconds) * 10
        kept = {name: told[name] for name in _KEPT_OF_A_GUESS if name in told}
        return {
            **kept,
            "input_tokens": told.get("input_tokens") or guess,
            "output_tokens": max(told.get("output_tokens") or 0, -(-text_bytes // CHARACTERS_PER_TOKEN)),
            "estimated_usage": True,
        }

    def _of_operation(self, told: dict[str, Any]) -> dict[str, Any]:
        """What the request itself says was used; empty where the answer alone can say it."""
        kept = {name: told[name] for name in _KEPT_OF_A_GUESS if name in told}
        if self._wanted.operation is Operation.SPEECH:
            return {**kept, "characters": self._wanted.asked["characters"]}
        if self._wanted.operation is Operation.VIDEOS:
            return {**kept, **{name: self._wanted.asked[name] for name in ("video_seconds", "size")}}
        if self._wanted.operation in _HEARD:
            return {**kept, "unreadable_usage": True, "unreadable_reason": _NO_LENGTH}
        return {}

    def _with_words(self, told: dict[str, Any]) -> dict[str, Any]:
        """Of pictures, the size and quality that were asked for, where the answer does not repeat them."""
        if self._wanted.operation not in _PICTURES or not told.get("images"):
            return told
        asked = {name: self._wanted.asked[name] for name in ("size", "quality") if name in self._wanted.asked}
        return {**asked, **told}


def failure_in(payload: bytes, name: bytes = b"") -> str | None:
    """What an event, or an error's body, calls the failure that it tells; None where it tells none."""
    try:
        told = skim.decoded(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "error" if name == b"error" else None
    told = told[0] if isinstance(told, list) and told else told
    if not isinstance(told, dict):
        return None
    inner = told.get("response")
    error = told.get("error") or (inner.get("error") if isinstance(inner, dict) else None)
    if error is None:
        return _word(told.get("code")) or "error" if told.get("type") == "error" else None
    if not isinstance(error, dict):
        return "error"
    words = [error.get("code"), error.get("status"), error.get("type")]
    return next((word for each in words if (word := _word(each)) is not None), "error")


def _word(value: Any) -> str | None:
    """No text of the provider's, which may repeat what it was sent."""
    word = word_of(value)
    return word if word is not None and word.replace("_", "").replace(".", "").replace("-", "").isalnum() else None


def text_bytes_in(event: Any) -> int:
    """About how many characters of text an answer, or an event, has."""
    if not isinstance(event, dict):
        return 0
    return sum(_texts(event[name], 8) for name in _TEXTS if name in event)


def _texts(value: Any, depth: int) -> int:
    if isinstance(value, str):
        return len(value)
    if not depth:
        return 0
    if isinstance(value, dict):
        return sum(_texts(member, depth - 1) for name, member in value.items() if name not in _NO_TEXT)
    return sum(_texts(item, depth - 1) for item in value) if isinstance(value, list) else 0
