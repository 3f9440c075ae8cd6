"""Calls that are reported from another loop or thread than that on which tracking was opened."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from app.database import Database
from app.settings import Settings
from app.tracking import track_ai_request, tracking
from tests.tracking.hosted import CALL, Hosted, in_threads, report
from tests.twins import assert_twins


@pytest.mark.usefixtures("tracker")
async def test_what_threads_with_loops_of_their_own_report_is_committed_and_they_are_told_so(
    database: Database,
) -> None:
    receipts = await asyncio.to_thread(in_threads, 8, lambda _: (report() for _ in range(25)))

    assert Counter(receipt.status for receipt in receipts) == {"committed": 200}
    assert {receipt.id for receipt in receipts} == await assert_twins(database)
    assert len({receipt.id for receipt in receipts}) == 200


async def test_an_endpoint_without_async_reports_by_a_loop_of_its_own(settings: Settings, database: Database) -> None:
    @get("/", sync_to_thread=True)
    def endpoint() -> str:
        return report().status

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with tracking(settings):
            yield

    def use() -> list[str]:
        with TestClient(Litestar([endpoint], lifespan=[lifespan], openapi_config=None)) as client:
            return [client.get("/").text for _ in range(60)]

    assert await asyncio.to_thread(use) == ["committed"] * 60
    assert len(await assert_twins(database)) == 60


async def test_calls_are_handed_to_the_loop_of_a_thread(settings: Settings, database: Database) -> None:
    hosted = await asyncio.to_thread(Hosted, settings)
    try:
        from_its_loop = await asyncio.to_thread(
            in_threads, 8, lambda _: (hosted.run(track_ai_request(**CALL)) for _ in range(25))
        )
        from_here = [await track_ai_request(**CALL) for _ in range(5)]
        from_threads = await asyncio.to_thread(in_threads, 1, lambda _: (report() for _ in range(5)))
    finally:
        await asyncio.to_thread(hosted.stop)

    receipts = [*from_its_loop, *from_here, *from_threads]
    assert Counter(receipt.status for receipt in receipts) == {"committed": 210}
    assert {receipt.id for receipt in receipts} == await assert_twins(database)


async def test_what_threads_leave_without_waiting_is_committed_at_the_end(
    settings: Settings, database: Database
) -> None:
    hosted = await asyncio.to_thread(Hosted, settings)
    receipts = await asyncio.to_thread(in_threads, 8, lambda _: (report(wait=False) for _ in range(25)))
    await asyncio.to_thread(hosted.stop)

    assert Counter(receipt.status for receipt in receipts) == {"queued": 200}
    assert {receipt.id for receipt in receipts} == await assert_twins(database)
