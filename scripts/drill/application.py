"""An application that reports calls by the client: python -m scripts.drill.application WAY FIRST LAST

WAY says how it lives and ends. Nothing but the client and the standard library.
"""

import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import twinmeter

from scripts.drill.reported import fields

THREADS = 8
CHILDREN = 3
PROCESSES = 4
AWAITED = 10
"""Each so many calls, one is awaited."""
PACE_SECONDS = 0.002
FLUSH_EACH = 50
FLUSH_SECONDS = 120.0
DELIVERED = {"committed", "spooled", "duplicate"}


def report(way: str, numbers: Iterable[int]) -> None:
    """Report these calls, and wait for nothing."""
    for number in numbers:
        twinmeter.track(**fields(way, number))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Report one call for each request, by WSGI: `/NUMBER`."""
    report("gunicorn", [int(environ["PATH_INFO"].strip("/"))])
    start_response("204 No Content", [])
    return []


def _script(way: str, numbers: range) -> None:
    report(way, numbers)


def _threads(way: str, numbers: range) -> None:
    threads = [threading.Thread(target=report, args=(way, part)) for part in _parts(numbers, THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _forks(way: str, numbers: range) -> None:
    """Children that are forked while the parent has calls of its own, and end as any script."""
    ours, *theirs = _parts(numbers, CHILDREN + 1)
    half = len(ours) // 2
    report(way, ours[:half])
    children = []
    for part in theirs:
        child = os.fork()
        if not child:
            report(way, part)
            sys.exit()
        children.append(child)
    report(way, ours[half:])
    if any(os.waitpid(child, 0)[1] for child in children):
        sys.exit("a child has failed")


def _processes(way: str, numbers: range) -> None:
    """Children of multiprocessing, which end without exit handlers."""
    context = multiprocessing.get_context("fork")
    ours, *theirs, last = _parts(numbers, PROCESSES + 2)
    report(way, ours)
    with ProcessPoolExecutor(PROCESSES, context) as pool:
        list(pool.map(report, [way] * len(theirs), theirs))
    child = context.Process(target=report, args=(way, last))
    child.start()
    child.join()
    if child.exitcode:
        sys.exit("a child has failed")


def _asyncio(way: str, numbers: range) -> None:
    """Two event loops, one after the other."""
    for part in _parts(numbers, 2):
        asyncio.run(_report_and_await(way, part))


async def _report_and_await(way: str, numbers: range) -> None:
    reports = []
    for number in numbers:
        if number % AWAITED:
            twinmeter.track(**fields(way, number))
        else:
            reports.append(twinmeter.track_ai_request(**fields(way, number)))
            await asyncio.sleep(0)
    told = {(await report).status for report in reports}
    if not told <= DELIVERED:
        sys.exit(f"receipts are {told}")


def _steady(way: str, numbers: range) -> None:
    """Calls at a steady pace; in the end all of them must have been delivered, whatever becomes of the server."""
    for number in numbers:
        report(way, [number])
        time.sleep(PACE_SECONDS)
    _until_delivered()


def _in_small_batches(way: str, numbers: range) -> None:
    for number in numbers:
        report(way, [number])
        if number % FLUSH_EACH == 0:
            twinmeter.flush()
    _until_delivered()


def _at_once(way: str, numbers: range) -> None:
    report(way, numbers)
    _until_delivered()


def _until_delivered() -> None:
    until = time.monotonic() + FLUSH_SECONDS
    while twinmeter.flush(1).waiting and time.monotonic() < until:
        time.sleep(0.05)
    if any(left := twinmeter.counts()[1:4]):
        sys.exit(f"rejected, waiting, lost: {left}")


def _parts(numbers: range, many: int) -> Iterator[range]:
    return (numbers[part * len(numbers) // many : (part + 1) * len(numbers) // many] for part in range(many))


WAYS = {
    "script": _script,
    "threads": _threads,
    "forks": _forks,
    "processes": _processes,
    "asyncio": _asyncio,
    "killed server": _steady,
    "server away": _at_once,
    "server away, spool": _script,
    "cut answers": _in_small_batches,
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3])))
