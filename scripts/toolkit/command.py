"""What operator commands share: help, settings, progress, and readable errors."""

import argparse
import inspect
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from app import audit
from app.audit import Actor, How, Target, acting_as
from app.database import Database
from app.database.mongod_binary import MongodError
from app.errors import AppError
from app.malloc import limit_arenas
from app.observability.logs import configure_logging
from app.setting_words import settings_here
from app.settings import Settings

FAILED = 1
INTERRUPTED = 130
SECONDS_BETWEEN_LINES = 5.0

Advance = Callable[[int], None]


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help opens with the docstring of the command's module."""
    return argparse.ArgumentParser(
        prog=f"python -m scripts.{name}",
        description=inspect.cleandoc(doc or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run(work: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """Do `work` with this deployment's settings and return its exit status."""
    limit_arenas()
    try:
        configure_logging("warning")
        with acting_as(Actor(subject=f"command: {Path(sys.argv[0]).stem}", how=How.COMMAND)):
            return uvloop.run(work(settings_here()))
    except (AppError, MongodError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except PyMongoError as error:
        sys.stderr.write(f"MongoDB: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


async def ran(database: Database, name: str, did: Mapping[str, Any]) -> None:
    """Tell the audit trail that a command has changed something: what it did, never of which user.

    Raises PyMongoError.
    """
    await audit.record(database, None, "command.run", Target(kind="command", id=name), after=dict(did))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """Yield a function that counts up: a bar with rate and time left on a terminal, plain lines elsewhere. A `total` of
    0 is one that nobody knows.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines(description, total)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total or None)
        yield lambda count: bar.advance(task, count)


def _plain_lines(description: str, total: int) -> Advance:
    started = said = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, said
        if not count:
            return
        done += count
        now = time.monotonic()
        if (total and done >= total) or now - said >= SECONDS_BETWEEN_LINES:
            said = now
            of = f" of {total:,}" if total else ""
            sys.stderr.write(f"{description}: {done:,}{of}, {done / max(now - started, 0.001):,.0f}/s\n")

    return advance
