"""What a check reports, and what it is given to look at."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from app.database import Database
from app.settings import Settings

START = "python -m app"


class Verdict(StrEnum):
    """The status."""

    PROBLEM = "problem"
    """Calls, figures or access are wrong, or soon will be."""
    NOTICE = "notice"
    """Worth a look."""
    UNCHECKED = "unchecked"
    """Cannot be checked from here: MongoDB is away, or the user lacks the rights."""
    OK = "ok"


class Finding(NamedTuple):
    """The answer of one check."""

    verdict: Verdict
    said: str
    advice: str = ""
    """What to do about it."""


def ok(said: str) -> Finding:
    return Finding(Verdict.OK, said)


def notice(said: str, advice: str) -> Finding:
    return Finding(Verdict.NOTICE, said, advice)


def problem(said: str, advice: str) -> Finding:
    return Finding(Verdict.PROBLEM, said, advice)


def unchecked(said: str, advice: str = "") -> Finding:
    return Finding(Verdict.UNCHECKED, said, advice)


@dataclass
class Deployment:
    """What is looked at."""

    settings: Settings
    found: Database | None
    """None while MongoDB is away."""
    connection: Finding
    """How connecting to it went."""
    seconds: float = 10.0
    """How long each check may take."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    chance: random.Random = field(default_factory=random.Random)

    @property
    def database(self) -> Database:
        assert self.found is not None  # noqa: S101 - see Check.local
        return self.found


class Check(NamedTuple):
    """One line of the page."""

    name: str
    look: Callable[[Deployment], Awaitable[Finding]]
    local: bool = False
    """Whether it is about this machine, and can be done while MongoDB is away."""


class Group(NamedTuple):
    """Checks about one thing."""

    title: str
    checks: tuple[Check, ...]


class Row(NamedTuple):
    """What one check found."""

    group: str
    check: str
    finding: Finding
