"""An application that logs in its own way, and reports calls.

library_process.py WAY, with the settings of the deployment in the environment.
"""

import asyncio
import logging
import sys
from typing import Any
from unittest import mock

import structlog

from app.ledger.recording import Recorder
from app.settings import Settings
from app.tracking import track_ai_request, tracking

SECRET = "user-whose-name-is-in-no-log"


async def report() -> None:
    call: dict[str, Any] = {"user_id": SECRET, "content_type": "chat", "model": "gpt-4o"}
    async with tracking(Settings(_env_file=None)):
        for _ in range(3):
            await track_ai_request(**call)
        with mock.patch.object(Recorder, "record", side_effect=ZeroDivisionError):
            await track_ai_request(**call, input_tokens=2)


def unconfigured() -> None:
    """Logging is as Python has it."""


def everything() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")
    for other in ("pymongo", "asyncio"):
        logging.getLogger(other).setLevel(logging.WARNING)


def own_structlog() -> None:
    """The application's own is set up, and used between calls."""
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(processors=[structlog.processors.JSONRenderer()], wrapper_class=structlog.BoundLogger)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    asyncio.run(report())
    if sys.argv[1] == "own_structlog":
        structlog.get_logger().warning("mine")
