"""How upstreams fare in this process, and which of them are asked last, or not just now.

Nothing here refuses a call that has nowhere else to go, but one: while an upstream cannot even be connected to, its
callers are told so at once instead of waiting for the time-out, each of them. Whatever a caller's own request may have
provoked (a server error, a refused key for one model, a slow answer) only decides about the order.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from app.gateway.formats.base import GatewayError
from app.gateway.transport import FailureKind
from app.gateway.upstreams.attempts import BROKE_OFF, Attempts
from app.gateway.upstreams.upstream import Target, Upstream

Outcome = Literal[
    "success", "refused", "rate_limited", "credential", "forbidden", "unreachable", "failed", "timeout", "cut"
]
"""How an attempt ended. `refused` is an error of the request itself, which says nothing bad of the upstream; of
`credential` and `forbidden` the key is not taken at all, or not for this model.
"""
WELL: frozenset[Outcome] = frozenset({"success", "refused", "rate_limited", "credential", "forbidden"})
"""The upstream has answered."""

FAILURES_IN_A_ROW = 5
"""So many open the circuit."""
OPEN_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long it is open, the first time and each time that the probe fails."""
PROBE_SECONDS = 5.0
"""For so long one call is the probe; then the next one is, whatever became of it."""
CREDENTIAL_SECONDS = 60.0
RATE_SECONDS = 1.0
"""For a provider that says no time itself."""
LONGEST_RATE_SECONDS = 60.0
JITTER = 0.2
"""So much longer may anything be at random, so that processes do not come back together."""
REMEMBERED = 512
"""Attempts whose durations percentiles are of."""
MOST_COOLING = 1_000
"""Models of one upstream that are put aside at a time; their names are callers'."""


def outcome_of_status(status: int) -> Outcome:
    """Of an answer that has come."""
    match status:
        case 401 | 402:
            return "credential"
        case 403:
            return "forbidden"
        case 429:
            return "rate_limited"
        case _ if status < 400:  # noqa: PLR2004 - RFC 9110
            return "success"
        case _:
            return "failed" if status >= 500 else "refused"  # noqa: PLR2004


def outcome_of_failure(kind: FailureKind) -> Outcome:
    """Of an `UpstreamError`."""
    match kind:
        case "dns" | "connect" | "tls":
            return "unreachable"
        case "timeout" | "cut":
            return kind
        case "too_large" | "protocol":
            return "failed"


class State(StrEnum):
    """What is done with an upstream just now."""

    OK = "ok"
    COOLING = "cooling down"
    OPEN = "open"
    PROBING = "probing"


@dataclass(slots=True)
class Course:
    """How one upstream has fared."""

    identity: tuple[str, str | None]
    """Address and key: with another one everything is new."""
    last_failure: tuple[Outcome, datetime] | None = None
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    in_a_row: int = 0
    """Failures."""
    reached: bool = True
    """Whether any of them was after a connection was there."""
    opened: int = 0
    """Times in a row."""
    open_until: float = 0.0
    probing_until: float = 0.0
    cooling: dict[str | None, float] = field(default_factory=dict)
    """Until when a model is not asked for here first; None is any."""

    @property
    def is_open(self) -> bool:
        return self.opened > 0

    def cools(self, model: str | None, now: float) -> bool:
        return bool(self.cooling) and (self.cooling.get(None, 0) > now or self.cooling.get(model, 0) > now)


class Shown(NamedTuple):
    """How an upstream fares in this process, for people."""

    state: State
    again: float | None
    """In how many seconds it is tried again, or its key is."""
    models: list[str]
    """Those that it is asked for last."""
    last_failure: tuple[Outcome, datetime] | None
    p50: float | None
    p95: float | None
    """Seconds until the head of an answer."""
    measured: int
    """Of so many answers, the last ones."""


