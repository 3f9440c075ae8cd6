"""The embedded MongoDB: a real mongod as a single-node replica set, for where no MongoDB is configured.

It listens on the loopback interface only, for one user with a password, and ends with this process, however this one
ends.
"""

import contextlib
import fcntl
import itertools
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Self

from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from app.data_folder import prepared, unusable
from app.database.mongod_binary import MongodError, find_mongod
from app.database.mongod_guard import set_aside
from app.database.mongod_user import OPTIONS, Access

LOOPBACK = "127.0.0.1"
REPLICA_SET = "twinmeter"
GUARD = Path(__file__).with_name("mongod_guard.py")
URI_FILE = "mongodb.uri"
# Below the range that systems hand to outgoing connections, so that none of those holds ours at the next start.
PORTS = range(20_000, 32_000)
NOT_YET_INITIALIZED = 94
POLL_S = 0.01
OWNER_PATIENCE_S = 0.5  # the system takes a moment to clear away a process killed with -9
MONGOD_PATIENCE_S = 15.0  # a guard kills its mongod after five

Document = dict[str, Any]


class FolderInUseError(MongodError):
    """Another live process has an embedded MongoDB in this data folder."""


def read_uri(data_dir: Path) -> str | None:
    """Where the embedded MongoDB of this data folder listens; None when it does not run."""
    try:
        return (data_dir / URI_FILE).read_text().strip() or None  # empty: just being written
    except FileNotFoundError:
        return None


class EmbeddedMongod:
    """A mongod over one data folder: `with EmbeddedMongod(folder) as mongod: connect(mongod.uri)`.

    Calls block, so use `asyncio.to_thread` in a coroutine. When mongod has died by itself: `stop()`, then `start()`.
    """

    uri: str
    pid: int  # of mongod itself
    _guard: subprocess.Popen[bytes]
    _access: Access

    def __init__(self, data_dir: Path, *, cache_size_gb: float = 0.5, start_timeout_s: float = 60.0) -> None:
        self.data_dir = data_dir.absolute()
        self._cache_size_gb = cache_size_gb
        self._start_timeout_s = start_timeout_s
        self._database = self.data_dir / "mongodb"
        self._log = self.data_dir / "mongod.log"
        self._log_start = 0
        self._uri_file = self.data_dir / URI_FILE
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> str:
        """Return the URI once mongod is a writable primary. Raises MongodError, and ConfigurationError where the folder
        cannot be used. The URI contains the password.
        """
        try:
            with contextlib.ExitStack() as cleanup:
                self._start(cleanup)
                self._cleanup = cleanup.pop_all()
        except OSError as error:
            raise unusable(self.data_dir, error) from error
        return self.uri

    def stop(self) -> None:
        """Shut down cleanly, in about a second; nothing to do when already stopped."""
        self._cleanup.close()

    def _start(self, cleanup: contextlib.ExitStack) -> None:
        prepared(self.data_dir)
        self._database.mkdir(mode=0o700, exist_ok=True)
        self._claim(cleanup)
        binary = find_mongod()
        lock = self._await_predecessor(cleanup)
        port = _choose_port(self.data_dir / "mongodb.port")
        self._access = Access(self.data_dir)
        self._guard = cleanup.enter_context(self._launch(binary, port, lock))  # on exit: closes its stdin, then waits
        self._await_primary(port)
        self.uri = self._access.uri(f"{LOOPBACK}:{port}", REPLICA_SET)
        cleanup.callback(self._uri_file.unlink, missing_ok=True)
        with _private(self._uri_file, os.O_TRUNC) as file:
            file.write(f"{self.uri}\n".encode())

    def _claim(self, cleanup: contextlib.ExitStack) -> None:
        """Lock the folder for this process: whoever holds `mongodb.owner` is alive."""
        owner = self.data_dir / "mongodb.owner"
        if (lock := _lock(owner, OWNER_PATIENCE_S)) is None:
            running = read_uri(self.data_dir) is not None
            raise FolderInUseError(
                f"The data folder {self.data_dir} is in use by process {owner.read_text().strip()}. "
                "Stop that process, or set TWINMETER_DATA_DIR to another folder"
                + (f', or connect to its MongoDB: TWINMETER_MONGODB_URI="$(cat {self._uri_file})"' if running else "")
            )
        cleanup.callback(os.close, lock)
        owner.write_text(f"{os.getpid()}\n")
        self._uri_file.unlink(missing_ok=True)  # left by a run that was killed

    def _await_predecessor(self, cleanup: contextlib.ExitStack) -> int:
        """Lock the folder for mongod: guard and mongod inherit `mongodb.lock`, so it is free once they have gone."""
        if (lock := _lock(self.data_dir / "mongodb.lock", MONGOD_PATIENCE_S)) is None:
            raise MongodError(
                f"The MongoDB of an earlier run still uses {self.data_dir}. Stop it: kill {self._running_pid()}"
            )
        cleanup.callback(os.close, lock)
        return lock

    def _launch(self, binary: Path, port: int, lock: int) -> subprocess.Popen[bytes]:
        """Start the guard, which starts mongod, in a session of their own: Ctrl-C reaches this process only."""
        set_aside(self._log)
        with _private(self._log, os.O_APPEND) as log:
            self._log_start = log.seek(0, os.SEEK_END)
            return subprocess.Popen(  # noqa: S603 - our own interpreter and file
                [sys.executable, "-I", "-S", GUARD, binary, *self._options(port)],
                stdin=subprocess.PIPE,  # the guard stops mongod when it is closed, by the death of this process too
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                start_new_session=True,
            )

    def _options(self, port: int) -> list[str]:
        options = {
            "--replSet": REPLICA_SET,
            "--bind_ip": LOOPBACK,
            "--port": port,
            "--dbpath": self._database,
            "--logpath": self._log,
            "--logRotate": "reopen",  # the guard sets the file aside
            "--keyFile": self._access.key_file,
            "--wiredTigerCacheSizeGB": self._cache_size_gb,
            "--oplogSize": 990,  # MB, the least there is; by default 5 % of the disk
        }
        # diagnostic data: written every second, and delays the shutdown
        parameters = {"diagnosticDataCollectionEnabled": "false"} | OPTIONS
        pairs = [*options.items(), *(("--setParameter", f"{name}={value}") for name, value in parameters.items())]
        return ["--quiet", "--logappend", "--nounixsocket", *map(str, itertools.chain(*pairs))]

    def _await_primary(self, port: int) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        self._poll(lambda: _answers(port), deadline)  # a plain socket, because the driver tries twice a second only
        with self._access.server_itself(LOOPBACK, port) as client:
            self._poll(lambda: self._is_primary(client.admin, f"{LOOPBACK}:{port}"), deadline)
        self._access.admit(LOOPBACK, port)

    def _poll(self, ready: Callable[[], bool], deadline: float) -> None:
        """Wait until ready, which may raise meanwhile. Raises MongodError when mongod ends or the time is up."""
        trouble = "it gave no reason"
        while True:
            try:
                if ready():
                    return
            except PyMongoError as error:
                trouble = str(error)
            if (code := self._guard.poll()) is not None:
                raise self._failure(f"ended with exit code {code}", trouble)
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {self._start_timeout_s:g} s", trouble)
            time.sleep(POLL_S)

    def _failure(self, what: str, trouble: str) -> MongodError:
        logged = self._log.read_bytes()[self._log_start :].decode(errors="replace").splitlines()
        complaints = dict.fromkeys(filter(None, map(_complaint, logged)))  # the first ones name the cause
        reason = "; ".join(itertools.islice(complaints, 3)) or trouble
        return MongodError(f"mongod {what}: {reason}. Its log: {self._log}")

    def _is_primary(self, admin: Database[Document], host: str) -> bool:
        self.pid = admin.command("serverStatus")["pid"]
        # Another pid is a stranger that took the port just before ours could.
        return str(self.pid) == self._running_pid() and _lead(admin, host)

    def _running_pid(self) -> str:
        return (self._database / "mongod.lock").read_text().strip()  # mongod writes it


