"""Children of multiprocessing and of billiard, which end without exit handlers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from client.tests.stand_in import StandIn
from client.tests.test_life import CALL, OLDEST_AND_NEWEST, run

WORK = f"""
import os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12: forks and threads
import multiprocessing, twinmeter
def work(calls):
    for _ in range(calls): {CALL}
    return calls
"""
CHILDREN = f"""{WORK}
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    work(1)
    children = [context.Process(target=work, args=(50,)) for _ in range(3)]
    for child in children: child.start()
    for child in children: child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
"""
POOLS = f"""{WORK}
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        assert sum(pool.map(work, [1] * 100)) == 100
    pool = multiprocessing.get_context("fork").Pool(2, maxtasksperchild=5)
    assert sum(pool.map(work, [1] * 50, chunksize=1)) == 50
    pool.close()
    pool.join()
    work(1)
"""
IMPORTED_LATE = f"""
import multiprocessing
def work():
    import twinmeter
    for _ in range(150): {CALL}
if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    work()
"""
WHILE_IT_IS_IMPORTED = f"""{WORK}
work(10)
if __name__ == "__main__":
    child = multiprocessing.get_context(sys.argv[1]).Process(target=os.getpid)
    child.start()
    child.join()
"""
ENDED_POOL = f"""{WORK}
@twinmeter.flushed
def task(calls):
    return work(calls)
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:  # which kills its processes at the end
        assert sum(pool.map(task, [5] * 10)) == 50
"""
BILLIARD = f"""{WORK}
import billiard
if __name__ == "__main__":
    {CALL}
    child = billiard.Process(target=work, args=(50,))
    child.start()
    child.join()
    work(1)
"""


def program(folder: Path, code: str) -> Path:
    """A file: children that are spawned import it."""
    file = folder / "program.py"
    file.write_text(code)
    return file


def expect(server: StandIn, calls: int) -> None:
    """So many calls have arrived, each once."""
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) == calls


@pytest.mark.parametrize("python", OLDEST_AND_NEWEST)
@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_what_a_child_of_multiprocessing_reports_is_sent_at_its_end(
    server: StandIn, tmp_path: Path, python: str, start: str
) -> None:
    done = run(program(tmp_path, CHILDREN), server.address, python, start)

    assert (done.returncode, done.stderr) == (0, "")
    expect(server, 151)


@pytest.mark.parametrize("python", OLDEST_AND_NEWEST)
def test_what_processes_of_pools_report_is_sent_when_they_end(server: StandIn, tmp_path: Path, python: str) -> None:
    done = run(program(tmp_path, POOLS), server.address, python)

    assert (done.returncode, done.stderr) == (0, "")
    expect(server, 151)


def test_a_child_may_be_the_first_to_import_the_client(server: StandIn, tmp_path: Path) -> None:
    done = run(program(tmp_path, IMPORTED_LATE), server.address)

    assert (done.returncode, done.stderr) == (0, "")
    expect(server, 300)


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_what_a_program_reports_while_a_child_imports_it_is_sent_too(
    server: StandIn, tmp_path: Path, start: str
) -> None:
    done = run(program(tmp_path, WHILE_IT_IS_IMPORTED), server.address, sys.executable, start)

    assert (done.returncode, done.stderr) == (0, "")
    expect(server, 20)


def test_tasks_of_a_pool_that_kills_its_processes_can_flush_before_they_return(server: StandIn, tmp_path: Path) -> None:
    done = run(program(tmp_path, ENDED_POOL), server.address)

    assert (done.returncode, done.stderr) == (0, "")
    expect(server, 50)


def test_what_a_child_of_billiard_reports_is_sent_at_its_end(server: StandIn, tmp_path: Path) -> None:
    pytest.importorskip("billiard")
    done = run(program(tmp_path, BILLIARD), server.address)

    assert (done.returncode, done.stderr) == (0, "")
    expect(server, 52)
