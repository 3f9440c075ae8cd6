"""A replica set of three members on this machine, whose members can be killed and started again.

Elections take about a second: the members miss each other sooner than by default (election time-out 1 s, heartbeat
300 ms). Every member ends with this process, however this one ends. They can be far apart: then all that reaches a
member, from a server or from another member, arrives later.
"""

import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from os import kill
from pathlib import Path
from signal import SIGKILL
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.database.mongod import GUARD, LOOPBACK, PORTS
from app.database.mongod_binary import find_mongod
from scripts.drill.server import DrillError

NAME = "drill"
MEMBERS = 3
TIMING = {"electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 300}
LINKS = Path(__file__).parent / "slow_links.py"
LIMIT_SECONDS = 60.0
INITIATE_MS = 20_000
"""The members ask each other, however far apart they are."""
POLL_SECONDS = 0.02
PRIMARY, SECONDARY = 1, 2


class ReplicaSet:
    """`with ReplicaSet(folder) as replica_set: connect(replica_set.uri)`. Calls block."""

    def __init__(self, folder: Path, delay: float = 0) -> None:
        """`delay` is how many seconds each way to a member takes."""
        self._folder = folder
        self._binary = find_mongod()
        self._delay = delay
        self._ports = _free_ports(2 * MEMBERS if delay else MEMBERS)
        self._reached_at = self._ports[-MEMBERS:]
        """The ports that servers and members connect to."""
        self._guards: list[subprocess.Popen[bytes]] = []
        self._stack = ExitStack()
        self._hosts = [f"{LOOPBACK}:{port}" for port in self._reached_at]
        self.uri = f"mongodb://{','.join(self._hosts)}/?replicaSet={NAME}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._delay:
                self._link(stack)
            self._guards = [stack.enter_context(self._launched(member)) for member in range(MEMBERS)]
            self._initiate()
            self.wait_until_whole()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for guard in self._guards:  # all at once; each ends its mongod when its standard input is closed
            assert guard.stdin is not None  # noqa: S101 - see _launched
            guard.stdin.close()
        self._stack.close()

    def kill_primary(self) -> int:
        """Kill the primary with -9, and return which member it was. Raises DrillError."""
        member = self.wait_for_primary()
        kill(int((self._path(member) / "mongod.lock").read_text()), SIGKILL)
        self._guards[member].wait()
        return member

    def restart(self, member: int) -> None:
        """Start a member that was killed."""
        self._guards[member] = self._stack.enter_context(self._launched(member))

    def wait_for_primary(self) -> int:
        """Which member takes writes. Raises DrillError when none does in time."""
        found: list[int] = []

        def elected() -> bool:
            found[:] = [member for member in range(MEMBERS) if self._asked(member, "hello").get("isWritablePrimary")]
            return len(found) == 1

        _poll(elected, "no member became the primary")
        return found[0]

    def wait_until_whole(self) -> None:
        """Wait for a primary that sees every member up to date. Raises DrillError."""

        def whole() -> bool:
            states = self._asked(self.wait_for_primary(), "replSetGetStatus").get("members", [])
            return sorted(member["state"] for member in states) == [PRIMARY, SECONDARY, SECONDARY]

        _poll(whole, "not every member came back")

    def behind(self) -> float:
        """How many seconds the last of the members is behind the primary. Raises DrillError."""
        members = self._asked(self.wait_for_primary(), "replSetGetStatus").get("members", [])
        applied = [member["lastAppliedWallTime"] for member in members if member["state"] in {PRIMARY, SECONDARY}]
        return (max(applied) - min(applied)).total_seconds() if applied else 0.0

    def _link(self, stack: ExitStack) -> None:
        links = [f"{port}:{target}" for port, target in zip(self._reached_at, self._ports[:MEMBERS], strict=True)]
        command = [sys.executable, "-I", "-S", str(LINKS), str(self._delay), *links]
        process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))  # noqa: S603 - as below
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - as piped
        stack.callback(process.stdin.close)
        if not process.stdout.readline():
            raise DrillError("the slow links could not be opened")

    def _launched(self, member: int) -> "subprocess.Popen[bytes]":
        self._path(member).mkdir(exist_ok=True)
        options = {
            "--replSet": NAME,
            "--bind_ip": LOOPBACK,
            "--port": self._ports[member],
            "--dbpath": self._path(member),
            "--logpath": self._folder / f"member-{member}.log",
            "--wiredTigerCacheSizeGB": 0.25,
            "--oplogSize": 990,
            "--setParameter": "diagnosticDataCollectionEnabled=false",
        }
        arguments = [str(part) for option in options.items() for part in option]
        return subprocess.Popen(  # noqa: S603 - our own interpreter and file
            [sys.executable, "-I", "-S", GUARD, self._binary, "--quiet", "--logappend", "--nounixsocket", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _initiate(self) -> None:
        members = [{"_id": n, "host": host} for n, host in enumerate(self._hosts)]
        _poll(lambda: all(self._asked(n, "ping") for n in range(MEMBERS)), "not every member started")
        with self._client(0, INITIATE_MS) as client:
            client.admin.command("replSetInitiate", {"_id": NAME, "members": members, "settings": TIMING})

    def _asked(self, member: int, command: str) -> dict[str, Any]:
        """The answer of a member; empty while it is away."""
        with suppress(PyMongoError), self._client(member) as client:
            return client.admin.command(command)
        return {}

    def _client(self, member: int, milliseconds: int = 500) -> MongoClient[dict[str, Any]]:
        return MongoClient(LOOPBACK, self._ports[member], directConnection=True, timeoutMS=milliseconds)

    def _path(self, member: int) -> Path:
        return self._folder / f"member-{member}"


def _poll(come_about: Callable[[], bool], failure: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not come_about():
        if time.monotonic() > deadline:
            raise DrillError(f"{failure} within {LIMIT_SECONDS:g} s")
        time.sleep(POLL_SECONDS)


def _free_ports(number: int) -> list[int]:
    """Below the range of outgoing connections, so that none of those takes the port of a member that is away."""
    found: list[int] = []
    for port in secrets.SystemRandom().sample(PORTS, 100):
        with suppress(OSError), socket.create_server((LOOPBACK, port)):
            found.append(port)
        if len(found) == number:
            return found
    raise DrillError(f"fewer than {number} free ports on {LOOPBACK}")
