"""No request holds the event loop for more than 50 ms, whatever is in it: every route, with its worst."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from app.main import create_app
from scripts.bench import worst
from scripts.bench.lag import LIMIT_MS, Prober, prober
from tests.conftest import new_settings
from tests.patience import FACTOR, patience

SEEDED = 3
"""Batches of a thousand calls. The benchmark has more: `python -m scripts.bench lag`."""

TRIES = 3


def routes_of(app: Litestar) -> set[tuple[str, str]]:
    """Every method and path that a request can have. What answers HEAD and OPTIONS does less than GET."""
    return {
        (str(method), route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method not in {"HEAD", "OPTIONS"}
    }


def test_every_route_has_its_worst(mongodb_uri: str, tmp_path: Path) -> None:
    assert routes_of(create_app(new_settings(mongodb_uri, tmp_path), mongodb_uri)) == worst.of_routes().keys()


@pytest.fixture(scope="module")
async def server(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prober]:
    settings = new_settings(mongodb_uri, tmp_path_factory.mktemp("lag"))
    async with prober(settings, mongodb_uri, settings.database) as probing:
        await probing.seed(SEEDED)
        yield probing


@pytest.mark.parametrize(("method", "route"), worst.of_routes(), ids=lambda value: value)
async def test_no_request_holds_the_loop(server: Prober, method: str, route: str) -> None:
    for request in worst.of_routes()[method, route]():
        lag = await server.probe(method, request)
        worked, stood_still = lag.busy_max, lag.held_max

        assert lag.status < 500, (request.name, lag)
        # what a request does to the loop it does each time: a merge beside it and a busy machine meet it by chance
        for _ in range(TRIES):
            if worked > LIMIT_MS * FACTOR or stood_still > patience(LIMIT_MS):
                again = await server.probe(method, request)
                worked, stood_still = min(worked, again.busy_max), min(stood_still, again.held_max)
        assert worked <= LIMIT_MS * FACTOR, (request.name, lag)
        assert stood_still <= patience(LIMIT_MS), (request.name, lag)
