"""Exits and forks, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from client.tests.conftest import KEY
from client.tests.stand_in import Reply, StandIn
from tests.patience import patience

from twinmeter.journal import Journal

CLIENT = Path(__file__).parents[1]
CALL = 'twinmeter.track(user_id="u1", content_type="chat", model="gpt-4o", input_tokens=1)'
PYTHONS = {
    int(python.parts[-3].split(".")[1]): str(python) for python in Path.home().glob(".pyenv/versions/3.*/bin/python")
}
SUPPORTED = [python for minor, python in sorted(PYTHONS.items()) if minor >= 9] or [sys.executable]
OLDEST_AND_NEWEST = [SUPPORTED[0], SUPPORTED[-1]] if len(SUPPORTED) > 1 else SUPPORTED


def run(
    code: str | Path, server: str, python: str = sys.executable, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A script, or a file of one, with the client installed, and the environment set."""
    script = [str(code)] if isinstance(code, Path) else ["-c", code]
    ours = {"TWINMETER_URL": server, "TWINMETER_KEY": KEY, "PYTHONPATH": str(CLIENT), **variables}
    environment = {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **ours}
    return subprocess.run(
        [python, "-W", "error", *script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=patience(60),
        check=False,
    )


@pytest.mark.parametrize("python", SUPPORTED)
def test_what_a_script_has_reported_is_sent_at_its_end(server: StandIn, python: str) -> None:
    done = run(f"import twinmeter\nfor _ in range(1_000): {CALL}", server.address, python)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) == 1_000


FORKS = f"""
import os, sys, twinmeter
for _ in range(100): {CALL}
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        for _ in range(200): {CALL}
        assert twinmeter.flush(30) == (200, 0, 0), twinmeter.counts()
        sys.exit()
    children.append(child)
for _ in range(100): {CALL}
codes = [os.waitpid(child, 0)[1] for child in children]
assert codes == [0, 0, 0], codes
assert twinmeter.flush(30) == (200, 0, 0), twinmeter.counts()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("python", SUPPORTED)
def test_a_forked_child_begins_empty_and_the_parent_keeps_its_own(server: StandIn, python: str) -> None:
    done = run(f"import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n{FORKS}", server.address, python)

    assert (done.returncode, done.stderr) == (0, "")
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) == 800


def test_what_cannot_be_sent_at_the_exit_is_counted_in_one_line(server: StandIn) -> None:
    server.otherwise = Reply(429, b"{}", (("Retry-After", "60"),))
    done = run(f"import twinmeter\nfor _ in range(7): {CALL}", server.address)

    assert done.returncode == 0
    assert done.stderr == "calls are lost: 7; they were left at the exit: the server answers 429\n"


def test_with_a_spool_what_cannot_be_sent_is_sent_by_the_next_process(server: StandIn, tmp_path: Path) -> None:
    spool = {"TWINMETER_SPOOL": str(tmp_path / "spool.db")}
    server.otherwise = Reply(503, b"", (("Retry-After", "60"),))
    first = run(f"import twinmeter\nfor _ in range(700): {CALL}", server.address, **spool)
    asked = len(server.batches)
    server.otherwise = Reply()
    second = run(f"import twinmeter\n{CALL}\nassert twinmeter.flush(30) == (701, 0, 0)", server.address, **spool)
    third = run("import twinmeter\nassert twinmeter.flush(30) == (0, 0, 0)", server.address, **spool)

    assert [done.stderr for done in (first, second, third)] == ["", "", ""]
    rows = [row for batch in server.batches[asked:] for row in batch]
    assert len({row["requestId"] for row in rows}) == len(rows) == 701


IN_AN_EXIT_HANDLER = f"""
import atexit, twinmeter
def report():
    for _ in range(600): {CALL}
atexit.register(report)
"""


@pytest.mark.parametrize("python", SUPPORTED)
def test_what_an_exit_handler_reports_first_is_sent_with_or_without_a_thread(server: StandIn, python: str) -> None:
    done = run(IN_AN_EXIT_HANDLER, server.address, python)

    assert (done.returncode, done.stderr) == (0, "")
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) == 600


def test_an_exit_waits_no_longer_than_five_seconds_for_a_server_that_hangs(server: StandIn) -> None:
    never = threading.Event()
    server.otherwise = Reply(waits_for=never)
    began = time.monotonic()
    done = run(f"import twinmeter\n{CALL}", server.address)
    never.set()

    assert done.stderr == "calls are lost: 1; they were left at the exit: the server has not answered in time\n"
    assert 4.5 <= time.monotonic() - began < patience(10)


AFTER_ANOTHER = f"""
import sys, twinmeter
first = twinmeter.configure(url=sys.argv[1], key="k")
for _ in range(10): {CALL}
twinmeter.configure(url=sys.argv[1], key="k")
for _ in range(20): {CALL}
del first
"""


def test_what_was_reported_before_other_settings_is_sent_too(server: StandIn) -> None:
    done = run(AFTER_ANOTHER.replace("sys.argv[1]", repr(server.address)), server.address)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(server.rows) == 30


AT_THE_END = f"""
import twinmeter
class Last:
    def __del__(self):
        {CALL}
