"""Serves the application in this process until it is told to stop, and stops cleanly."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from functools import partial

import uvicorn
from litestar.types import ASGIApp

from app.errors import AppError, ConfigurationError
from app.http.protocol import KEEP_ALIVE_SECONDS, LimitedProtocol
from app.listening import Companion, address_of, listener
from app.main import create_app, end_streams, say_stopping
from app.process import tune_garbage_collector, tune_threads
from app.settings import Settings

SHUTDOWN_SECONDS = 5
"""How long open requests may take to end."""

Failure = Callable[[AppError], None]
CreateApp = Callable[[Settings, str, Failure], ASGIApp]


class _Server(uvicorn.Server):
    """uvicorn, with the signals left to `serve`, and a notification when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()
        # uvicorn's own handlers raise the signal again, which would end the process before mongod has stopped
        self.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            tune_garbage_collector()
            tune_threads()
            self.answering.set()


class Stop:
    """How a server is stopped. Calls that were accepted are committed, or go to the spool, in every case."""

    def __init__(self, server: _Server, app: ASGIApp, drain_seconds: float) -> None:
        self._server = server
        self._app = app
        self._drain_seconds = drain_seconds
        self._begun = False

    def signalled(self) -> None:
        """Begin, or do not wait any longer."""
        if self._begun:
            self.at_once()
        else:
            self.begin()

    def begin(self) -> None:
        """Say so in `/ready` and go on serving, so that load balancers send elsewhere first; then close."""
        if self._begun:
            return
        self._begun = True
        say_stopping(self._app)
        if self._drain_seconds and self._server.started:
            asyncio.get_running_loop().call_later(self._drain_seconds, self._close)
        else:
            self._close()

    def at_once(self) -> None:
        """Close, without waiting for the drain or for open requests."""
        self._begun = True
        self._close()
        self._server.config.timeout_graceful_shutdown = 0
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    def _close(self) -> None:
        end_streams(self._app)
        self._server.should_exit = True


def at_signals(stop: Stop) -> None:
    """Stop at SIGINT or SIGTERM, and at the second one at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.signalled)


async def serve(settings: Settings, mongodb_uri: str, companion: Companion, create: CreateApp = create_app) -> None:
    """Serve until SIGINT or SIGTERM. Raises AppError where the start fails."""
    create_it = partial(create, settings, mongodb_uri)
    with listener(settings) as listening:
        await serve_on(listening, settings, create_it, companion, at_signals)


async def serve_on(
    listening: socket.socket,
    settings: Settings,
    create: Callable[[Failure], ASGIApp],
    companion: Companion,
    arrange: Callable[[Stop], None],
) -> None:
    """Serve until what `arrange` has set up stops it. Raises AppError where the start fails."""
    failures: list[AppError] = []
    app = create(failures.append)
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ws="none",
        loop="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # app.http.proxies reads them
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = _Server(config)
    arrange(Stop(server, app, settings.drain_seconds))
    beside = asyncio.create_task(_accompany(server, companion, address_of(listening)))
    try:
        await server.serve(sockets=[listening])
    except SystemExit as error:  # how uvicorn says that the lifespan could not start
        raise (failures[0] if failures else ConfigurationError("the server did not start")) from error
    finally:
        beside.cancel()
        (result,) = await asyncio.gather(beside, return_exceptions=True)
    if isinstance(result, Exception):
        raise result


async def _accompany(server: _Server, companion: Companion, address: str) -> None:
    await server.answering.wait()
    await companion(address)
