"""The write path of one process, assembled: writer, spool, replayer, prices and compactor, from start to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from app.data_folder import prepared
from app.database import Database, Session
from app.database.connection import STANDALONE_ADVICE
from app.database.outages import reason_of
from app.database.session_files import SessionFiles
from app.ledger.ledger import Commits, Ledger
from app.ledger.recording import Recorder
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
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
from app.spool.watch import Watch
from app.tracking.life import Life
from app.tracking.refusals import Refusals
from app.tracking.tracker import Tracker
from app.tracking.writer import Writer

log = Log(__name__)

AGAIN_SECONDS = 2.0
"""After a fault ended a chore."""
WELL_SECONDS = 10.0
"""A chore that lives for so long is well."""


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
        committing, beside, replaying, merging = await _sessions(stack, sessions, database)
        local_time = LocalTime((await RollupState.open(database, settings.zone)).zone)
        await book.refresh()
        spool = Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)
        commits, breaker = Commits(), Breaker()
        spooler = Spooler(spool, counters, troubles := Troubles(counters.registry))
        ledgers = [Ledger(database, session, local_time, commits) for session in (committing, beside, replaying)]
        writer = Writer(
            ledgers[0],
            None if beside is None else ledgers[1],
            spooler,
            breaker,
            answers=database.answers,
            is_fresh=recorder.is_fresh,
            deadline=settings.track_deadline,
            counters=counters,
            troubles=troubles,
        )
        refusals = Refusals(database, local_time.zone, troubles=troubles)
        watch = Watch(database, spooler, breaker, troubles, lambda: tracker.waiting())  # noqa: PLW0108 - made after it
        tracker = Tracker(
            writer=writer,
            recorder=recorder,
            price_book=book,
            refusals=refusals,
            watch=watch,
            counters=counters,
            troubles=troubles,
            settlements=[ledger.settlements for ledger in ledgers],
            deadline=settings.track_deadline,
            commits=commits,
        )
        await watch.look()
        _expose(tracker, counters)
        replayer = Replayer(
            database,
            ledgers[2],
            spooler,
            breaker,
            sessions,
            counters=counters,
            troubles=troubles,
            lock=spool.path.with_suffix(".lock"),
            pressed=lambda: writer.is_pressed,
        )
        compactor = Compactor(database, merging, local_time=local_time, troubles=troubles)
        work = {
            "prices": book.keep_fresh,
            "replayer": replayer.run,
            "refusals": refusals.run,
            "watch": watch.run,
            **({"compactor": compactor.run} if compacting else {}),
        }
        chores = [_chore(name, run, troubles) for name, run in work.items()]

        async def end() -> None:
            try:
                await tracker.background.close()
                await writer.drain()
            finally:
                for chore in chores:
                    chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await writer.close()
            await refusals.close()
            await compactor.stop()

        def let_go() -> None:
            sessions.let_go()
            replayer.let_go()

        tracker.life = Life(tracker.home, tracker.background, writer, counters, end=end, let_go=let_go)
        writer.start()
        try:
            yield tracker
        finally:
            if tracker.home.is_left_behind:
                stack.pop_all()  # nothing of it is this process's
            else:
                await tracker.life.close()


async def _sessions(stack: AsyncExitStack, files: SessionFiles, database: Database) -> list[Session | None]:
    """Two for the writer, one for the replayer, one for the compactor. What earlier processes left open is ended."""
    if ended := await files.end_stale(database):
        log.info("sessions.ended", sessions=ended)
    opened = [await stack.enter_async_context(database.committer_session()) for _ in range(4)]
    for session in opened[:-1]:  # the compactor's is kept in its lease
        if session is not None:
            files.record(session)
    return opened


def _chore(name: str, run: Callable[[], Coroutine[Any, Any, None]], troubles: Troubles) -> "asyncio.Task[None]":
    return asyncio.create_task(_kept_up(name, run, troubles), name=f"twinmeter-{name}")


async def _kept_up(name: str, run: Callable[[], Coroutine[Any, Any, None]], troubles: Troubles) -> None:
    """A chore for as long as the process lives: one that a fault of ours ends is reported, and begun again."""
    while True:
        well_again = asyncio.get_running_loop().call_later(WELL_SECONDS, troubles.gone, Code.CHORE)
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - whatever ends it
            troubles.report(Code.CHORE, f"{name}: {reason_of(error)}", error=error)
        finally:
            well_again.cancel()
        await asyncio.sleep(AGAIN_SECONDS)


def _expose(tracker: Tracker, counters: Counters) -> None:
    writer, background, watch = tracker.writer, tracker.background, counters.watch
    watch("twinmeter_queued_calls", "Calls in memory that wait for a commit", lambda: writer.queued, added=True)
    watch("twinmeter_queue_room", "How many more calls the queue accepts", lambda: writer.admission.room, added=True)
    watch("twinmeter_queue_wait_seconds", "How long a call that comes now waits", writer.admission.seconds)
    watch("twinmeter_posted_calls", "Calls in memory reported with wait=False", lambda: background.queued, added=True)
    # one spool, whoever looks at it
    watch("twinmeter_spooled_calls", "Calls on disk that wait for MongoDB", lambda: writer.spooler.depth.calls)
    watch("twinmeter_spool_bytes", "Their size", lambda: writer.spooler.depth.bytes)
    watch("twinmeter_mongodb_away", "1 while calls go to the spool", lambda: writer.breaker.is_open)
