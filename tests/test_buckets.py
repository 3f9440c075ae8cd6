"""Token buckets, of one process and of several."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import buckets
from app.buckets import Buckets

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys
from pathlib import Path
from app import buckets
buckets.LOCK_TRIES = 1_000_000  # a holder that a busy machine puts aside is not frozen
shared = buckets.Buckets(per_second=1e-9, most=30_000, shared=Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(sum(shared.take("caller") for _ in range(30_000)))
"""


def test_a_bucket_holds_so_much_and_fills_again() -> None:
    now = 100.0
    own = Buckets(per_second=10, most=50, clock=lambda: now)

    assert sum(own.take("a") for _ in range(100)) == 50
    assert sum(own.take("b") for _ in range(10)) == 10
    now += 1.0
    assert sum(own.take("a") for _ in range(100)) == 10
    now += 100.0
    assert sum(own.take("a") for _ in range(100)) == 50


def test_in_a_full_row_the_fullest_bucket_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "ROWS", 1)
    own = Buckets(per_second=1, most=1_000, clock=lambda: 0.0)
    for caller in range(buckets.KEYS_PER_ROW):
        for _ in range(100 if caller != 3 else 1):
            own.take(caller)

    own.take("one more")

    # those that have sent much are still known; only the one that was nearly full began anew
    assert [sum(own.take(caller) for _ in range(1_001)) for caller in (0, 7)] == [900, 900]
    assert sum(own.take(3) for _ in range(1_001)) == 1_000


def test_processes_take_from_one_bucket_and_exactly_what_it_holds(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "buckets")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    takers = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    assert [taker.stdout.readline() for taker in takers] == ["ready\n"] * 3  # else one is done before the next begins
    for taker in takers:
        taker.stdin.write("go\n")
        taker.stdin.flush()
    taken = [int(taker.communicate()[0]) for taker in takers]

    assert sum(taken) == 30_000


def test_a_process_that_is_frozen_while_it_holds_a_row_holds_up_nobody(tmp_path: Path) -> None:
    holder = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""
    ours = Buckets(per_second=1e-9, most=2, shared=tmp_path / "buckets")
    command = [sys.executable, "-c", holder, str(tmp_path / "buckets")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as frozen:
        assert frozen.stdout is not None
        assert frozen.stdout.readline() == "held\n"
        assert [ours.take("a") for _ in range(3)] == [True, True, False]
        frozen.communicate("")
    assert (tmp_path / "buckets").stat().st_size == buckets.ROWS * buckets.KEYS_PER_ROW * 32
