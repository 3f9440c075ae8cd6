"""What clients of providers can be asked for, and how a call of it is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from twinmeter.client import is_missing
from twinmeter.context import current_fields
from twinmeter.observation import Observation, around

ANONYMOUS = "anonymous"
"""The user of a call of which nobody says whose it is, as for calls that come by OpenTelemetry."""


class Operation(NamedTuple):
    """One thing that a provider does."""

    content_type: str = "chat"
    """Of a call that says none itself."""
    service_type: str | None = None
    asks_for_usage: bool = False
    """Whether its streams tell their usage only where they are asked to, by `stream_options`."""
    asked: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    """What of the bill the request tells, where the response does not."""


CHAT = Operation()
EMBEDDING = Operation("embedding", "embedding")
IMAGE = Operation("image-generation", "image")
TRANSCRIPTION = Operation("transcription", "audio")


def _spoken(request: Mapping[str, Any]) -> dict[str, Any]:
    text = request.get("input")
    return {"characters": len(text)} if isinstance(text, str) else {}


SPEECH = Operation("speech", "audio", asked=_spoken)


def observe(operation: Operation, fields: Mapping[str, Any], model: Any, **own: Any) -> Observation:
    """A call that begins now. `fields` are those of the client, `own` what is known of the call beside them.

    What is said by `twinmeter.context`, or by the block of `twinmeter.call` that this is called in, comes first.
    """
    block = around.get()
    known: dict[str, Any] = {
        "user_id": ANONYMOUS,
        "content_type": operation.content_type,
        "service_type": operation.service_type,
    }
    for told in (own, fields, current_fields() if block is None else block.hand_over()):
        known.update({name: value for name, value in told.items() if not is_missing(value)})
    known = {name: value for name, value in known.items() if value is not None}
    return Observation(known, model=model if isinstance(model, str) and model else None)
