"""The file of the spool: between processes, after a kill, damaged, and on a full disk."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest
from client.tests.conftest import CALL, MakeClient
from client.tests.stand_in import Reply, StandIn
from client.tests.test_life import CLIENT, run
from client.tests.test_spool import until_spooled
from tests.patience import POLL_SECONDS, patience

from twinmeter import Flushed, journal, spool
from twinmeter.journal import Journal
from twinmeter.notices import Notices
from twinmeter.spool import Spool

REPORT = 'twinmeter.track(user_id="u1", content_type="chat", model="gpt-4o", input_tokens=1)'


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "spool.db")


def test_what_one_process_has_claimed_no_other_one_sends(path: str) -> None:
    ours, theirs = Journal(path), Journal(path)
    ours.add([b"a", b"b", b"c"])

    assert ours.claim(2) == [(1, b"a"), (2, b"b")]
    assert theirs.count() == 1
    assert theirs.claim(500) == [(3, b"c")]
    ours.settle(gone=[1], again=[2])
    assert theirs.claim(500) == [(2, b"b")]
    theirs.settle(gone=[2, 3], again=[])
    assert ours.claim(500) == []


def test_what_a_dead_process_has_claimed_is_free_again_later(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal(path).add([b"a"])
    began = time.time()
    assert Journal(path).claim(500)

    assert Journal(path).count() == 0
    monkeypatch.setattr(time, "time", lambda: began + journal.CLAIM_SECONDS + 1)
    assert Journal(path).claim(500) == [(1, b"a")]


def test_a_claim_does_not_outlast_a_clock_that_is_put_back(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal(path).add([b"a"])
    assert Journal(path).claim(500)

    monkeypatch.setattr(time, "time", lambda: 1_000.0)
    assert Journal(path).claim(500) == [(1, b"a")]


KILLED = f"""
import os, sys, time, twinmeter
twinmeter.track
for _ in range(600): {REPORT}
while twinmeter.client.current()._sender.spooled < 600: time.sleep(0.01)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_sent_by_one_that_was_there_before(
    server: StandIn, make_client: MakeClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "LOOK_SECONDS", 0.05)
    client = make_client(server.address, spool=path)
    client.track(CALL)
    assert client.flush(patience(30)) == Flushed(1, 0, 0)
    server.otherwise = Reply(503)
    assert run(KILLED, server.address, TWINMETER_SPOOL=path).returncode == -9
    server.otherwise = Reply()

    began = time.monotonic()
    while client.counts()[:4] != (601, 0, 0, 0):
        assert time.monotonic() - began < patience(30), client.counts()
        time.sleep(POLL_SECONDS)


SENDERS = f"""
import sys, twinmeter
for _ in range(500): {REPORT}
print(twinmeter.flush(60))
"""


def test_four_processes_send_what_is_in_one_spool_without_sending_it_twice(server: StandIn, path: str) -> None:
    rows = [b'{"requestId": "r%d"}\n' % number for number in range(3_000)]
    Journal(path).add(rows)
    variables = {"TWINMETER_URL": server.address, "TWINMETER_KEY": "k", "TWINMETER_SPOOL": path}
    start = partial(subprocess.Popen[str], env={"PYTHONPATH": str(CLIENT), **variables}, stdout=subprocess.DEVNULL)
    processes = [start([sys.executable, "-c", SENDERS]) for _ in range(4)]

    assert [process.wait(patience(60)) for process in processes] == [0, 0, 0, 0]
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) == 5_000
    assert Journal(path).count() == 0


def test_an_exit_that_hangs_in_the_middle_of_a_page_leaves_it_to_the_next_process(
    server: StandIn, make_client: MakeClient, path: str
) -> None:
    Journal(path).add([b'{"requestId": "r%d"}\n' % number for number in range(700)])
    server.otherwise = Reply(200, b"", cuts=True)
    client = make_client(server.address, spool=path)
    client._sender._open_spool()
    assert client._sender._spool
    assert len(client._sender._spool.claim(500)) == 500

    assert Journal(path).count() == 200
    client.close(0)
    assert Journal(path).count() == 700


def test_a_damaged_file_is_set_aside_and_named_and_what_can_be_read_of_it_is_sent(
    server: StandIn, make_client: MakeClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    Journal(path).add(b'{"requestId": "r%d", "padding": "%s"}\n' % (number, b"p" * 500) for number in range(1_000))
    with Path(path).open("r+b") as file:
        file.seek(file.seek(0, 2) // 2)
        file.write(b"\0" * 50_000)
    client = make_client(server.address, spool=path)
    client.track(CALL)

    flushed = client.flush(patience(30))
    (aside,) = Path(path).parent.glob("spool.db.damaged-*Z-*")
    (message,) = [record.message for record in caplog.records]
    saved = flushed.delivered - 1
    assert 100 < saved < 1_000
    assert f"it is now {aside}, and {saved} calls of it are saved" in message
    assert len({row["requestId"] for row in server.rows}) == len(server.rows) == saved + 1
    assert flushed[1:] == (0, 0)


def test_a_file_that_is_no_database_is_set_aside_and_the_spool_goes_on(
    server: StandIn, make_client: MakeClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    Path(path).write_bytes(b"no database at all" * 1_000)
    client = make_client(server.address, spool=path)
    server.otherwise = Reply(503)
    for _ in range(3):
        client.track(CALL)
    until_spooled(client, 3)
    server.otherwise = Reply()

    assert client.flush(patience(30)) == Flushed(3, 0, 0)
    assert sum("the spool was damaged (file is not a database)" in record.message for record in caplog.records) == 1
    (aside,) = Path(path).parent.glob("spool.db.damaged-*")
    assert aside.read_bytes() == b"no database at all" * 1_000


def test_of_two_processes_that_find_a_damaged_file_one_sets_it_aside(path: str) -> None:
    Path(path).write_bytes(b"no database at all" * 1_000)
    spools = [Spool(path, Notices()) for _ in range(2)]
    for each in spools:
        with pytest.raises(Exception, match="not a database"):
            each._journal.count()

    assert spools[0]._journal.set_aside()[0]
    spools[0]._journal.add([b"a"])
    assert spools[1]._journal.set_aside() == ("", 0)
    assert spools[1]._journal.count() == 1


FULL_DISK = f"""
import resource, sys, twinmeter
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for _ in range(5_000): {REPORT}
print(twinmeter.flush(2))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_on_a_full_disk_calls_stay_in_memory_and_are_kept_once_there_is_room(server: StandIn, path: str) -> None:
    server.otherwise = Reply(503)
    done = run(FULL_DISK, server.address, TWINMETER_SPOOL=path)

    assert (done.returncode, done.stdout) == (0, "Flushed(delivered=0, rejected=0, waiting=5000)\n")
    told = [line for line in done.stderr.splitlines() if not line.startswith("calls are kept, and sent again later")]
    assert [line.partition(": /")[0] for line in told] == ["the spool cannot be used"]
    assert Journal(path).count() == 5_000


def test_an_exit_on_a_full_disk_counts_what_is_lost_in_one_line(server: StandIn, path: str) -> None:
    server.otherwise = Reply(503, headers=(("Retry-After", "60"),))
    code = textwrap.dedent(FULL_DISK).rpartition("resource.setrlimit")[0]
    done = run(code.replace("200_000", "100"), server.address, TWINMETER_SPOOL=path)

    assert done.returncode == 0
    assert done.stderr.count("the spool cannot be used") == 1
    assert "calls are lost: 5,000; they were left at the exit: the server answers 503" in done.stderr
