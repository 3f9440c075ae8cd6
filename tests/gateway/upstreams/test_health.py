"""An upstream that does not fare well is asked last, is looked at again in time, and hurts no call that needs it."""

from collections.abc import Sequence

import pytest

from app.gateway.formats.base import Api, GatewayError
from app.gateway.upstreams.attempts import Attempts
from app.gateway.upstreams.health import Health, Outcome, State, outcome_of_failure, outcome_of_status
from app.gateway.upstreams.key import Key
from app.gateway.upstreams.upstream import Target, Upstream
from app.observability.metrics import Counters

FIRST = Upstream("first", Api.OPENAI, "https://first", "openai", Key("a"))
SECOND = Upstream("second", Api.OPENAI, "https://second", "openai", Key("b"))
BOTH = (Target(FIRST, "m"), Target(SECOND, "n"))


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock, lambda: 0.0)


def end(health: Health, outcome: Outcome, times: int = 1, upstream: Upstream = FIRST, **more: float | str) -> None:
    for _ in range(times):
        health.ended(upstream, outcome=outcome, seconds=0.1, **{"model": "m", **more})  # type: ignore[arg-type]


def asked(health: Health, targets: Sequence[Target] = BOTH) -> list[str]:
    """In which order, by a call that begins with the first."""
    ordered = health.ordered(targets)
    health.begins(ordered[0].upstream)
    return [target.upstream.name for target in ordered]


def test_what_fares_well_is_asked_in_the_order_of_the_file(health: Health) -> None:
    end(health, "success")
    end(health, "failed", 4)

    assert health.ordered(BOTH) is BOTH
    assert health.state(FIRST) is State.OK


@pytest.mark.parametrize("outcome", ["unreachable", "failed", "timeout", "cut"])
def test_five_failures_in_a_row_open_the_circuit(health: Health, clock: Clock, outcome: Outcome) -> None:
    end(health, outcome, 4)
    end(health, "refused")  # it is there
    end(health, outcome, 4)
    assert asked(health) == ["first", "second"]
    end(health, outcome)

    assert asked(health) == ["second", "first"]
    assert health.state(FIRST) is State.OPEN
    clock.now += 1
    assert health.state(FIRST) is State.PROBING
    assert asked(health) == ["first", "second"]  # the probe
    assert asked(health) == ["second", "first"]
    end(health, "success")
    assert asked(health) == ["first", "second"]
    assert health.state(FIRST) is State.OK


def test_a_circuit_stays_open_longer_each_time_that_its_probe_fails(health: Health, clock: Clock) -> None:
    end(health, "timeout", 5)
    waits = []
    for _ in range(7):
        before = clock.now
        while asked(health)[0] == "second":
            clock.now += 0.5
        waits.append(clock.now - before)
        end(health, "timeout")

    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_failures_that_were_on_their_way_together_open_it_once(health: Health, clock: Clock) -> None:
    end(health, "failed", 64)
    clock.now += 1

    assert asked(health) == ["first", "second"]


def test_a_probe_that_nobody_hears_of_is_followed_by_another_one(health: Health, clock: Clock) -> None:
    end(health, "failed", 5)
    clock.now += 1
    assert asked(health) == ["first", "second"]
    clock.now += 4.9
    assert asked(health) == ["second", "first"]
    clock.now += 0.1

    assert asked(health) == ["first", "second"]


def test_a_call_that_goes_no_further_is_no_probe(health: Health, clock: Clock) -> None:
    """Who is refused by a limit keeps nobody else from looking whether the upstream is back."""
    end(health, "unreachable", 5)
    clock.now += 1

    assert [health.ordered(BOTH[:1])[0].upstream.name for _ in range(3)] == ["first"] * 3
    health.begins(FIRST)
    with pytest.raises(GatewayError):
        health.ordered(BOTH[:1])


def test_nowhere_else_to_go_is_asked_all_the_same_unless_there_is_no_connection(health: Health, clock: Clock) -> None:
    """Who sends a request that fails a server, or that takes too long, shuts nobody else out."""
    alone = BOTH[:1]
    end(health, "unreachable", 4)
    end(health, "failed", 60)
    assert asked(health, alone) == ["first"]

    other = Health(clock, lambda: 0.0)
    end(other, "unreachable", 5)
    with pytest.raises(GatewayError, match="no connection to first: it is tried again in 1 s") as caught:
        other.ordered(alone)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "upstream_unavailable", 1)
    assert caught.value.should_retry is None
    clock.now += 1
    assert asked(other, alone) == ["first"]
    end(other, "success")
    assert asked(other, alone) == ["first"]


