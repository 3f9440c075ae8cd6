"""The embedded MongoDB is its owner's alone, also where its folder is of an earlier version."""

import contextlib
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from app.database.mongod import EmbeddedMongod, _choose_port, read_uri
from app.database.mongod_binary import find_mongod
from app.database.mongod_guard import MAX_LOG
from tests.database.test_mongod import names, put, stranger, wait_until

NOBODY = 65_534
UNAUTHORIZED = 13


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def secret(folder: Path) -> str:
    return (folder / "mongodb.key").read_text()


@contextlib.contextmanager
def anyone(folder: Path) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client without a password."""
    port = int((folder / "mongodb.port").read_text())
    with MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True, timeoutMS=5_000) as client:
        yield client


def without_password(folder: Path, *kept: str) -> int:
    """What an earlier version leaves: data that anyone on the machine may change, and files that anyone may read.

    Returns the port.
    """
    (folder / "mongodb").mkdir()
    port = _choose_port(folder / "mongodb.port")
    (folder / "mongod.log").touch(0o644)
    (folder / "mongod.log").chmod(0o644)
    folder.chmod(0o755)
    options = {"--replSet": "twinmeter", "--bind_ip": "127.0.0.1", "--port": port, "--dbpath": folder / "mongodb"}
    arguments = [str(part) for option in options.items() for part in option]
    with subprocess.Popen([find_mongod(), "--nounixsocket", *arguments], stdout=subprocess.DEVNULL) as process:
        with MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
            client.admin.command("replSetInitiate", {"_id": "twinmeter", "members": members})
        for name in kept:
            put(f"mongodb://127.0.0.1:{port}/?replicaSet=twinmeter", name)
        process.terminate()
    return port


def test_who_has_no_password_can_do_nothing(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as running, anyone(tmp_path) as client:
        put(running.uri, "ours")
        for attempt in (
            client.twinmeter.things.find_one,
            lambda: client.twinmeter.things.insert_one({}),
            lambda: client.admin.command("createUser", "eve", pwd="eve", roles=["root"]),
            lambda: client.admin.command("shutdown"),
        ):
            with pytest.raises(OperationFailure) as refused:
                attempt()
            assert refused.value.code == UNAUTHORIZED
        assert names(running.uri) == ["ours"]
        # nor could anybody have come in before there was a user
        with MongoClient[dict[str, Any]](running.uri) as owner:
            found = owner.admin.command("getParameter", enableLocalhostAuthBypass=1)
            assert found["enableLocalhostAuthBypass"] is False


def test_a_password_is_in_no_file_that_others_can_read_nor_in_a_log_or_a_command_line(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path) as running:
        assert len(secret(tmp_path)) == 64
        assert running.uri == read_uri(tmp_path)
        assert secret(tmp_path) in running.uri
        assert mode(tmp_path) == mode(tmp_path / "mongodb") == 0o700
        assert {mode(tmp_path / name) for name in ("mongodb.uri", "mongodb.key", "mongod.log")} == {0o600}
        assert secret(tmp_path) not in (tmp_path / "mongod.log").read_text()
        for process in (running.pid, running._guard.pid):
            assert secret(tmp_path).encode() not in Path(f"/proc/{process}/cmdline").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_of_the_machine_reads_nothing_of_the_folder(tmp_path: Path) -> None:
    with EmbeddedMongod(tmp_path):
        for name in ("mongodb.uri", "mongodb.key", "mongod.log"):
            reading = ["/bin/cat", str(tmp_path / name)]
            tried = subprocess.run(reading, user=NOBODY, capture_output=True, text=True, check=False, cwd="/")
            assert (tried.stdout, "Permission denied" in tried.stderr) == ("", True)


def test_a_folder_of_an_earlier_version_gets_a_password_and_keeps_its_data(tmp_path: Path) -> None:
    without_password(tmp_path, "before")
    with EmbeddedMongod(tmp_path) as running:
        assert names(running.uri) == ["before"]
        put(running.uri, "after")
        with anyone(tmp_path) as client, pytest.raises(OperationFailure, match="requires authentication"):
            client.twinmeter.things.find_one()
        assert mode(tmp_path) == 0o700
        assert mode(tmp_path / "mongod.log") == 0o600
    with EmbeddedMongod(tmp_path) as again:
        assert again.uri == running.uri
        assert names(again.uri) == ["after", "before"]


def test_also_where_its_port_is_taken_meanwhile(tmp_path: Path) -> None:
    port = without_password(tmp_path, "before")
    with stranger(port), EmbeddedMongod(tmp_path) as moved:
        assert str(port) not in moved.uri.rpartition("@")[2]
        assert names(moved.uri) == ["before"]


@pytest.mark.parametrize("left", [None, ""], ids=["no file", "an empty one, as after a power cut"])
def test_a_lost_secret_is_replaced_and_nothing_else(tmp_path: Path, left: str | None) -> None:
    with EmbeddedMongod(tmp_path) as running:
        put(running.uri, "before")
    (tmp_path / "mongodb.key").unlink()
    if left is not None:
        (tmp_path / "mongodb.key").write_text(left)

    with EmbeddedMongod(tmp_path) as again:
        assert again.uri != running.uri
        assert names(again.uri) == ["before"]


def test_a_long_log_is_set_aside_at_a_start_and_while_it_runs(tmp_path: Path) -> None:
    log, older = tmp_path / "mongod.log", tmp_path / "mongod.log.1"
    log.write_text("of a run before")
    os.truncate(log, MAX_LOG + 1)
    with EmbeddedMongod(tmp_path) as running:
        assert older.read_bytes().startswith(b"of a run before")
        assert log.stat().st_size < 1_000_000
        os.truncate(log, MAX_LOG + 1)
        wait_until(lambda: older.read_bytes()[:1] == b"{" and log.exists() and log.stat().st_size > 0)
        put(running.uri, "usable")
        assert log.stat().st_size < 1_000_000
        assert mode(log) == 0o600
