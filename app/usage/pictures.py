"""Whether an answer is images: by what the response is, or by the name of a model that makes them."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from app.usage.objects import follow, word_of

_MAKERS = re.compile(
    r"gpt-image|chatgpt-image|dall-?e|imagen|gemini[\w.-]*-image|nano-banana|flux|stable-diffusion|seedream"
)
_STREAMED = frozenset({"image_generation.completed", "image_edit.completed"})
_PICTURE = ("b64_json", "url")


def makes_pictures(events: list[Any], model: str | None) -> bool:
    """Whether what was put out is images. A model that makes them may have answered in words alone, and then it says
    so by its parts.
    """
    if any(pictures_in(event) for event in events):
        return True
    return bool(model and is_maker(model)) and not _in_words(events)


@lru_cache(maxsize=1_000)
def is_maker(model: str) -> bool:
    """Whether a model makes images, by its name."""
    return _MAKERS.search(model.lower()) is not None


def pictures_in(event: Any) -> int:
    """How many images an answer of the images endpoint, or an event of its stream, holds."""
    if isinstance(event, dict) and "data" not in event and "type" not in event:
        return 0
    if word_of(follow(event, ("type",))) in _STREAMED:
        return 1
    data = follow(event, ("data",))
    if not isinstance(data, list | tuple) or follow(event, ("created",)) is None:
        return 0
    return sum(any(follow(item, (name,)) is not None for name in _PICTURE) for item in data)


def _in_words(events: list[Any]) -> bool:
    parts = [part for event in events for candidate in _list(event, "candidates") for part in _parts(candidate)]
    return bool(parts) and not any(
        follow(part, ("inlineData",)) is not None or follow(part, ("inline_data",)) is not None for part in parts
    )


def _parts(candidate: Any) -> Sequence[Any]:
    return _list(follow(candidate, ("content",)), "parts")


def _list(value: Any, name: str) -> Sequence[Any]:
    found = follow(value, (name,))
    return found if isinstance(found, list | tuple) else ()