class Health:
    """Of all upstreams, by their names."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        attempts: Attempts | None = None,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._attempts = attempts
        self._courses: dict[str, Course] = {}

    def keep(self, upstreams: Iterable[Upstream]) -> None:
        """Forget those that are gone, or have another address or key than before."""
        identities = {each.name: _identity(each) for each in upstreams}
        self._courses = {
            name: course for name, course in self._courses.items() if identities.get(name) == course.identity
        }

    def begins(self, upstream: Upstream) -> None:
        """An attempt begins. Behind an open circuit it is the probe, and nobody else is until it has ended."""
        course = self._courses.get(upstream.name)
        if course is not None and course.is_open:
            course.probing_until = self._clock() + PROBE_SECONDS

    def ended(
        self,
        upstream: Upstream,
        *,
        outcome: Outcome,
        seconds: float,
        retry_after: float | None = None,
        model: str | None = None,
        had_begun: bool = False,
    ) -> None:
        """An attempt has had the head of its answer after so many `seconds`, or has failed. `had_begun`: it was told
        before that the head was a success, and the answer broke off later. `model` is the target's.
        """
        course, now = self._course(upstream), self._clock()
        if self._attempts is not None:
            self._attempts.ended(upstream.name, BROKE_OFF if had_begun else outcome, seconds)
        course.probing_until = 0.0
        if outcome == "success":
            course.seconds.append(seconds)
            course.cooling.pop(None, None)  # the key is taken; a rate holds for those who come after it
        else:
            course.last_failure = outcome, datetime.now(UTC)
        if outcome in WELL:
            course.in_a_row, course.reached, course.opened = 0, True, 0
        else:
            self._failed(course, outcome, now)
        if (wait := _wait(outcome, retry_after)) is not None:
            self._cool(course, None if outcome == "credential" else model, now + self._jittered(wait), now)

    def ordered(self, targets: Sequence[Target]) -> Sequence[Target]:
        """The same, with those last that are put aside. After a circuit's time its upstream is where it was, until
        somebody begins with it. Raises GatewayError, 503 `upstream_unavailable`, where none can be connected to.
        """
        now = self._clock()
        aside = [self._put_aside(target, now) for target in targets]
        if not any(aside):
            return targets
        if all(aside) and (wait := self._all_unreachable(targets, now)) is not None:
            names = ", ".join(dict.fromkeys(target.upstream.name for target in targets))
            message = f"no connection to {names}: it is tried again in {wait} s"
            raise GatewayError(503, "upstream_unavailable", message, retry_after=wait)
        return [each for each, _ in sorted(zip(targets, aside, strict=True), key=lambda pair: pair[1])]

    def state(self, upstream: Upstream) -> State:
        course, now = self._course(upstream), self._clock()
        if course.is_open:
            return State.OPEN if course.open_until > now else State.PROBING
        return State.COOLING if any(until > now for until in course.cooling.values()) else State.OK

    def shown(self, upstream: Upstream) -> Shown:
        course, now = self._course(upstream), self._clock()
        cooling = {model: until - now for model, until in course.cooling.items() if until > now}
        seconds = sorted(course.seconds)
        again = max(course.open_until - now, 0) if course.is_open else cooling.get(None)
        return Shown(
            self.state(upstream),
            again,
            sorted(model for model in cooling if model is not None),
            course.last_failure,
            _percentile(seconds, 50),
            _percentile(seconds, 95),
            len(seconds),
        )

    def _course(self, upstream: Upstream) -> Course:
        course = self._courses.get(upstream.name)
        if course is None:
            course = self._courses[upstream.name] = Course(_identity(upstream))
        return course

    def _put_aside(self, target: Target, now: float) -> bool:
        course = self._courses.get(target.upstream.name)
        if course is None:
            return False
        if course.is_open:
            return max(course.open_until, course.probing_until) > now
        return course.cools(target.model, now)

    def _all_unreachable(self, targets: Sequence[Target], now: float) -> int | None:
        """In how many seconds one of them is tried again, where there is no connection to any."""
        courses = [self._course(target.upstream) for target in targets]
        if not all(course.is_open and not course.reached for course in courses):
            return None
        until = min(max(course.open_until, min(course.probing_until, now + 1)) for course in courses)
        return max(1, math.ceil(until - now))

    def _failed(self, course: Course, outcome: Outcome, now: float) -> None:
        course.reached = outcome != "unreachable" or (course.in_a_row > 0 and course.reached)
        course.in_a_row += 1
        if course.in_a_row < FAILURES_IN_A_ROW or course.open_until > now:
            return
        course.open_until = now + self._jittered(OPEN_SECONDS[min(course.opened, len(OPEN_SECONDS) - 1)])
        course.opened += 1

    def _cool(self, course: Course, model: str | None, until: float, now: float) -> None:
        if len(course.cooling) >= MOST_COOLING:
            course.cooling = {each: end for each, end in course.cooling.items() if end > now}
        if len(course.cooling) < MOST_COOLING or model in course.cooling:
            course.cooling[model] = max(until, course.cooling.get(model, 0))

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + JITTER * self._chance())


def _wait(outcome: Outcome, retry_after: float | None) -> float | None:
    """For how many seconds a model is not asked for first, or a key not used first."""
    if outcome in {"credential", "forbidden"}:
        return CREDENTIAL_SECONDS
    if outcome == "rate_limited" or (outcome == "failed" and retry_after is not None):
        said = RATE_SECONDS if retry_after is None or math.isnan(retry_after) else retry_after
        return min(max(said, 0), LONGEST_RATE_SECONDS)
    return None


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The nearest rank."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else None


def _identity(upstream: Upstream) -> tuple[str, str | None]:
    return upstream.base_url, None if upstream.key is None else upstream.key.fingerprint()
