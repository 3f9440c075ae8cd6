"""Starts the workers of a server, replaces those that end, and stops them all.

A worker is a process of its own; all have one port, MongoDB and data folder. Why none of the known supervisors does
this is in docs/decisions/0025-several-processes.md.
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from app.errors import ConfigurationError
from app.listening import Companion, address_of, reserved
from app.observability.logs import Log
from app.observability.shared_metrics import forget
from app.settings import Settings
from app.workers.folder import shared_folder
from app.workers.words import ALIVE_SECONDS, FAILED, NOW, READY, STOP, line

SILENT_TIMES = 30
"""A worker that has said nothing for so many seconds hangs, and is killed."""
LOADING_TIMES = 120
"""The same of one that has said nothing yet: it loads its code, which takes a busy machine longer."""
STOP_SECONDS = 20.0
"""How long workers may take after the drain: five seconds for requests, ten for calls, and some to spare."""
STEADY_SECONDS = 10.0
"""A worker that has answered for so long is replaced at once, others after a pause."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
"""Of one that never answers: MongoDB may be away, which takes it ten seconds to see."""
COMMAND = (sys.executable, "-m", "app.workers.worker")

log = Log(__name__)


async def supervise(settings: Settings, mongodb_uri: str, companion: Companion) -> None:
    """Serve with several workers until SIGINT or SIGTERM; a second signal ends them at once.

    The companion is given the address once all of them answer. Raises ConfigurationError where one cannot start.
    """
    with reserved(settings) as port, shared_folder() as folder:
        crew = _Crew(settings, mongodb_uri, port, folder)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, crew.stop)
        await crew.run(companion)


class Child:
    """The process of a worker, and what it says."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.process = process
        self.answered_at: float | None = None
        self.answers = asyncio.Event()
        self.failure: str | None = None
        """Why it could not start, in its own words."""
        self._reader = reader
        self._writer = writer
        self._heard = False
        self._silent_times = 0

    @classmethod
    async def started(cls, work: dict[str, Any]) -> Self:
        ours, its = socket.socketpair()
        with its, contextlib.ExitStack() as undone:
            undone.callback(ours.close)
            # in a session of its own: Ctrl-C reaches the supervisor only
            process = await asyncio.create_subprocess_exec(
                *COMMAND, str(its.fileno()), pass_fds=[its.fileno()], start_new_session=True
            )
            undone.pop_all()
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = cls(process, reader, writer)
        writer.write(as_json(work) + b"\n")
        return worker

    def tell(self, word: bytes) -> None:
        self._writer.write(line(word))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def ended(self) -> int:
        """Its exit status, once it has ended or, since it hung, was killed."""
        hearing = asyncio.create_task(self._hear())
        ending = asyncio.create_task(self.process.wait())
        # counted in turns of ours: a machine that slept, or we, is no silence of the worker
        while not (await asyncio.wait({ending}, timeout=ALIVE_SECONDS))[0]:
            self._silent_times += 1
            most = SILENT_TIMES if self._heard else LOADING_TIMES
            if self._silent_times > most:
                log.error("worker.hangs", process=self.process.pid, seconds=most * ALIVE_SECONDS)
                self.kill()
        await hearing
        self._writer.close()
        return ending.result()

    async def _hear(self) -> None:
        with contextlib.suppress(OSError):
            async for said in self._reader:
                word, _, text = said.partition(b" ")
                self._heard, self._silent_times = True, 0
                if word == READY:
                    self.answered_at = time.monotonic()
                    self.answers.set()
                elif word == FAILED:
                    self.failure = json.loads(text)


class _Crew:
    """All workers."""

    def __init__(self, settings: Settings, mongodb_uri: str, port: socket.socket, folder: Path) -> None:
        self._settings = settings
        self._address = address_of(port)
        self._folder = folder
        self._work = {
            "settings": settings.model_dump(),
            "mongodb_uri": mongodb_uri,
            "port": port.getsockname()[1],
            "folder": folder,
        }
        self._workers: dict[int, Child] = {}
        self._answered: set[int] = set()
        self._up = asyncio.Event()
        """Set once all have answered: from then on, what ends is replaced."""
        self._stopping = asyncio.Event()
        self._failure: str | None = None

    async def run(self, companion: Companion) -> None:
        """Until stopped. Raises ConfigurationError."""
        beside = asyncio.create_task(self._accompany(companion))
        await asyncio.gather(*(self._keep(number + 1) for number in range(self._settings.workers)))
        beside.cancel()
        (result,) = await asyncio.gather(beside, return_exceptions=True)
        if self._failure is not None:
            raise ConfigurationError(self._failure)
        if isinstance(result, Exception):
            raise result

    def stop(self) -> None:
        """Stop all; when told again, at once."""
        word = NOW if self._stopping.is_set() else STOP
        self._stopping.set()
        for worker in self._workers.values():
            worker.tell(word)
        limit = STOP_SECONDS + (self._settings.drain_seconds if word is STOP else 0)
        asyncio.get_running_loop().call_later(limit, self._kill)

    def _kill(self) -> None:
        for worker in self._workers.values():
            log.error("worker.killed", process=worker.process.pid, reason="it did not stop in time")
            worker.kill()

    async def _accompany(self, companion: Companion) -> None:
        await self._up.wait()
        await companion(self._address)

    async def _keep(self, number: int) -> None:
        """Have a worker of this number, until stopped."""
        pause = 0.0
        while not self._stopping.is_set():
            try:
                worker = await Child.started({**self._work, "number": number})
            except OSError as error:  # no memory, say, or no file descriptor: not a reason to end the others
                if not self._up.is_set():
                    self._fail(f"a worker could not be started: {error}")
                    return
                pause = pause_after(pause, None)
                log.error("worker.not_started", worker=number, reason=str(error), again_in=pause)  # noqa: TRY400 - says all
                await self._wait(pause)
                continue
            self._workers[number] = worker
            if self._stopping.is_set():
                worker.tell(NOW)
            answering = asyncio.create_task(self._note(number, worker))
            status = await worker.ended()
            answering.cancel()
            del self._workers[number]
            forget(number, self._folder)
            if self._stopping.is_set():
                return
            if not self._up.is_set():
                self._fail(worker.failure or f"a worker ended with status {status} before it answered")
                return
            pause = pause_after(pause, worker.answered_at)
            log.error("worker.ended", process=worker.process.pid, status=status, reason=worker.failure, again_in=pause)
            await self._wait(pause)

    async def _wait(self, pause: float) -> None:
        """So many seconds, or until stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)

    async def _note(self, number: int, worker: Child) -> None:
        await worker.answers.wait()
        log.info("worker.answers", worker=number, process=worker.process.pid)
        self._answered.add(number)
        if len(self._answered) == self._settings.workers:
            self._up.set()

    def _fail(self, reason: str) -> None:
        self._failure = reason
        self.stop()
        self.stop()


def pause_after(pause: float, answered_at: float | None) -> float:
    """How long to wait before a worker that has ended is replaced, where it was so long the last time."""
    if answered_at is None:
        return min(2 * pause, LONGEST_PAUSE_SECONDS) or FIRST_PAUSE_SECONDS
    return 0.0 if time.monotonic() - answered_at >= STEADY_SECONDS else FIRST_PAUSE_SECONDS


def as_json(work: dict[str, Any]) -> bytes:
    """What a worker is to do, with secrets as they are: it is read by nobody else."""
    return json.dumps(work, default=_plain).encode()


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
