"""Pages that are prepared while the one before is done."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest

from scripts.toolkit.job import Page, ahead


class Source:
    """Three pages, and what has become of them."""

    def __init__(self, *, broken_at: int | None = None) -> None:
        self.prepared: list[int] = []
        self.closed = False
        self._broken_at = broken_at

    async def pages(self) -> AsyncGenerator[Page[int], None]:
        try:
            for number in range(3):
                await asyncio.sleep(0)
                if number == self._broken_at:
                    raise ValueError(number)
                self.prepared.append(number)
                yield Page([number], number)
        finally:
            self.closed = True


async def each(source: Source, do: Callable[[int], None]) -> None:
    async with aclosing(ahead(source.pages())) as pages:
        async for page in pages:
            for _ in range(5):
                await asyncio.sleep(0)
            do(page.after)


async def test_the_next_page_is_prepared_while_one_is_done() -> None:
    source = Source()
    done: list[tuple[int, int]] = []

    await each(source, lambda number: done.append((number, len(source.prepared))))

    assert done == [(0, 2), (1, 3), (2, 3)]
    assert source.closed


async def test_what_is_wrong_with_a_page_comes_after_the_one_before_is_done() -> None:
    source = Source(broken_at=1)
    done: list[int] = []

    with pytest.raises(ValueError, match="1"):
        await each(source, done.append)

    assert done == [0]
    assert source.closed


async def test_nothing_is_left_running_where_a_page_fails() -> None:
    source = Source()
    nothing: dict[int, None] = {}

    with pytest.raises(KeyError):
        await each(source, nothing.__delitem__)

    assert source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}
