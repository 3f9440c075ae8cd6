"""Streams of Gemini's API, as server-sent events."""

from app.gateway.formats.base import Wanted
from app.gateway.formats.events import Event, EventReading

_FINISHED = (b'"finishReason"', b'"finish_reason"', b'"blockReason"')


class ContentReading(EventReading):
    """Contents. Each event tells the usage so far; from the one that says why it is finished on, all is the end."""

    needles = (*_FINISHED, b'"error"', b'"groundingMetadata"')

    def _ends(self, event: Event) -> bool:
        self.complete = any(word in event.payload for word in _FINISHED)
        return self.complete

    def _begins(self, event: Event) -> bool:
        return b'"candidates"' in event.payload

    def _tells(self, event: Event) -> bool:
        self.told = self.told or (self.complete and b'"usageMetadata"' in event.payload)
        return True


def stream_of(wanted: Wanted) -> EventReading:
    """Contents'."""
    return ContentReading(wanted)
