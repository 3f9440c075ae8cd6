"""Streams of Anthropic's API."""

from typing import ClassVar

from app.gateway.formats.base import Wanted
from app.gateway.formats.events import Event, EventReading


class MessageReading(EventReading):
    """A message: its beginning tells the input, and its last `message_delta` all of the output."""

    needles = (b"message_start", b"message_delta", b"message_stop", b'"error"')
    _BEGINS: ClassVar = frozenset({b"message_start", b"ping", b"error", b""})

    def _ends(self, event: Event) -> bool:
        self.complete = self.complete or event.name == b"message_stop"
        return self.complete

    def _begins(self, event: Event) -> bool:
        return event.name not in self._BEGINS

    def _tells(self, event: Event) -> bool:
        name = event.name
        self.told = self.told or (name == b"message_delta" and b'"usage"' in event.payload)
        return name in {b"message_start", b"message_delta"}


def stream_of(wanted: Wanted) -> EventReading:
    """A message's."""
    return MessageReading(wanted)
