"""What a system shows of the calls that it was sent. It is asked: what it stores is not assumed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

POLL_SECONDS = 0.1
STUCK_SECONDS = 60.0
"""After which a system that shows no more calls than before will show none."""


class Shown(NamedTuple):
    """Calls in its reports."""

    calls: int
    tokens: int
    cost: float
    """In USD; 0 where it knows none."""

    @classmethod
    def of(cls, reported: Iterable[Mapping[str, Any]]) -> Self:
        """What these calls should be shown as; what they cost is for each system to know."""
        calls = list(reported)
        return cls(len(calls), sum(call["input_tokens"] + call["output_tokens"] for call in calls), 0)

    def since(self, before: "Shown") -> "Shown":
        return Shown(self.calls - before.calls, self.tokens - before.tokens, self.cost - before.cost)

    def fault(self, sent: "Shown") -> str | None:
        """What is missing of what was sent, in a sentence."""
        if self[:2] == sent[:2]:
            return None
        return f"of {sent.calls:,} calls with {sent.tokens:,} tokens {self.calls:,} with {self.tokens:,} are shown"


Ask = Callable[[], Awaitable[Shown]]


async def until_shown(ask: Ask, before: Shown, calls: int) -> tuple[Shown, float]:
    """What is shown of the calls in the end, and when it was first seen, in seconds since 1970."""
    shown, at = (await ask()).since(before), time.time()
    while shown.calls < calls and time.time() - at < STUCK_SECONDS:
        await asyncio.sleep(POLL_SECONDS)
        if (now := (await ask()).since(before)).calls > shown.calls:
            shown, at = now, time.time()
    return shown, at
