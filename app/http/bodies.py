"""Bodies of requests: read whole, within caps, before anything in them is handled."""

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException

from app.errors import (
    BodyTooLargeError,
    InvalidRequestError,
    TooManyRequestsError,
    UnsupportedMediaTypeError,
)
from app.process import in_turns

MAX_IN_HAND = 64_000_000
"""Bytes of bodies that one process handles at a time; as Python objects they take about ten times as much."""
SHARE = 4
"""A sender may have so many times as much of that as is left to others: alone, four fifths. Who announces bodies and
lets them trickle holds up nobody else.
"""
GZIP = 16 + zlib.MAX_WBITS
MAX_MEMBERS = 1_000
"""Pieces of gzip, one after another, that one body may be: as many as a batch has rows."""
FIRST_STEP = 256
PART_BYTES = 64 * 1024
"""How much is inflated in one go."""

Turn = Callable[[], Awaitable[None]]
"""Waits until a body may be decoded."""


class BodyBudget:
    """How many bytes of bodies this process is handling. More are refused until some are done."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._in_hand = 0
        self._of: Counter[str] = Counter()
        """The same by sender."""

    @asynccontextmanager
    async def body(
        self, request: Request[Any, Any, Any], sender: str, limit: int, turn: Turn | None = None
    ) -> AsyncIterator[bytes]:
        """The body of `request`, inflated, at most `limit` bytes, for the length of a block. `turn` is waited for when
        it has come.

        Raises TooManyRequestsError before anything is read, BodyTooLargeError, InvalidRequestError for a body that
        cannot be inflated, and UnsupportedMediaTypeError for another encoding than gzip.
        """
        with self.claimed(sender, _size(request.headers, limit)):
            yield await inflated_body(request, limit, turn)

    @contextmanager
    def claimed(self, sender: str, size: int) -> Iterator["Claim"]:
        """So many bytes for the length of a block. Raises TooManyRequestsError."""
        claim = Claim(self, sender)
        claim.holds(size)
        try:
            yield claim
        finally:
            self._take(sender, -claim.size)

    def _take(self, sender: str, size: int) -> None:
        left = (self._most or MAX_IN_HAND) - self._in_hand - size
        if size > 0 and (left < 0 or self._of[sender] + size > SHARE * left):
            raise TooManyRequestsError("too many large requests at once; send this one again in a second")
        self._in_hand += size
        self._of[sender] += size
        if not self._of[sender]:
            del self._of[sender]


class Claim:
    """What one body takes of the budget."""

    def __init__(self, budget: BodyBudget, sender: str) -> None:
        self.size = 0
        self._budget = budget
        self._sender = sender

    def holds(self, size: int) -> None:
        """It has so many bytes by now: of one that does not say its length, nobody knows it before. Raises
        TooManyRequestsError where there is no room for more.
        """
        if size > self.size:
            self._budget._take(self._sender, size - self.size)  # noqa: SLF001 - its own
            self.size = size


def body_budget_of(request: Request[Any, Any, Any]) -> BodyBudget:
    """That of the process. Not a dependency of the handlers: Litestar opens a task group where there are two."""
    budget: BodyBudget = request.app.state.body_budget
    return budget


def _size(headers: Mapping[str, str], limit: int) -> int:
    """The most that a body may take; the limit where that is not known beforehand."""
    size = sent_size(headers, limit)
    return limit if size is None or encoding(headers) else size


def sent_size(headers: Mapping[str, str], limit: int) -> int | None:
    """The bytes of a body as it is sent, at most `limit`; None where its headers do not say."""
    length = headers.get("content-length", "")
    return min(int(length), limit) if length.isdigit() else None


def encoding(headers: Mapping[str, str]) -> str:
    """The content encoding; empty for none."""
    named = headers.get("content-encoding", "").strip().lower()
    return "" if named == "identity" else named


async def inflated_body(request: Request[Any, Any, Any], limit: int, turn: Turn | None = None) -> bytes:
    """The whole body, inflated. Raises as `BodyBudget.body` does."""
    named = encoding(request.headers)
    if named not in {"", "gzip"}:
        raise UnsupportedMediaTypeError(f"send the body as it is or with Content-Encoding: gzip, not {named[:32]}")
    try:
        body = await request.body()
    except HTTPException as error:
        if error.status_code == BodyTooLargeError.status:
            raise too_large(limit) from error
        raise
    if turn is not None:
        await turn()
    body = await inflated(body, limit) if named else body
    if len(body) > limit:
        raise too_large(limit)
    return body


async def inflated(body: bytes, limit: int) -> bytes:
    """`body`, which is gzip of one or more members. A bomb is never inflated beyond the limit."""
    parts: list[bytes] = []
    size = 0
    async for part in in_turns(_inflated_parts(body)):
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _inflated_parts(body: bytes) -> Iterator[bytes]:
    """What `body` inflates to, part by part. Takes time proportional to both, however many members there are."""
    rest, members = memoryview(body), 0
    while rest:
        members += 1
        if members > MAX_MEMBERS:
            raise InvalidRequestError(f"the body is more than {MAX_MEMBERS:,} pieces of gzip; compress it as a whole")
        member, step = zlib.decompressobj(GZIP), FIRST_STEP
        while not member.eof:
            given = rest[:step]
            try:
                part = member.decompress(given, PART_BYTES)
            except zlib.error as error:
                raise InvalidRequestError(f"the body is not valid gzip: {error}") from error
            if not (given or part):
                raise InvalidRequestError("the body is truncated gzip: its end is missing")
            yield part
            # what a member leaves over is a copy: of short steps, because it may be one of very many
            left = member.unused_data if member.eof else member.unconsumed_tail
            rest = rest[len(given) - len(left) :]
            step = min(2 * step, PART_BYTES)


def too_large(limit: int) -> BodyTooLargeError:
    """The error for a body of more than `limit` bytes."""
    return BodyTooLargeError(f"the body may have at most {limit // 1_000_000} MB, inflated; send it in parts")
