"""What people see of the gateway's metrics."""

import math

import pytest

from app.gateway.account import Ending
from app.gateway.counters import GatewayCounters
from app.gateway.figures import FAMILY, figures_of, quantile
from app.gateway.formats.base import Api
from app.observability.metrics import Counters
from models import CallStatus

BUCKETS = [(0.001, 2), (0.0025, 8), (0.005, 10), (math.inf, 10)]


@pytest.mark.parametrize(
    ("percent", "seconds"), [(10, 0.0005), (20, 0.001), (50, 0.00175), (80, 0.0025), (90, 0.00375), (100, 0.005)]
)
def test_a_quantile_lies_within_its_bucket(percent: int, seconds: float) -> None:
    assert quantile(BUCKETS, percent) == pytest.approx(seconds)


def test_what_is_above_all_bounds_counts_as_the_last_one() -> None:
    assert quantile([(0.001, 1), (2.5, 1), (math.inf, 4)], 50) == 2.5


def test_nothing_has_no_quantile() -> None:
    assert quantile([], 50) is None
    assert quantile([(0.001, 0), (math.inf, 0)], 50) is None


def test_figures_are_those_that_were_counted() -> None:
    counters = Counters()
    of_calls = GatewayCounters(counters)
    counters.watch("twinmeter_gateway_open_calls", "Calls", lambda: 3, added=True)
    failed = Ending(CallStatus.ERROR, "upstream_cut")
    of_calls.ended(Api.OPENAI, Ending(), 1, 0.003)
    of_calls.ended(Api.ANTHROPIC, Ending(), 3, 0.003)
    of_calls.ended(Api.OPENAI, failed, 2, None)
    of_calls.kept_up(2, Ending(), client_left=True)
    of_calls.kept_up(0, Ending(CallStatus.ERROR, "client_gone"), client_left=True)
    of_calls.refused(Api.GEMINI, "model_not_found")

    figures = figures_of(counters.samples_of(FAMILY))

    assert figures.calls == {"success": 2, "upstream_cut": 1}
    assert figures.refusals == {"model_not_found": 1}
    assert (figures.fallbacks, figures.open_calls, figures.drains) == (3, 3, 0)
    assert (figures.drained, figures.keep_alives) == (1, 2)
    assert figures.added.calls == 2
    assert figures.added.p50 == pytest.approx(0.00375)