def test_a_key_that_is_not_taken_rests_for_a_minute(health: Health, clock: Clock) -> None:
    end(health, "credential")
    assert asked(health) == ["second", "first"]
    assert asked(health, BOTH[:1]) == ["first"]
    assert health.state(FIRST) is State.COOLING
    clock.now += 59.9
    assert asked(health) == ["second", "first"]
    clock.now += 0.1
    assert asked(health) == ["first", "second"]

    end(health, "credential")
    end(health, "success")  # it was topped up
    assert asked(health) == ["first", "second"]


def test_a_model_that_is_forbidden_does_not_keep_others_from_the_upstream(health: Health) -> None:
    end(health, "forbidden", model="special")

    assert asked(health) == ["first", "second"]
    assert asked(health, (Target(FIRST, "special"), BOTH[1])) == ["second", "first"]


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(None, 1), (7.0, 7), (0.0, 0), (-5.0, 0), (3_600.0, 60), (float("inf"), 60), (float("nan"), 1)],
)
def test_a_rate_limit_is_waited_for_as_the_provider_says_up_to_a_minute(
    health: Health, clock: Clock, retry_after: float | None, seconds: float
) -> None:
    end(health, "rate_limited", retry_after=retry_after)  # type: ignore[arg-type]
    end(health, "success")  # of a call from before
    if seconds:
        clock.now += seconds - 0.1
        assert asked(health) == ["second", "first"]
        assert asked(health, (Target(FIRST, "other"), BOTH[1])) == ["first", "second"]
        clock.now += 0.1

    assert asked(health) == ["first", "second"]


def test_processes_do_not_come_back_together(clock: Clock) -> None:
    late = Health(clock, lambda: 1.0)
    end(late, "rate_limited", retry_after=10)
    clock.now += 11.9
    assert asked(late) == ["second", "first"]
    clock.now += 0.2
    assert asked(late) == ["first", "second"]


def test_names_that_callers_make_up_do_not_fill_the_memory(health: Health, clock: Clock) -> None:
    for number in range(1_500):
        end(health, "forbidden", model=f"m{number}")
    assert len(health.shown(FIRST).models) == 1_000
    clock.now += 61
    end(health, "forbidden")

    assert health.shown(FIRST).models == ["m"]


def test_another_key_or_address_begins_anew(health: Health) -> None:
    end(health, "credential")
    health.keep([FIRST, SECOND])
    assert asked(health) == ["second", "first"]

    renewed = Upstream("first", Api.OPENAI, "https://first", "openai", Key("c"))
    health.keep([renewed, SECOND])
    assert asked(health, (Target(renewed, "m"), BOTH[1])) == ["first", "second"]
    assert health.shown(renewed).last_failure is None


def test_what_is_shown_is_exact(health: Health, clock: Clock) -> None:
    for hundredth in range(1, 601):
        health.ended(FIRST, outcome="success", seconds=hundredth / 100)
    end(health, "forbidden")
    end(health, "timeout", 5)

    shown = health.shown(FIRST)
    assert (shown.state, shown.again, shown.models) == (State.OPEN, 1.0, ["m"])
    # of the last 512: 0.89 to 6.00 seconds
    assert (shown.p50, shown.p95, shown.measured) == (3.44, 5.75, 512)
    assert shown.last_failure is not None
    assert shown.last_failure[0] == "timeout"
    clock.now += 1
    assert health.shown(FIRST).again == 0
    assert health.shown(SECOND) == (State.OK, None, [], None, None, None, 0)


def test_attempts_are_counted_by_upstream_and_outcome() -> None:
    counters = Counters()
    health = Health(attempts=Attempts(counters.registry))
    end(health, "success", 3)
    end(health, "rate_limited")
    end(health, "success", upstream=SECOND)

    assert counters.attempts() == {"first": {"success": 3, "rate_limited": 1}, "second": {"success": 1}}
    assert b'twinmeter_gateway_attempt_seconds_count{upstream="first"} 3.0' in counters.exposition()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "success"),
        (304, "success"),
        (400, "refused"),
        (401, "credential"),
        (402, "credential"),
        (403, "forbidden"),
        (404, "refused"),
        (429, "rate_limited"),
        (500, "failed"),
        (529, "failed"),
    ],
)
def test_a_status_says_how_an_upstream_fares(status: int, outcome: str) -> None:
    assert outcome_of_status(status) == outcome


def test_a_failure_says_whether_there_was_a_connection() -> None:
    kinds = ("dns", "connect", "tls", "timeout", "cut", "too_large", "protocol")

    assert [outcome_of_failure(kind) for kind in kinds] == [  # type: ignore[arg-type]
        *["unreachable"] * 3,
        "timeout",
        "cut",
        "failed",
        "failed",
    ]
