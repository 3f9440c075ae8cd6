"""What of an answer is sent on at once, and what waits until the call is recorded: who sees its end relies on it."""

from typing import Protocol

MOST_BYTES = 256 * 1024
"""Of an event that is not complete yet. What a larger one has besides goes on as it comes."""


class Outlet(Protocol):
    """One answer on its way."""

    between_events: bool
    """Whether something of our own may be put behind what was sent on."""

    def pass_on(self, content: bytes) -> bytes:
        """What may be sent now."""

    def rest(self) -> bytes:
        """What waits, which is sent together with the end of the answer."""


class Events:
    """Server-sent events go on whole. Nobody can use a part of one, and behind a part no other event could be said."""

    def __init__(self) -> None:
        self.between_events = True
        self._waiting: list[bytes] = []
        self._size = 0
        self._tail = b""
        """Of what has come since the last event, as much as may be the beginning of its end."""

    def pass_on(self, content: bytes) -> bytes:
        """All events that are complete."""
        if not self._tail and content.endswith((b"\n\n", b"\n\r\n")):
            return content
        end = _after_events(self._tail + content) - len(self._tail)
        if end > 0:
            complete = b"".join((*self._waiting, content[:end]))
            self.between_events = True
            self._keep(content[end:])
            return complete
        self._waiting.append(content)
        self._size += len(content)
        self._tail = (self._tail + content)[-3:]
        if self.between_events and self._size <= MOST_BYTES:
            return b""
        self.between_events = False  # until that event has ended
        return self._all_of_it()

    def rest(self) -> bytes:
        """The last event, where it has no blank line behind it."""
        return b"".join(self._waiting)

    def _keep(self, content: bytes) -> None:
        self._waiting = [content] if content else []
        self._size = len(content)
        self._tail = content[-3:]

    def _all_of_it(self) -> bytes:
        content = b"".join(self._waiting)
        self._waiting, self._size = [], 0
        return content


class AllButTheEnd:
    """Of anything else, the last byte waits."""

    between_events = False

    def __init__(self) -> None:
        self._last = b""

    def pass_on(self, content: bytes) -> bytes:
        """All but the last byte that there is."""
        if not content:
            return b""
        sent, self._last = self._last + content[:-1], content[-1:]
        return sent

    def rest(self) -> bytes:
        """That byte."""
        return self._last


def _after_events(content: bytes) -> int:
    """Where the last complete event ends, with a blank line of any kind; 0 where there is none."""
    found = ((content.rfind(mark), len(mark)) for mark in (b"\n\n", b"\n\r\n", b"\r\r"))
    return max(0 if at < 0 else at + length for at, length in found)
