"""Delivery beside live calls: while those wait, it takes smaller pages and rests after each."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from app.database import Database
from app.ledger.ledger import Ledger
from app.ledger.outcomes import Outcome
from app.ledger.twins import Pair
from app.observability.metrics import Counters
from app.settings import Settings
from app.spool.replayer import PAGE, PRESSED_PAGE, REST
from app.tracking import open_tracker
from app.tracking.writer import Writer
from tests.ledger.test_ledger import pair
from tests.spool.test_faults import spooled
from tests.tracking.test_durability import delivered
from tests.twins import assert_twins

PAGE_SECONDS = 0.1
CALLS = 2 * PRESSED_PAGE + 100


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float, float]]:
    """The size of each page that is delivered, when it was begun, and when it was done."""
    commit, found = Ledger.commit, list[tuple[int, float, float]]()

    async def slow(ledger: Ledger, pairs: Sequence[Pair], **options: Any) -> list[Outcome]:
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(PAGE_SECONDS)
        outcomes = await commit(ledger, pairs, **options)
        found.append((len(pairs), began, asyncio.get_running_loop().time()))
        return outcomes

    monkeypatch.setattr(Ledger, "commit", slow)
    return found


@pytest.mark.parametrize(("pressed", "sizes"), [(True, [PRESSED_PAGE, PRESSED_PAGE, 100]), (False, [CALLS])])
async def test_while_live_calls_wait_the_spool_takes_a_quarter_of_the_time(
    settings: Settings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    pages: list[tuple[int, float, float]],
    pressed: bool,
    sizes: list[int],
) -> None:
    assert CALLS < PAGE
    pairs = [pair(f"r{i}") for i in range(CALLS)]
    spooled(settings, pairs)
    monkeypatch.setattr(Writer, "is_pressed", pressed)

    async with open_tracker(settings, database, Counters()) as tracker:
        await delivered(tracker)

    assert [size for size, _, _ in pages] == sizes
    for (_, began, done), (_, following, _) in itertools.pairwise(pages):
        assert following - done >= REST * (done - began)
    assert await assert_twins(database) == {str(each.id) for each in pairs}
