"""The ways in which applications live and report calls, each with real processes."""

import asyncio
import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx

from scripts.drill.gate import Gate
from scripts.drill.load import LIMIT_SECONDS
from scripts.drill.server import LOCAL, ROOT, DrillError, Server

SENDERS = 16
"""Requests that the application of gunicorn has at once."""
WORKERS = 4
CELERY_PROCESSES = 8
KILLS = 3
BETWEEN_KILLS = 1.0
CUTS_EACH = 3
POLL_SECONDS = 0.05

GUNICORN = ("gunicorn", "--workers", str(WORKERS), "--bind", "127.0.0.1:0", "scripts.drill.application:application")
CELERY = (
    *("celery", "-A", "scripts.drill.celery_application", "worker", "--loglevel", "info", "--pool", "prefork"),
    *("--concurrency", str(CELERY_PROCESSES), "--max-tasks-per-child", "1"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)


class Ground(NamedTuple):
    """What every way is given."""

    folder: Path
    server: Server
    gate: Gate
    calls: int
    away: int
    """For how many seconds the server is away, where it is."""


Way = Callable[[Ground], Awaitable[None]]


async def _script(way: str, ground: Ground) -> None:
    await _ran(ground, way, *_application(way, 0, ground.calls))


async def _gunicorn(ground: Ground) -> None:
    """Each request reports a call; SIGTERM comes with the last answer."""
    async with _running(ground, "gunicorn", *GUNICORN) as application:
        address = (await application.said(r"Listening at: (\S+)", 1))[0]
        numbers = iter(range(ground.calls))

        async def send(http: httpx.AsyncClient) -> None:
            for number in numbers:
                (await http.get(f"{address}/{number}")).raise_for_status()

        limits = httpx.Limits(max_connections=SENDERS)
        async with httpx.AsyncClient(timeout=60, trust_env=False, verify=LOCAL, limits=limits) as http:
            await asyncio.gather(*(send(http) for _ in range(SENDERS)))
        await application.ends(signal.SIGTERM)


async def _celery(ground: Ground) -> None:
    """A process for each task. SIGTERM comes with the last one's success."""
    await _ran(ground, "tasks", "scripts.drill.celery_application", str(ground.calls))
    tasks = len(list((ground.folder / "queue").iterdir()))
    async with _running(ground, "celery", *CELERY) as application:
        await application.said(r"Task \S+ succeeded in", tasks)
        await application.ends(signal.SIGTERM)


async def _killed_server(ground: Ground) -> None:
    async with _running(ground, "killed server", *_application("killed server", 0, ground.calls)) as application:
        for _ in range(KILLS):
            await asyncio.sleep(BETWEEN_KILLS)
            await ground.server.kill()
            ground.server.spawn()
            await ground.server.answers()
        await application.ends()


async def _server_away(ground: Ground) -> None:
    await ground.server.kill()
    async with _running(ground, "server away", *_application("server away", 0, ground.calls)) as application:
        await asyncio.sleep(ground.away)
        ground.server.spawn()
        await ground.server.answers()
        await application.ends()


async def _server_away_with_spool(ground: Ground) -> None:
    """One process ends meanwhile, so that what it could not send is left to the next one."""
    way, half = "server away, spool", ground.calls // 2
    spool = str(ground.folder / "client.db")
    until = asyncio.get_running_loop().time() + ground.away
    await ground.server.kill()
    await _ran(ground, "server away, first process", *_application(way, 0, half), spool=spool)
    await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))
    ground.server.spawn()
    await ground.server.answers()
    await _ran(ground, way, *_application(way, half, ground.calls), spool=spool)
    await _ran(ground, "server away, last process", "scripts.drill.application", "server away", "0", "0", spool=spool)


async def _cut_answers(ground: Ground) -> None:
    ground.gate.cuts_each = CUTS_EACH
    await _ran(ground, "cut answers", *_application("cut answers", 0, ground.calls))
    ground.gate.cuts_each = 0


WAYS: dict[str, Way] = {
    **{way: partial(_script, way) for way in ("script", "threads", "forks", "processes", "asyncio")},
    "gunicorn": _gunicorn,
    "celery": _celery,
    "killed server": _killed_server,
    "server away": _server_away,
    "server away, spool": _server_away_with_spool,
    "cut answers": _cut_answers,
}


def missing(way: str) -> str:
    """How to get what a way needs and this machine lacks; empty where it lacks nothing."""
    is_there = way not in {"gunicorn", "celery"} or importlib.util.find_spec(way) is not None
    return "" if is_there else f"not run: {way} is not installed; pip install {way}"


class _Process:
    """A process of an application, and what it has said."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self._name = name
        self._process = process
        self._log = log

    async def said(self, pattern: str, times: int) -> list[str]:
        """Wait until it has said something so many times. Raises DrillError."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LIMIT_SECONDS):
                while self._process.poll() is None:
                    found = re.findall(pattern, self._log.read_text())
                    if len(found) >= times:
                        return found
                    await asyncio.sleep(POLL_SECONDS)
        raise DrillError(f"{self._name} did not do what it should; see {self._log}")

    async def ends(self, signal: int | None = None) -> None:
        """Wait for its end. Raises DrillError where that does not come, or with another status than 0."""
        if signal is not None:
            self._process.send_signal(signal)
        try:
            status = await asyncio.to_thread(self._process.wait, LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise DrillError(f"{self._name} did not end within {LIMIT_SECONDS:g} s; see {self._log}") from None
        if status:
            raise DrillError(f"{self._name} ended with exit status {status}; see {self._log}")


@asynccontextmanager
async def _running(ground: Ground, name: str, *module: str, spool: str = "") -> AsyncIterator[_Process]:
    """An application, which is killed with all its children where it has not ended by itself."""
    log = ground.folder / f"{name}.log"
    process = _started(ground, log, module, spool)
    try:
        yield _Process(name, process, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def _ran(ground: Ground, name: str, *module: str, spool: str = "") -> None:
    async with _running(ground, name, *module, spool=spool) as application:
        await application.ends()


def _application(way: str, first: int, last: int) -> tuple[str, ...]:
    return "scripts.drill.application", way, str(first), str(last)


def _started(ground: Ground, log: Path, module: Sequence[str], spool: str) -> "subprocess.Popen[bytes]":
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("TWINMETER_")}
    ours = {
        "TWINMETER_URL": ground.gate.address,
        "TWINMETER_KEY": ground.server.headers["Authorization"].removeprefix("Bearer "),
        "TWINMETER_SPOOL": spool,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}",
    }
    with log.open("wb") as file:
        return subprocess.Popen(  # noqa: S603 - modules of our own
            [sys.executable, "-u", "-m", *module],  # unbuffered: what it says is waited for
            cwd=ground.folder,
            env={**foreign, **ours},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
