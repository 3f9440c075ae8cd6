"""What tracking says in somebody else's process, which has its own ways to log."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.database import Database
from app.settings import Settings
from tests.patience import patience
from tests.twins import assert_twins

ROOT = Path(__file__).parents[2]


def said(settings: Settings, way: str, **more: str) -> tuple[str, str]:
    """On stdout and on stderr."""
    assert settings.mongodb_uri is not None
    own = {
        "TWINMETER_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "TWINMETER_DATABASE": settings.database,
        "TWINMETER_DATA_DIR": str(settings.data_dir),
        "TWINMETER_TRACK_DEADLINE_MS": "60000",
    }
    command = [sys.executable, "-m", "tests.observability.library_process", way]
    environment = {**os.environ, **own, **more}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=patience(20)
    )
    assert "user-whose-name" not in run.stdout + run.stderr
    return run.stdout, run.stderr


async def test_where_logging_is_not_set_up_only_the_fault_is_said_and_on_stderr(
    settings: Settings, database: Database
) -> None:
    out, err = said(settings, "unconfigured")

    assert out == ""
    first, *trace = err.splitlines()
    assert first == "tracking.failed"
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "ZeroDivisionError"
    assert len(trace) < 20  # frames, without what is in them
    assert len(await assert_twins(database)) == 3


@pytest.mark.parametrize(
    ("level", "events"),
    [
        (None, {"ledger.committed": 3, "tracking.failed": 1}),
        ("error", {"tracking.failed": 1}),
    ],
)
@pytest.mark.usefixtures("database")
async def test_the_application_is_offered_what_is_of_the_level_of_the_settings(
    settings: Settings, level: str | None, events: dict[str, int]
) -> None:
    out, err = said(settings, "everything", **({} if level is None else {"TWINMETER_LOG_LEVEL": level}))

    lines = [line.split() for line in out.splitlines() if re.match(r"[\w.]+ [A-Z]+ ", line)]
    assert {name for name, *_ in lines} == {"twinmeter"}
    counts = {event: sum(line[2] == event for line in lines) for event in events}
    assert (counts, len(lines), err) == (events, sum(events.values()), "")


@pytest.mark.usefixtures("database")
async def test_structlog_of_the_application_is_left_alone(settings: Settings) -> None:
    out, err = said(settings, "own_structlog")

    assert (out, err) == ('{"event": "mine"}\n', "")
