"""A program that reports calls and ends in one of the ways in which programs do.

host_process.py WAY CALLS, with the settings of the deployment in the environment. Prints each status as it was told.
"""

import asyncio
import atexit
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from app.settings import Settings
from app.tracking import flush, track_ai_request, tracking
from tests.tracking.hosted import CALL, Hosted, report


def hosted_and_stopped(calls: int) -> None:
    """The host has an exit handler, as the loop of a thread needs one."""
    hosted = Hosted(Settings(_env_file=None))
    atexit.register(hosted.stop)
    tell(report(wait=False).status for _ in range(calls))


def hosted(calls: int) -> None:
    """Nobody closes tracking."""
    Hosted(Settings(_env_file=None))
    tell(report(wait=False).status for _ in range(calls))


def stopped_by_hand(calls: int) -> None:
    """It reports when it is told to."""
    hosted = Hosted(Settings(_env_file=None))
    atexit.register(hosted.stop)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    tell(report(wait=False).status for _ in range(calls))


def application() -> Callable[..., list[bytes]]:
    """Of a server of the kind that Flask and Django run in: tracking is opened by its first request."""
    opened: list[Hosted] = []

    def respond(_: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        if not opened:
            opened.append(Hosted(Settings(_env_file=None)))
        start_response("200 OK", [])
        return [report(wait=False).status.encode()]

    return respond


def signalled(calls: int) -> None:
    """A process manager ends it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hosted = Hosted(Settings(_env_file=None))
    atexit.register(hosted.stop)
    tell(report(wait=False).status for _ in range(calls))
    signal.pause()


def left_in_a_loop(calls: int) -> None:
    """A loop that was run, and is neither run nor closed any more."""
    report_and_leave(calls)


def left_in_a_closed_loop(calls: int) -> None:
    report_and_leave(calls).close()


def closed_in_no_time(calls: int) -> None:
    """A host that gives its parts a moment to end, and no more."""

    async def run() -> None:
        opened = tracking(Settings(_env_file=None))
        await opened.__aenter__()
        tell([str((await track_ai_request(wait=False, **CALL)).status) for _ in range(calls)])
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await opened.__aexit__(None, None, None)

    asyncio.run(run())


def report_and_leave(calls: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    kept.append(opened := tracking(Settings(_env_file=None)))
    loop.run_until_complete(opened.__aenter__())

    async def report_all() -> list[str]:
        return [(await track_ai_request(wait=False, **CALL)).status for _ in range(calls)]

    tell(loop.run_until_complete(report_all()))
    return loop


def forked(calls: int) -> None:
    """The calls before the fork are this process's, those after it are reported by a child, which is told."""
    hosted = Hosted(Settings(_env_file=None))
    atexit.register(hosted.stop)
    tell(report(wait=False).status for _ in range(calls))
    if (child := os.fork()) == 0:
        receipts = [*(report() for _ in range(2)), *(report(wait=False) for _ in range(2))]
        tell(receipt.status for receipt in receipts)
        tell(receipt.errors[0].message.partition(":")[0] for receipt in receipts)
        tell([str(asyncio.run(flush())), str(hosted.tracker.counters.snapshot())])
        return  # its own exit, with all handlers that it has from its parent but this one
    os.waitpid(child, 0)
    tell(report().status for _ in range(5))


def forked_and_opened_again(calls: int) -> None:
    """As a server does that forks its workers when all is set up."""
    Hosted(Settings(_env_file=None))
    report()
    children = []
    for _ in range(3):
        if (child := os.fork()) == 0:
            Hosted(Settings(_env_file=None))
            tell(report(wait=False).status for _ in range(calls))
            return
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def forked_in_its_block(calls: int) -> None:
    """The child leaves the block of its parent, and its parent's calls to it."""

    async def run() -> None:
        parent = os.getpid()
        try:
            async with tracking(Settings(_env_file=None)):
                tell([str((await track_ai_request(wait=False, **CALL)).status) for _ in range(calls)])
                if os.fork() == 0:
                    tell([str((await track_ai_request(**CALL)).status)])
                    sys.exit()
                await asyncio.to_thread(os.wait)
        finally:
            if os.getpid() != parent:
                os._exit(0)

    asyncio.run(run())


def multiprocessed(calls: int) -> None:
    """A coroutine has work done by processes that are forked."""

    async def run() -> None:
        async with tracking(Settings(_env_file=None)):
            tell([str((await track_ai_request(wait=False, **CALL)).status) for _ in range(calls)])
            with multiprocessing.get_context("fork").Pool(2) as pool:
                tell(pool.map(in_child, range(4)))

    asyncio.run(run())


def opened_by_a_process(calls: int) -> None:
    """A process of multiprocessing ends by itself, without exit handlers."""
    child = multiprocessing.get_context("fork").Process(target=hosted, args=(calls,))
    child.start()
    child.join()


def in_child(_: int) -> str:
    return report().status


def tell(said: Iterable[str]) -> None:
    sys.stdout.write(f"{dict(Counter(map(str, said)))}\n")
    sys.stdout.flush()


kept: list[object] = []

if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]))
