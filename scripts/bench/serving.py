"""The real server in a separate process: how it is started, and what it runs where it is more than the real one."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import uvloop

from app.malloc import limit_arenas
from app.observability.logs import configure_logging
from app.server import CreateApp, serve
from app.settings import Settings


def environment(settings: Settings, uri: str, database: str) -> dict[str, str]:
    """The variables of such a server."""
    return {
        "TWINMETER_MONGODB_URI": uri,
        "TWINMETER_DATABASE": database,
        "TWINMETER_DATA_DIR": str(settings.data_dir),
        "TWINMETER_JWT_SECRET": settings.signing_secret,
        "TWINMETER_TIMEZONE": settings.timezone,
        "TWINMETER_TRACK_DEADLINE_MS": str(settings.track_deadline_ms),
        "TWINMETER_PORT": "0",
        "TWINMETER_WORKERS": str(settings.workers),
        "TWINMETER_LOG_LEVEL": "error",
    }


@asynccontextmanager
async def serving(
    settings: Settings, uri: str, database: str, *, module: str = "app", more: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """The address of a server, `python -m MODULE`, with its compactor running; `more` are further variables."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        env={**os.environ, **environment(settings, uri, database), **(more or {})},
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None  # noqa: S101 - asked for above
    try:
        said = (await server.stdout.readline()).decode()
        if not said:
            raise RuntimeError("the server did not start")
        yield said.split()[-1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.terminate()
        await server.communicate()


def run(create: CreateApp) -> None:
    """Serve an application of a benchmark, until stopped."""
    settings = Settings()
    if settings.mongodb_uri is None:
        raise SystemExit("the benchmark names the MongoDB of its server")
    limit_arenas()
    configure_logging(settings.log_level)
    uvloop.run(serve(settings, settings.mongodb_uri.get_secret_value(), _announce, create))


async def _announce(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
