"""The tracker of this process: opened once, reached by plain functions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from app.database import STANDALONE_ADVICE, Database, connected
from app.deployment import reachable_uri
from app.settings import Settings
from app.telemetry import Counters
from app.tracking.call import Fault
from app.tracking.compactor import Compactor
from app.tracking.estimates import Estimates
from app.tracking.features import Features
from app.tracking.increments import LocalTime
from app.tracking.instrument import TrackedCall
from app.tracking.ledger import Ledger
from app.tracking.media_prices import MediaPrices
from app.tracking.price_book import PriceBook
from app.tracking.pricing import Pricing
from app.tracking.rebuild import Rebuild
from app.tracking.receipt import ReceiptStatus, TrackReceipt
from app.tracking.rollup_state import RollupState
from app.tracking.sellers import Sellers
from app.tracking.session_files import SessionFiles
from app.tracking.token_prices import TokenPrices
from app.tracking.tracker import Tracker
from app.tracking.writer import Writer

log = structlog.get_logger(__name__)

UNKNOWN_MODEL = "unknown"
"""For a call that failed before any model was named."""

_current: Tracker | None = None
"""The tracker of this process, while one is open."""


async def track_ai_request(user_id: str = "", content_type: str = "", model: str = "", **reported: Any) -> TrackReceipt:
    """Report one AI call: both documents are committed, or a receipt says why not. Never raises.

    All three names are needed; leaving one out gives a `rejected` receipt too, not an error.

    `reported` takes every field of `AICall`, among them `cached`, `success`, `tokens_used`, `input_tokens`,
    `output_tokens`, `request_duration` (ms), `error_message`, `provider`, `request_id` and `created_at`. The caller
    waits no longer than the deadline of the settings (250 ms unless set).
    """
    if _current is None:
        message = "tracking is not running: open it with `async with tracking(Settings()):` when the application starts"
        log.warning("tracking.not_running")
        return TrackReceipt(ReceiptStatus.DROPPED, errors=(Fault("", message),))
    return await _current.track(user_id=user_id, content_type=content_type, model=model, **reported)


def track_ai_call(*, user_id: str, content_type: str, **reported: Any) -> TrackedCall:
    """Time a model call and report it, also when it fails, runs out of time or is cut off in the middle of a stream.

        async with track_ai_call(user_id="u1", content_type="chat", provider="openai") as call:
            response = await client.chat.completions.create(...)
            call.record(response)            # or: async for chunk in call.stream(response): ...

    `reported` takes every field of `AICall`; `model` is taken from the response where it is left out. The block's own
    errors go on to the caller, whose code reporting never touches. Also a decorator of a coroutine function that
    returns the response.
    """
    return TrackedCall(_track, {"user_id": user_id, "content_type": content_type, **reported})


async def _track(**reported: Any) -> TrackReceipt:
    return await track_ai_request(**{"model": UNKNOWN_MODEL, **reported})


@asynccontextmanager
async def open_tracker(
    settings: Settings, database: Database, counters: Counters, *, compacting: bool = True
) -> AsyncIterator[Tracker]:
    """The tracker of this process for the length of a block; at its end what has queued is committed.

    Without `compacting`, merging the deltas is left to other processes.
    """
    global _current  # noqa: PLW0603 - one process has one tracker, and endpoints reach it by a plain function
    if not database.transactional:
        log.warning("mongodb.standalone", advice=STANDALONE_ADVICE)
        # a run that was killed may have left a batch half written
        rebuild = Rebuild(database, settings.zone, None, None)
        await rebuild.run(await rebuild.prepare(), lambda _: None)
    features = Features.from_file(settings.features_file)
    with SessionFiles(settings.data_dir) as session_files:
        ended = await session_files.end_stale(database)
        if ended:
            log.info("sessions.ended", sessions=ended)
        async with database.committer_session() as session, database.committer_session() as merging_session:
            if session is not None:
                session_files.record(session)
            local_time = LocalTime((await RollupState.open(database, settings.zone)).zone)
            compactor = Compactor(database, merging_session, local_time=local_time)
            book = PriceBook(database)
            await book.refresh()
            sellers = Sellers(TokenPrices(), MediaPrices())
            pricing = Pricing(sellers, book, Estimates(settings.estimates_file))
            writer = Writer(Ledger(database, session, local_time), deadline=settings.track_deadline, counters=counters)
            tracker = Tracker(writer=writer, features=features, pricing=pricing, price_book=book, counters=counters)
            writer.start()
            previous, _current = _current, tracker
            chores = [asyncio.create_task(book.keep_fresh(), name="twinmeter-prices")]
            if compacting:
                chores.append(asyncio.create_task(compactor.run(), name="twinmeter-compactor"))
            try:
                yield tracker
            finally:
                _current = previous
                await writer.close()
                for chore in chores:
                    chore.cancel()
                await asyncio.gather(*chores, return_exceptions=True)
                await compactor.stop()


@asynccontextmanager
async def tracking(settings: Settings, mongodb_uri: str | None = None) -> AsyncIterator[Tracker]:
    """Tracking inside an application of its own: connects to MongoDB, and opens the tracker."""
    async with (
        connected(mongodb_uri or reachable_uri(settings), settings.database) as database,
        open_tracker(settings, database, Counters()) as tracker,
    ):
        yield tracker
