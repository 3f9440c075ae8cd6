"""Workers that end, hang or cannot start, and servers that are told to stop, or killed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.database.mongod import EmbeddedMongod
from app.settings import Settings
from app.workers import supervisor
from app.workers.folder import MEMORY, PREFIX, shared_folder
from scripts.drill.server import LOCAL
from tests.conftest import SECRET
from tests.patience import FACTOR, patience, until
from tests.test_server import CALL, acknowledged_until_refused, failure, running, start
from tests.workers.serving import TECHNICAL, TRACK, Served, bearer, children, workers

STOP_SECONDS = 5 + 10
"""What the documentation says: for open requests, and for calls."""


@pytest.fixture
def names(mongodb_uri: str) -> dict[str, str]:
    """A database of its own."""
    return {"TWINMETER_MONGODB_URI": mongodb_uri, "TWINMETER_DATABASE": f"test_{uuid.uuid4().hex[:12]}"}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _replaced(server: Served, victim: int) -> bool:
    found = server.processes()
    return len(found) == 2 and victim not in found


def test_workers_killed_in_turn_are_replaced_and_nothing_falls(tmp_path: Path, names: dict[str, str]) -> None:
    with workers(tmp_path, **names) as server:
        first = set(server.processes())
        for victim in sorted(first):
            with server.client() as client:
                for _ in range(5):
                    assert client.post(TRACK, json=CALL).status_code == 201
            committed = server.get(TECHNICAL)["calls"]["committed"]
            os.kill(victim, signal.SIGKILL)
            server.until(partial(_replaced, server, victim))
            assert server.get(TECHNICAL)["calls"]["committed"] == committed
            # whoever compacts now, somebody does
            server.until(lambda: server.get("/ready")["freshness"]["pendingDeltas"] == 0)
        found = server.get(TECHNICAL)
        overview = server.get("/api/admin/ai/overview")

        assert not first & {process["pid"] for process in found["processes"]}
        assert found["calls"]["committed"] == overview["today"]["requests"] == 10
        assert "\ntwinmeter_process_starts_total 4.0\n" in httpx.get(f"{server.address}/metrics").text
        server.process.terminate()
        assert server.process.wait(patience(STOP_SECONDS)) == 0
        log = server.process.stderr.read() if server.process.stderr else ""
    assert log.count('"event": "worker.ended"') == 2
    assert "Traceback" not in log


def test_told_to_stop_under_load_workers_answer_what_they_took(tmp_path: Path, names: dict[str, str]) -> None:
    with workers(tmp_path, **names) as server:
        ids = acknowledged_until_refused(server.address, bearer(), server.process)
        assert server.process.wait(patience(STOP_SECONDS)) == 0

    with workers(tmp_path, **names) as server:
        page = httpx.get(f"{server.address}/api/admin/ai/calls", headers=bearer(), params={"limit": 200}).json()
    assert len(ids) >= 100
    assert ids <= {call["id"] for call in page["calls"]}


def test_workers_and_mongodb_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with workers(tmp_path) as server:
        pids = children(server.process.pid)
        assert [len(pids), sum("-m app.workers.worker" in line for line in pids.values())] == [3, 2]
        server.process.kill()
        server.process.wait()
        ends = time.monotonic() + patience(20)
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < ends
            time.sleep(0.02)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.address}/health")

    with workers(tmp_path) as server:  # on the same data folder
        assert server.get("/ready")["status"] == "ready"


def test_a_start_that_fails_in_a_worker_is_said_once_and_leaves_nobody(tmp_path: Path, names: dict[str, str]) -> None:
    variables = {**names, "TWINMETER_WORKERS": "2", "TWINMETER_FEATURES_FILE": "nowhere.toml"}
    with start(tmp_path / "data", **variables) as process:
        said = failure(process)

    assert said.count("twinmeter cannot start: ") == 1
    assert "nowhere.toml cannot be used" in said


@pytest.mark.parametrize("number", ["1", "2"])
def test_a_server_that_drains_says_so_and_serves_until_it_is_told_again(
    tmp_path: Path, names: dict[str, str], number: str
) -> None:
    variables = {"TWINMETER_JWT_SECRET": SECRET, "TWINMETER_WORKERS": number, "TWINMETER_DRAIN_SECONDS": "600"}
    with running(tmp_path / "data", **names, **variables) as (process, address):
        server = Served(process, address)
        assert server.get("/ready")["status"] == "ready"
        process.terminate()
        server.until(lambda: server.get("/ready")["status"] == "stopping")
        assert httpx.get(f"{address}/ready").status_code == 503
        assert httpx.get(f"{address}/health").status_code == 200
        assert httpx.post(address + TRACK, json=CALL, headers=bearer()).status_code == 201
        with server.client() as client, client.stream("GET", "/api/admin/ai/live") as page:
            assert page.status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(patience(5)) == 0


@contextmanager
def reporting(address: str) -> Iterator[None]:
    """Calls are under way all the time, whatever becomes of them."""
    done = threading.Event()

    def report() -> None:
        while not done.is_set():
            try:
                httpx.post(address + TRACK, json=CALL, headers=bearer(), timeout=60, verify=LOCAL)
            except httpx.TransportError:
                done.wait(0.02)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(report)
        try:
            yield
        finally:
            done.set()


@pytest.mark.parametrize(("number", "fault"), [("1", signal.SIGKILL), ("2", signal.SIGSTOP)])
def test_a_stop_takes_no_longer_than_it_says_while_mongodb_is_away(tmp_path: Path, number: str, fault: int) -> None:
    variables = {"TWINMETER_JWT_SECRET": SECRET, "TWINMETER_WORKERS": number, "TWINMETER_TRACK_DEADLINE_MS": "250"}
    with EmbeddedMongod(tmp_path / "other") as mongod:
        named = {"TWINMETER_MONGODB_URI": mongod.uri}
        with running(tmp_path / "data", **named, **variables) as (process, address), reporting(address):
            server = Served(process, address)
            server.until(lambda: server.get("/ready")["calls"].get("committed", 0) >= 20)
            os.kill(mongod.pid, fault)
            try:
                server.until(lambda: server.get("/ready")["calls"].get("spooled", 0) >= 20)
                process.terminate()
                assert process.wait((STOP_SECONDS + 3) * FACTOR) == 0
            finally:
                if fault == signal.SIGSTOP:
                    os.kill(mongod.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        (["ready"], True),
        (["alive"], False),
        pytest.param([], False, id="before its first word"),
    ],
)
async def test_a_worker_that_hangs_is_killed(
    monkeypatch: pytest.MonkeyPatch, words: list[str], *, answers: bool
) -> None:
    monkeypatch.setattr(supervisor, "ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "SILENT_TIMES", 3)
    monkeypatch.setattr(supervisor, "LOADING_TIMES", 10_000 if words else 3)
    said = "".join(f"{word} x\n" for word in words).encode()
    program = f"import socket, sys, time; socket.socket(fileno=int(sys.argv[1])).send({said!r}); time.sleep(600)"
    monkeypatch.setattr(supervisor, "COMMAND", (sys.executable, "-c", program))

    worker = await supervisor.Child.started({})
    status = await asyncio.wait_for(worker.ended(), patience(10))

    assert worker.answers.is_set() is answers
    assert status == -signal.SIGKILL


async def test_a_worker_that_cannot_be_replaced_yet_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where there is no memory for a new process at that moment."""
    program = (
        'import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); s.send(b"ready x\\n"); s.makefile("rb").read()'
    )
    monkeypatch.setattr(supervisor, "COMMAND", (sys.executable, "-c", program))
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    execute, failures = asyncio.create_subprocess_exec, [OSError(12, "Cannot allocate memory")] * 2

    async def failing(*arguments: Any, **options: Any) -> Any:
        if crew._up.is_set() and failures:
            raise failures.pop()
        return await execute(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", failing)
    settings = Settings(_env_file=None, data_dir=tmp_path, workers=2)
    with socket.create_server(("127.0.0.1", 0)) as port:
        crew = supervisor._Crew(settings, "mongodb://nowhere", port, tmp_path)
        running = asyncio.create_task(crew.run(lambda _: asyncio.sleep(0)))
        async with asyncio.timeout(patience(10)):
            await crew._up.wait()
            stays, victim = crew._workers[1], crew._workers[2]
            victim.kill()
            await until(lambda: not failures and crew._workers.get(2, victim) is not victim)
            assert crew._workers[1] is stays
            for worker in crew._workers.values():
                worker.kill()
            crew.stop()
            await running


@pytest.mark.parametrize(
    ("pause", "answered", "then"),
    [(0, None, 1), (1, None, 2), (2, None, 4), (16, None, 30), (30, None, 30), (30, 1, 1), (0, 1, 1), (8, 3600, 0)],
)
def test_what_never_answers_is_replaced_ever_later(pause: float, answered: float | None, then: float) -> None:
    at = None if answered is None else time.monotonic() - answered
    assert supervisor.pause_after(pause, at) == then


HOLDS_A_FOLDER = """
from app.workers.folder import shared_folder
with shared_folder() as own:
    print(own, flush=True)
    input()
"""


@pytest.mark.skipif(not os.access(MEMORY, os.W_OK), reason="no folder in memory")
def test_what_killed_servers_left_in_memory_is_removed_and_what_live_ones_use_is_not() -> None:
    root = Path(__file__).parents[2]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    killed, live = [subprocess.Popen([sys.executable, "-c", HOLDS_A_FOLDER], cwd=root, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    left, used = [Path(process.stdout.readline().strip()) for process in (killed, live)]
    killed.kill()
    killed.communicate()
    assert left.exists()

    with shared_folder() as own:
        assert (left.exists(), used.exists(), own.exists()) == (False, True, True)
        assert own.name.startswith(PREFIX)
        assert own.stat().st_mode & 0o777 == 0o700
    live.communicate("\n")
    assert [own.exists(), used.exists()] == [False, False]


def test_a_worker_has_the_settings_of_its_supervisor(tmp_path: Path) -> None:
    given: dict[str, Any] = {"jwt_secret": SECRET, "data_dir": tmp_path, "port": 0, "workers": 3, "drain_seconds": 1.5}
    given |= {"mongodb_uri": "mongodb://me:p%40ss@db/?replicaSet=rs", "jwt_audience": "app", "store_user_agent": True}
    given |= {"trusted_proxies": "10.0.0.0/8, ::1", "cors_origins": "https://shop.example,https://www.shop.example"}
    given |= {"jwt_roles": "boss=admin, app=service"}
    settings = Settings(_env_file=None, **given)

    handed_over = json.loads(supervisor.as_json({"settings": settings.model_dump()}))

    assert Settings(_env_file=None, **handed_over["settings"]) == settings