twinmeter.flush()
last = Last()
kept = [last]
kept.append(kept)
"""


def test_a_call_that_is_reported_while_the_interpreter_ends_does_no_harm(server: StandIn) -> None:
    done = run(AT_THE_END, server.address)

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1


REENTERED = f"""
import gc, twinmeter
class Cycle:
    def __init__(self): self.me = self
    def __del__(self): {CALL}
gc.set_threshold(1)
for _ in range(2_000):
    Cycle()
    {CALL}
gc.collect()
assert twinmeter.flush(60).delivered == 4_000, twinmeter.counts()
"""


def test_calls_of_finalizers_that_run_in_the_middle_of_a_report_arrive(server: StandIn) -> None:
    done = run(REENTERED, server.address)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(server.rows) == 4_000


IMPORTS = """
import sys
before = set(sys.modules)
import twinmeter
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
heavy = loaded & {"ssl", "sqlite3", "http", "email", "asyncio", "logging", "inspect", "urllib", "socket"}
print(sorted(heavy), sorted(loaded - set(sys.stdlib_module_names) - {"twinmeter"}))
"""


def test_the_import_loads_nothing_heavy_and_nothing_of_others(server: StandIn) -> None:
    done = run(IMPORTS, server.address)

    assert (done.stdout, done.stderr) == ("[] []\n", "")


DAEMONS = f"""
import threading, time, twinmeter
def work():
    while True:
        {CALL}
        time.sleep(0.0005)
for _ in range(4): threading.Thread(target=work, daemon=True).start()
while twinmeter.counts().delivered < 1_000: time.sleep(0.01)
"""


@pytest.mark.parametrize("python", OLDEST_AND_NEWEST)
def test_daemon_threads_that_report_until_the_end_do_no_harm(server: StandIn, python: str) -> None:
    done = run(DAEMONS, server.address, python)

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Fatal" not in done.stderr
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) >= 1_000


@pytest.mark.parametrize("has_spool", [False, True])
def test_whoever_interrupts_an_exit_that_hangs_has_it_end_with_nothing_unsaid(
    server: StandIn, tmp_path: Path, has_spool: bool
) -> None:
    never = threading.Event()
    server.otherwise = Reply(waits_for=never)
    path = str(tmp_path / "spool.db") if has_spool else ""
    ours = {"TWINMETER_URL": server.address, "TWINMETER_KEY": KEY, "TWINMETER_SPOOL": path, "PYTHONPATH": str(CLIENT)}
    code = f"import twinmeter\n{CALL}\ntwinmeter.flush(0.001)"
    process = subprocess.Popen([sys.executable, "-c", code], env=ours, stderr=subprocess.PIPE, text=True)
    server.wait_for(1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=patience(30))[1]
    never.set()

    lost = "calls are lost: 1; they were left at the exit: the server has not answered in time\n"
    assert (process.returncode, said) == (0, "" if has_spool else lost)
    if has_spool:
        assert Journal(path).count() == 1


IN_A_NOTEBOOK = """
import asyncio, twinmeter
call = dict(user_id="u1", content_type="chat", model="gpt-4o", input_tokens=1)
async def cell():
    twinmeter.track(**call)
    assert twinmeter.flush(30) == (1, 0, 0)
    assert (await twinmeter.track_ai_request(**call)).status == "committed"
    assert twinmeter.track(wait=True, **call).status == "committed"
    twinmeter.track_ai_request(**call)
asyncio.run(cell())
"""


def test_in_a_notebook_whose_loop_runs_all_ways_of_reporting_work(server: StandIn) -> None:
    done = run(IN_A_NOTEBOOK, server.address)

    assert (done.returncode, done.stderr) == (0, "")
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) == 4


LOOPS = """
import pytest, twinmeter
@pytest.mark.parametrize("number", range(4))
async def test_each_has_a_loop(number):
    call = dict(user_id="u1", content_type="chat", model="gpt-4o", input_tokens=1)
    assert (await twinmeter.track_ai_request(**call)).status == "committed"
    twinmeter.track(**call)
    twinmeter.track_ai_request(**call)
"""


def test_under_pytest_with_a_loop_for_each_test_all_calls_are_sent(server: StandIn, tmp_path: Path) -> None:
    (tmp_path / "test_loops.py").write_text(LOOPS)
    options = ["-p", "pytest_asyncio.plugin", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", str(tmp_path)]
    options += ["--rootdir", str(tmp_path), "-o", "asyncio_default_test_loop_scope=function"]
    code = f"import sys, warnings\nwarnings.resetwarnings()\nimport pytest\nsys.exit(pytest.main({options!r}))"
    done = run(code, server.address, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    assert done.returncode == 0, done.stdout
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) == 12


PATCHED_LATER = """
import queue, threading, twinmeter
client = twinmeter.Client()
class Patched(queue.SimpleQueue):
    waited = 0
    def get(self, *arguments, **named):
        Patched.waited += 1
        return super().get(*arguments, **named)
queue.SimpleQueue = Patched  # as gevent does
client.track(dict(user_id="u1", content_type="chat", model="gpt-4o", input_tokens=1))
assert client.flush(30) == (1, 0, 0)
assert Patched.waited
"""


def test_a_client_that_was_made_before_gevent_replaced_threads_waits_by_those_of_gevent(server: StandIn) -> None:
    done = run(PATCHED_LATER, server.address)

    assert (done.returncode, done.stderr) == (0, "")
