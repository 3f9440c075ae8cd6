"""The beginning of a stream, looked at before anything of it is sent on: until a model speaks, another may be asked."""

from collections.abc import Sequence

from app.gateway.formats.base import Reading
from app.gateway.transport import UpstreamAnswer, UpstreamError

MOST_BYTES = 64_000
"""What is held back of a stream that has begun and not said anything yet."""


class Begun:
    """An answer whose first pieces have been looked at."""

    def __init__(self, answer: UpstreamAnswer, pieces: Sequence[bytes]) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer
        self._pieces = list(reversed(pieces))

    async def chunk(self) -> bytes:
        """See `UpstreamAnswer`."""
        return self._pieces.pop() if self._pieces else await self._answer.chunk()

    def close(self) -> None:
        """See `UpstreamAnswer`."""
        self._answer.close()


async def begun(answer: UpstreamAnswer, reading: Reading) -> Begun:
    """The same answer from its beginning, once there is output in it, or more of it than can be held back. `reading` is
    for this alone. Raises UpstreamError where it breaks off, or says that it has failed, before that.
    """
    pieces: list[bytes] = []
    size = 0
    while not reading.output_begun and size <= MOST_BYTES:
        if not (piece := await answer.chunk()):
            break
        pieces.append(piece)
        size += len(piece)
        reading.feed(piece)
        if reading.failure is not None and not reading.output_begun:
            raise UpstreamError("cut", f"the upstream's stream has failed at its beginning: {reading.failure}")
    return Begun(answer, pieces)
