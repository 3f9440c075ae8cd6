"""An event loop whose clock goes on only while nothing is to be done: waiting takes no time, and waits are exact.

What takes the interpreter's time is told to it with `work`; a clock that jumps, with `jump`.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Selector(selectors.DefaultSelector):
    """Instead of waiting it moves the clock."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found:
            if timeout is None:
                raise RuntimeError("everything waits, and nothing will happen")
            self.loop.now += max(timeout, 0.0)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 1,000 seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        """Hold the event loop for so long."""
        self.now += seconds

    jump = work


def in_virtual_time(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def clock() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
