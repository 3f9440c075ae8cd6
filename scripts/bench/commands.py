"""Operator commands as an operator runs them, each in a process of its own, and how far they have come."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from app.settings import Settings


def started(settings: Settings, uri: str, database: str, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """`python -m scripts.NAME ARGUMENTS… --json` on a database."""
    variables = {
        "TWINMETER_MONGODB_URI": uri,
        "TWINMETER_DATABASE": database,
        "TWINMETER_DATA_DIR": str(settings.data_dir),
        "TWINMETER_TIMEZONE": settings.timezone,
    }
    command = sys.executable, "-m", f"scripts.{name}", *arguments, "--json"
    return subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE)  # noqa: S603 - our own


async def summary(run: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """What it printed at its end. Raises RuntimeError where it failed."""
    said, _ = await asyncio.to_thread(run.communicate)
    if run.returncode:
        raise RuntimeError(f"{run.args!r} ended with exit status {run.returncode}")
    found: dict[str, Any] = json.loads(said)
    return found
