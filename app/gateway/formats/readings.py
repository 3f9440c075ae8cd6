"""Answers that are no events: a whole one in JSON, one of bytes, an error, Gemini's stream as one long list."""

from collections.abc import Callable
from typing import Any

import msgspec

from app.gateway.formats import skim
from app.gateway.formats.base import Operation, Reading, Wanted
from app.gateway.formats.told import Told, failure_in

HOLD = 1_048_576
"""Bytes of an answer that are held back until it has ended. Of a longer one, the last byte is."""
_ERRORS = 400
_OF_BYTES = frozenset({Operation.SPEECH, Operation.TRANSCRIPTIONS, Operation.TRANSLATIONS})
_PICTURE = b'"b64_json"'
UNEXPECTED = "unexpected_content"


def reading_of(wanted: Wanted, status: int, content_type: str, stream_of: Callable[[Wanted], Reading]) -> Reading:
    """The reading of an answer, by what kind of answer it is."""
    kind = content_type.partition(";")[0].strip().lower()
    if status >= _ERRORS:
        return ErrorReading(wanted, status)
    if kind == "text/event-stream":
        return stream_of(wanted)
    if kind.endswith("json"):
        return ListReading(wanted) if wanted.operation is Operation.STREAM_GENERATE else WholeReading(wanted)
    return ByteReading(wanted) if wanted.operation in _OF_BYTES else UnexpectedReading(wanted)


class WholeReading:
    """One JSON object. It is held back to its end, unless it is very long."""

    def __init__(self, wanted: Wanted) -> None:
        self.complete = False
        self.output_begun = False
        self.failure: str | None = None
        self._wanted = wanted
        self._chunks: list[bytes] = []
        self._size = 0
        self._head = self._tail = b""
        self._pictures = 0
        self._answer: Any = None

    def feed(self, chunk: bytes) -> bytes:
        """See `Reading`."""
        self.output_begun = True
        self._size += len(chunk)
        self._chunks.append(chunk)
        if self._size <= HOLD:
            return b""
        data = b"".join(self._chunks)
        if not self._head:
            self._head = data[: skim.HEAD]
        passed, self._chunks = data[:-1], [data[-1:]]
        self._count_pictures(passed)
        self._tail = (self._tail + passed)[-skim.TAIL :]
        return passed

    def _count_pictures(self, passed: bytes) -> None:
        """Their base64 has no quotation marks."""
        seam = self._tail[1 - len(_PICTURE) :] + passed
        self._pictures += seam.count(_PICTURE)

    def end(self) -> bytes:
        """See `Reading`."""
        held = b"".join(self._chunks)
        self._chunks = [held]
        if self._head:
            self.complete = held.strip() in {b"}", b"]", b""} and bool(self._tail)
            self._answer = skim.around(self._head, self._tail + held)
            if self._pictures:
                self._answer["data"] = [{"b64_json": ""}] * self._pictures
            return held
        try:
            self._answer = skim.decoded(held)
            self.complete = isinstance(self._answer, dict | list)
            if isinstance(self._answer, dict) and self._answer.get("error"):  # some say so with a status of 200
                self.failure = failure_in(held)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.complete = False
        return held

    def reported(self, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
        """See `Reading`."""
        told = Told(self._wanted, provider, model or self._wanted.model)
        if self._answer is None:
            return told.about({}, self._size) if self._wanted.counted else {}
        if self.failure is not None and skim.USAGES.isdisjoint(self._answer):
            return told.failed([self._answer])
        return told.of_answer(self._answer)


class ListReading(WholeReading):
    """Gemini's stream as one list, in pieces as they come: all but its last bracket is sent on at once."""

    def feed(self, chunk: bytes) -> bytes:
        """See `Reading`."""
        self._size += len(chunk)
        data = b"".join([*self._chunks, chunk])
        if not self._head:
            self._head = data[: skim.HEAD]
        self.output_begun = self.output_begun or b'"candidates"' in self._tail[-len(b'"candidates"') :] + data
        end = len(data.rstrip()) - 1
        passed, self._chunks = data[: max(end, 0)], [data[max(end, 0) :]]
        self._tail = (self._tail + passed)[-skim.TAIL :]
        return passed

    def end(self) -> bytes:
        """See `Reading`."""
        held = b"".join(self._chunks)
        whole = self._tail + held
        self.complete = whole.rstrip().endswith(b"]") and (b'"finishReason"' in whole or b'"blockReason"' in whole)
        self._answer = skim.around(self._head, whole)
        return held

    def reported(self, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
        """See `Reading`."""
        told = Told(self._wanted, provider, model or self._wanted.model)
        events = [] if self._answer is None else [self._answer]
        return told.of_stream(events, self._size // 2, exact=self.complete)


class ByteReading:
    """Sound, or a text alone: only its last byte is held back."""

    def __init__(self, wanted: Wanted) -> None:
        self.complete = False
        self.output_begun = False
        self.failure: str | None = None
        self._wanted = wanted
        self._last = b""

    def feed(self, chunk: bytes) -> bytes:
        """See `Reading`."""
        if not chunk:
            return b""
        self.output_begun = True
        passed, self._last = self._last + chunk[:-1], chunk[-1:]
        return passed

    def end(self) -> bytes:
        """See `Reading`."""
        self.complete = True
        last, self._last = self._last, b""
        return last

    def reported(self, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
        """See `Reading`."""
        return Told(self._wanted, provider, model or self._wanted.model).of_bytes()


class ErrorReading(WholeReading):
    """A provider's error, byte for byte."""

    def __init__(self, wanted: Wanted, status: int) -> None:
        super().__init__(wanted)
        self.failure = f"http_{status}"

    def feed(self, chunk: bytes) -> bytes:
        """See `Reading`."""
        passed = super().feed(chunk)
        self.output_begun = False
        return passed

    def end(self) -> bytes:
        """See `Reading`."""
        held = super().end()
        self.complete = True
        self.failure = failure_in(held) or self.failure
        return held

    def reported(self, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
        """Nothing: no provider bills an error."""
        return {}


class UnexpectedReading(ErrorReading):
    """A success that is of no kind that its API has, such as a page of HTML. The gateway may put an error in place of
    it as long as `feed` has passed nothing.
    """

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted, 200)
        self.failure = UNEXPECTED

    def end(self) -> bytes:
        """See `Reading`."""
        held = super().end()
        self.complete, self.failure = False, UNEXPECTED
        return held
