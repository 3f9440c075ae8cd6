"""One of several server processes: `python -m app.workers.worker DESCRIPTOR`, as the supervisor starts it.

The descriptor is a socket to the supervisor. What the worker is to do comes first, as one line of JSON: so the address
of MongoDB is on no command line. Where the other side is closed, by kill -9 of the supervisor too, the worker stops.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvloop
from litestar.types import ASGIApp

from app.errors import AppError
from app.listening import shared_listener
from app.main import create_app
from app.malloc import limit_arenas
from app.observability.logs import configure_logging
from app.observability.shared_metrics import Worker
from app.process import hold_garbage_collector, leave
from app.server import SHUTDOWN_SECONDS, Failure, Stop, serve_on
from app.settings import Settings
from app.workers.words import ALIVE, ALIVE_SECONDS, FAILED, READY, STOP, line

ORPHAN_SECONDS = SHUTDOWN_SECONDS + 15
"""How long an orphan may take to stop: nobody else would end one that hangs."""


class Channel:
    """The connection to the supervisor."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._lines = self._socket.makefile("rb")
        self.work: dict[str, Any] = json.loads(self._lines.readline() or "{}")
        """What the worker is to do; nothing where there is no supervisor any more."""
        self._beating: asyncio.Task[None] | None = None

    def say(self, word: bytes, text: str = "") -> None:
        """Tell the supervisor, if it listens."""
        with contextlib.suppress(OSError):
            self._socket.send(line(word, json.dumps(text).encode()), socket.MSG_DONTWAIT)

    def obey(self, stop: Stop) -> None:
        """Stop when told to, by SIGTERM too. That there is no more time is for the supervisor to say.

        From here on the supervisor hears that the event loop runs: a start may wait for new indexes, but not hang.
        """
        self._beating = asyncio.create_task(self._beat(), name="twinmeter-alive")
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.begin)
        threading.Thread(target=self._hear, args=(loop, stop), daemon=True, name="twinmeter-supervisor").start()

    def _hear(self, loop: asyncio.AbstractEventLoop, stop: Stop) -> None:
        """In a thread, which hears even where the event loop hangs."""
        with contextlib.suppress(OSError):
            for said in self._lines:
                loop.call_soon_threadsafe(stop.begin if said.startswith(STOP) else stop.at_once)
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(stop.at_once)
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)

    async def _beat(self) -> None:
        while True:
            self.say(ALIVE)
            await asyncio.sleep(ALIVE_SECONDS)

    async def answers(self, _: str) -> None:
        """Say that the worker answers."""
        self.say(READY)


def main() -> int:
    channel = Channel(int(sys.argv[1]))
    if not (work := channel.work):
        return 1
    limit_arenas()
    hold_garbage_collector()
    settings = Settings(_env_file=None, **work["settings"])
    configure_logging(settings.log_level)
    worker = Worker.joined(work["number"], Path(work["folder"]))

    def create(on_failure: Failure) -> ASGIApp:
        return create_app(settings, work["mongodb_uri"], on_failure, worker)

    try:
        with shared_listener(settings, work["port"]) as listening:
            uvloop.run(serve_on(listening, settings, create, channel.answers, channel.obey))
    except AppError as error:
        channel.say(FAILED, str(error))
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