def _lead(admin: Database[Document], host: str) -> bool:
    """Make the server a replica set of one, known as this host; true once it takes writes."""
    try:
        config = admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        # Also the answer while a configuration is loading (30 s, when a stranger on its old port keeps silent):
        # then this raises, and a later round finds it.
        admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]})
        return False
    member = config["members"][0]
    if member["host"] != host:  # the port has changed: the member does not find itself, so only force helps
        member["host"] = host
        admin.command("replSetReconfig", config | {"version": config["version"] + 1}, force=True)
    return bool(admin.command("hello")["isWritablePrimary"])


def _complaint(line: str) -> str:
    """What a line of mongod's log says went wrong; empty when nothing did."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line.strip()  # not of the log: what the system or the option parser says
    match entry:
        case {
            "s": "E" | "F",
            "msg": what,
            "attr": {"error": {"errmsg": why}} | {"error": str(why)} | {"message": {"msg": why}},
        }:
            return f"{what}: {why}"
        case {"s": "E" | "F", "msg": str(what)}:
            return what.strip()
    return ""


def _choose_port(path: Path) -> int:
    """The port of the run before while it is free, else a new one, which is kept."""
    kept = path.read_text().strip() if path.exists() else ""
    ports = [int(kept)] if kept.isdecimal() and int(kept) in PORTS else []
    for port in filter(_is_free, ports + secrets.SystemRandom().sample(PORTS, 100)):
        path.write_text(f"{port}\n")
        return port
    raise MongodError(f"No free port on {LOOPBACK}")


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
        return True
    return False


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def _private(path: Path, how: int) -> BinaryIO:
    """A file for writing that only its owner may read, also where an earlier version made it for all."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def _lock(path: Path, patience_s: float) -> int | None:
    """A descriptor that holds the lock until it and what child processes inherited of it are closed; None when taken.

    Never delete the file: another process could then lock a new one of the same name.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        time.sleep(POLL_S)
    os.close(descriptor)
    return None
