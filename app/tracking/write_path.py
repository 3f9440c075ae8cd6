"""The write path of one process, assembled: writer, spool, replayer, prices and compactor, from start to stop."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from app.data_folder import prepared
from app.database import Database, Session
from app.database.connection import STANDALONE_ADVICE
from app.database.session_files import SessionFiles
from app.ledger.ledger import Ledger
from app.ledger.recording import Recorder
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.pricing.price_book import PriceBook
from app.rollups.compactor import Compactor
from app.rollups.local_time import LocalTime
from app.rollups.rebuild import Rebuild
from app.rollups.state import RollupState
from app.settings import Settings
from app.spool.breaker import Breaker
from app.spool.journal import Spool
from app.spool.replayer import Replayer
from app.spool.spooler import Spooler
from app.tracking.refusals import Refusals
from app.tracking.tracker import Tracker
from app.tracking.writer import Writer

log = Log(__name__)


@asynccontextmanager
async def write_path(
    settings: Settings, database: Database, counters: Counters, *, compacting: bool
) -> AsyncIterator[Tracker]:
    """A tracker for the length of a block. Raises ConfigurationError, and PyMongoError where MongoDB is away."""
    if not database.transactional:
        log.warning("mongodb.standalone", advice=STANDALONE_ADVICE)
        # a killed process may have left a batch half written
        rebuild = Rebuild(database, settings.zone, None, None)
        await rebuild.run(await rebuild.prepare(), lambda _: None)
    book = PriceBook(database)
    recorder = Recorder.of(settings, book)
    async with AsyncExitStack() as stack:
        sessions = stack.enter_context(SessionFiles(prepared(settings.data_dir)))
        committing, replaying, merging = await _sessions(stack, sessions, database)
        local_time = LocalTime((await RollupState.open(database, settings.zone)).zone)
        await book.refresh()
        breaker, spool = Breaker(), Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)
        spooler = Spooler(spool, counters)
        ledger = Ledger(database, committing, local_time)
        writer = Writer(ledger, spooler, breaker, deadline=settings.track_deadline, counters=counters)
        refusals = Refusals(database, local_time.zone)
        tracker = Tracker(writer=writer, recorder=recorder, price_book=book, refusals=refusals, counters=counters)
        _watch(tracker, counters)
        replaying_ledger, lock = Ledger(database, replaying, local_time), spool.path.with_suffix(".lock")
        replayer = Replayer(database, replaying_ledger, spooler, breaker, sessions, counters=counters, lock=lock)
        compactor = Compactor(database, merging, local_time=local_time)
        chores = [
            _chore(book.keep_fresh(), "prices"),
            _chore(replayer.run(), "replayer"),
            _chore(refusals.run(), "refusals"),
        ]
        if compacting:
            chores.append(_chore(compactor.run(), "compactor"))
        writer.start()
        try:
            yield tracker
        finally:
            await tracker.background.close()
            await writer.drain()
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await writer.close()
            await refusals.close()
            await compactor.stop()


async def _sessions(
    stack: AsyncExitStack, files: SessionFiles, database: Database
) -> tuple[Session | None, Session | None, Session | None]:
    """One for the writer, one for the replayer, one for the compactor. What earlier processes left open is ended."""
    if ended := await files.end_stale(database):
        log.info("sessions.ended", sessions=ended)
    committing, replaying, merging = [await stack.enter_async_context(database.committer_session()) for _ in range(3)]
    for session in (committing, replaying):  # the compactor's is kept in its lease
        if session is not None:
            files.record(session)
    return committing, replaying, merging


def _chore(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    return asyncio.create_task(work, name=f"twinmeter-{name}")


def _watch(tracker: Tracker, counters: Counters) -> None:
    writer, background, watch = tracker.writer, tracker.background, counters.watch
    watch("twinmeter_queued_calls", "Calls in memory that wait for a commit", lambda: writer.queued, added=True)
    watch("twinmeter_queue_room", "How many more calls the queue accepts", lambda: writer.room, added=True)
    watch("twinmeter_posted_calls", "Calls in memory reported with wait=False", lambda: background.queued, added=True)
    # one spool, whoever looks at it
    watch("twinmeter_spooled_calls", "Calls on disk that wait for MongoDB", lambda: writer.spooler.depth.calls)
    watch("twinmeter_spool_bytes", "Their size", lambda: writer.spooler.depth.bytes)
    watch("twinmeter_mongodb_away", "1 while calls go to the spool", lambda: writer.breaker.is_open)
