"""Media that a response tells: seconds of sound or video, characters, images with their size."""

from decimal import Decimal
from typing import Any

from app.usage.objects import FlatUsage, UnreadableUsageError, follow, word_of
from app.usage.pictures import pictures_in

_SECONDS = (
    "audio_seconds",
    "input_audio_seconds",
    "audio_duration",
    "audio_duration_seconds",
    "prompt_audio_seconds",  # Mistral
)
_ALL_SECONDS = ("seconds", "duration", "duration_seconds", *_SECONDS)
"""OpenAI's {"type": "duration", "seconds": 11}: beside tokens, such a name may tell how long the answer took."""
_CHARACTERS = ("characters", "input_characters", "character_count", "total_characters", "billable_characters")
MEDIA_NAMES = frozenset({*_ALL_SECONDS, *_CHARACTERS})
"""The names of a usage object that are read here."""
# Transcriptions without a usage: OpenAI's verbose JSON, Deepgram, AssemblyAI, ElevenLabs.
_LENGTHS = (
    (("duration",), ("task",)),
    (("duration",), ("segments",)),
    (("metadata", "duration"), ("metadata", "channels")),
    (("metadata", "duration"), ("metadata", "models")),
    (("audio_duration",), ("text",)),
    (("audio_duration_secs",), ("text",)),
)
_MOST_SECONDS = 1_000_000
_MOST_CHARACTERS = 1_000_000_000
_UNSAID = frozenset({"auto", "unknown"})


def media_of(events: list[Any], usages: list[FlatUsage]) -> dict[str, Any]:
    """The media fields of `AICall` that are told. Raises UnreadableUsageError where a length is no number."""
    return {**_sound(events, usages), **_characters(events, usages), **_images(events), **_video(events)}


def _sound(events: list[Any], usages: list[FlatUsage]) -> dict[str, Any]:
    told = [_one_of(usage, _SECONDS if any("tok" in name for name in usage) else _ALL_SECONDS) for usage in usages]
    if not usages:
        told = [amount(found, name, _MOST_SECONDS) for event in events for name, found in _length_in(event)]
    seconds = sum(told, Decimal(0))
    return {"audio_seconds": amount(seconds, "seconds", _MOST_SECONDS)} if seconds else {}


def _one_of(usage: FlatUsage, names: tuple[str, ...]) -> Decimal:
    """The one length that a usage may tell under several names."""
    found = Decimal(0)
    for name in names:
        if name in usage:
            seconds = sum((amount(leaf, name, _MOST_SECONDS) for leaf in usage[name]), Decimal(0))
            if found and seconds and seconds != found:
                raise UnreadableUsageError(f"{name}: is {seconds}, and {found} under another name")
            found = found or seconds
    return found


def _length_in(event: Any) -> list[tuple[str, Any]]:
    for length, beside in _LENGTHS:
        if isinstance(event, dict) and length[0] not in event:
            continue
        if follow(event, beside) is not None and (found := follow(event, length)) is not None:
            return [(".".join(length), found)]
    return []


def _characters(events: list[Any], usages: list[FlatUsage]) -> dict[str, Any]:
    for usage in usages or [{name: [event[name]] for name in _CHARACTERS if name in event} for event in _dicts(events)]:
        for name in _CHARACTERS:
            count = sum(amount(leaf, name, _MOST_CHARACTERS) for leaf in usage.get(name, ())) if name in usage else 0
            if count and count != int(count):
                raise UnreadableUsageError(f"{name}: must be a whole number of characters, not {count}")
            if count:
                return {"characters": int(count)}
    for event in events:  # ElevenLabs: what was spoken, character by character
        spoken = follow(event, ("alignment", "characters"))
        if isinstance(spoken, list) and spoken and isinstance(event, dict) and "audio_base64" in event:
            return {"characters": len(spoken)}
    return {}


def _dicts(events: list[Any]) -> list[dict[str, Any]]:
    return [event for event in events if isinstance(event, dict)]


def _images(events: list[Any]) -> dict[str, Any]:
    told = [event for event in events if pictures_in(event)]
    if not told:
        return {}
    words = {name: word_of(follow(told[-1], (name,))) for name in ("size", "quality")}
    said = {name: word for name, word in words.items() if word and word not in _UNSAID}
    return {"images": sum(map(pictures_in, told)), **said}


def _video(events: list[Any]) -> dict[str, Any]:
    for event in reversed(events):
        if follow(event, ("object",)) == "video" and follow(event, ("status",)) == "completed":
            told = follow(event, ("seconds",))
            seconds = amount(told, "seconds", _MOST_SECONDS) if told is not None else None
            return {"video_seconds": seconds, "size": word_of(follow(event, ("size",)))}
    return {}


def amount(value: Any, field: str, most: int) -> Decimal:
    """A measured amount, exactly as it is written: a number, or a text that is one.

    Raises UnreadableUsageError where it is not one, is below zero, or is larger than any call's.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise UnreadableUsageError(f"{field}: must be a number, not {type(value).__name__}")
    try:
        read = Decimal(str(value)) if not isinstance(value, str) or len(value) <= 40 else Decimal("NaN")  # noqa: PLR2004
    except ArithmeticError:
        read = Decimal("NaN")
    if not read.is_finite() or not 0 <= read <= most:
        raise UnreadableUsageError(f"{field}: must be a number from 0 to {most}")
    return read
