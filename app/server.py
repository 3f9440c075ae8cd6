"""Serves the application in this process until it receives a stop signal, and stops cleanly."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable

import uvicorn
from litestar.types import ASGIApp

from app.errors import AppError, ConfigurationError
from app.http.protocol import KEEP_ALIVE_SECONDS, LimitedProtocol
from app.main import create_app, end_streams
from app.process import tune_garbage_collector
from app.settings import Settings

SHUTDOWN_SECONDS = 5
"""How long open requests may take to end."""

Failure = Callable[[AppError], None]
CreateApp = Callable[[Settings, str, Failure], ASGIApp]

Companion = Callable[[str], Awaitable[None]]
"""What runs beside the server once it is up; it is given the address, such as `http://127.0.0.1:8000`."""


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
            self.answering.set()


async def serve(settings: Settings, mongodb_uri: str, companion: Companion, create: CreateApp = create_app) -> None:
    """Serve until SIGINT or SIGTERM. Raises AppError where the start fails."""
    with _listen(settings) as listener:
        await _serve(settings, mongodb_uri, listener, companion, create)


async def _serve(
    settings: Settings, mongodb_uri: str, listener: socket.socket, companion: Companion, create: CreateApp
) -> None:
    failures: list[AppError] = []
    app = create(settings, mongodb_uri, failures.append)
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        loop="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = _Server(config)
    beside = asyncio.create_task(_accompany(server, companion, _address(listener)))

    def stop() -> None:
        beside.cancel()
        end_streams(app)
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await server.serve(sockets=[listener])
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


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "set TWINMETER_PORT (0 takes any free one) or TWINMETER_HOST"
        ) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
