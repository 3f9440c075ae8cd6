"""Run the server: calls are reported over HTTP, and the dashboard is at /admin.

Without TWINMETER_MONGODB_URI an embedded MongoDB is started in the data folder. Settings are environment variables, or
lines of an .env file in the working directory; .env.example lists and explains them all. Ctrl-C or SIGTERM stops it;
calls that were accepted are committed first.
"""

import argparse
import os
import sys
from collections.abc import Sequence

import uvloop

from app.database.deployment import mongodb
from app.database.mongod_binary import MongodError
from app.errors import AppError
from app.malloc import limit_arenas
from app.observability.logs import configure_logging
from app.process import hold_garbage_collector, leave
from app.setting_words import settings_here
from app.settings import Settings
from app.workers.supervisor import supervise

PYTHON = os.path.relpath(sys.executable)


async def announce(address: str) -> None:
    """Print where the service is, and what to do first."""
    sys.stdout.write(
        f"twinmeter answers at {address}\n"
        f"the dashboard:   {address}/admin\n"
        f"an admin token:  {PYTHON} -m scripts.create_token --role admin --user YOU\n"
        f"API reference:   {address}/docs\n"
    )
    sys.stdout.flush()


async def run(settings: Settings, mongodb_uri: str) -> None:
    """Serve in this process, or with workers. Raises AppError."""
    if settings.workers > 1:
        await supervise(settings, mongodb_uri, announce)
        return
    hold_garbage_collector()
    from app.server import serve  # noqa: PLC0415 - a third of the memory, and a supervisor needs nothing of it

    await serve(settings, mongodb_uri, announce)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped. Returns the exit status. `arguments` default to those of the command line."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m app", description=__doc__, formatter_class=shape)
    parser.add_argument("--workers", metavar="N", help="how many processes serve (default: TWINMETER_WORKERS, else 1)")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    limit_arenas()
    try:
        settings = settings_here(**given)
        configure_logging(settings.log_level)
        with mongodb(settings, shared=False) as uri:
            uvloop.run(run(settings, uri))
    except (AppError, MongodError) as error:
        sys.stderr.write(f"twinmeter cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
