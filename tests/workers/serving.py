"""A server with two workers, and clients whose connections each reach one of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx

from app.auth.principals import Role
from app.auth.tokens import Tokens
from scripts.drill.server import LOCAL
from tests.conftest import SECRET
from tests.patience import patience
from tests.test_server import CALL, running

TECHNICAL = "/api/admin/ai/technical"
TRACK = "/api/ai/track"


def bearer(name: str = "me", role: Role = Role.ADMIN) -> dict[str, str]:
    """What a caller of this name sends; each has a rate of its own."""
    return {"Authorization": f"Bearer {Tokens(SECRET).issue(name, role, timedelta(minutes=30))}"}


class Served:
    """A running server."""

    def __init__(self, process: "Popen[str]", address: str) -> None:
        self.process = process
        self.address = address

    def client(self, headers: dict[str, str] | None = None) -> httpx.Client:
        headers = headers or bearer()
        timeout = patience(20)
        return httpx.Client(base_url=self.address, headers=headers, timeout=timeout, trust_env=False, verify=LOCAL)

    def get(self, path: str) -> Any:
        with self.client(bearer("looks")) as client:
            return client.get(path).json()

    def processes(self) -> dict[int, dict[str, Any]]:
        """The live workers by process id."""
        return {each["pid"]: each for each in self.get(TECHNICAL)["processes"]}

    def until(self, holds: Callable[[], bool], seconds: float = 30, every: float = 0.02) -> None:
        """Wait until something holds; a server that is being replaced may refuse to answer."""
        ends = time.monotonic() + patience(seconds)
        while True:
            try:
                if holds():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < ends, f"not within {patience(seconds):g} s"
            time.sleep(every)

    @contextmanager
    def each(self, headers: dict[str, str] | None = None, body: dict[str, Any] = CALL) -> Iterator[list[httpx.Client]]:
        """A client for each worker, with a connection that stays."""
        found: dict[int, httpx.Client] = {}
        with ExitStack() as stack:
            while len(found) < 2:
                client = stack.enter_context(self.client(headers or bearer("finds")))
                before = self.processes()
                assert client.post(TRACK, json=body).status_code == 201
                (took,) = [pid for pid, now in self.processes().items() if now["calls"] > before[pid]["calls"]]
                found.setdefault(took, client)
            yield [client for _, client in sorted(found.items())]


@contextmanager
def workers(folder: Path, **variables: str) -> Iterator[Served]:
    """A server with two workers and a data folder of its own."""
    own = {"TWINMETER_WORKERS": "2", "TWINMETER_JWT_SECRET": SECRET, "TWINMETER_LOG_LEVEL": "warning"}
    with running(folder / "data", **own, **variables) as (process, address):
        yield Served(process, address)


def children(pid: int) -> dict[int, str]:
    """The processes that another one has started and not yet waited for, and their command lines."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
    return found
