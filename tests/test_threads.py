"""Threads that work until the process is gone."""

import gc
import subprocess
import sys
import threading
from concurrent.futures import wait
from pathlib import Path

import pytest

from app.threads import DaemonThreads
from tests.patience import patience

ROOT = Path(__file__).parents[1]
AT_EXIT = """
import atexit, sys
from concurrent.futures import ThreadPoolExecutor
from app.threads import DaemonThreads

pool, own = ThreadPoolExecutor(1), DaemonThreads("own", 2)
pool.submit(print, "before", flush=True).result()
own.begin()

@atexit.register
def at_exit():
    own.submit(print, "ours", flush=True).result()
    try:
        pool.submit(print, "theirs")
    except RuntimeError as error:
        print(error, flush=True)
"""


def names(name: str) -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith(f"twinmeter-{name}_"))


def test_they_work_in_exit_handlers_where_those_of_python_do_not() -> None:
    run = subprocess.run([sys.executable, "-c", AT_EXIT], cwd=ROOT, capture_output=True, text=True, check=True)

    assert (run.stdout, run.stderr) == ("before\nours\ncannot schedule new futures after shutdown\n", "")


def test_there_are_only_as_many_as_are_needed_and_may_be() -> None:
    threads, go_on = DaemonThreads("some", 3), threading.Event()
    threads.submit(int).result()
    assert names("some") == ["twinmeter-some_0"]

    waiting = [threads.submit(go_on.wait) for _ in range(5)]
    assert names("some") == [f"twinmeter-some_{number}" for number in range(3)]
    go_on.set()
    wait(waiting, patience(5))


def test_an_error_is_raised_where_somebody_waits_and_ends_no_thread() -> None:
    threads = DaemonThreads("failing")

    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 // 0).result()
    assert threads.submit(int, "3").result() == 3


def test_they_end_with_their_owner_when_what_was_taken_is_done() -> None:
    threads, go_on = DaemonThreads("ending"), threading.Event()
    first, last = threads.submit(go_on.wait), threads.submit(int, "3")
    (thread,) = (each for each in threading.enumerate() if each.name == "twinmeter-ending_0")
    threads.shutdown()
    with pytest.raises(RuntimeError, match="have been ended"):
        threads.submit(int)
    del threads
    gc.collect()
    go_on.set()
    thread.join(patience(5))

    assert (first.result(), last.result(), thread.is_alive()) == (True, 3, False)
