"""Limits and headers of every request."""

import asyncio
from typing import Any

import pytest
import structlog
from litestar import Controller, Litestar, Request, Response, get, post
from litestar.testing import AsyncTestClient

from app.auth.middleware import PUBLIC
from app.errors import TooManyRequestsError
from app.http.middleware import RequestLimits, add_headers
from app.http.problems import HANDLERS
from app.http.rate_limit import RateLimit
from app.observability.logs import configure_logging


class Slow(Controller):
    path = "/"
    opt = PUBLIC

    @get("/slow")
    async def slow(self) -> str:
        await asyncio.Event().wait()
        return "never"

    @get("/quick")
    async def quick(self) -> str:
        return "done"

    @get("/of-another")
    async def of_another(self) -> Response[str]:
        return Response("done", headers={"x-request-id": "req_of_a_provider"})

    @post("/body")
    async def body(self, request: Request[Any, Any, Any]) -> str:
        return str(len(await request.body()))


@pytest.fixture
def app() -> Litestar:
    return Litestar(
        [Slow],
        middleware=[RequestLimits()],
        before_send=[add_headers],
        exception_handlers=HANDLERS,
        openapi_config=None,
    )


async def test_every_answer_has_an_id_and_the_headers_that_browsers_heed(app: Litestar) -> None:
    async with AsyncTestClient(app) as client:
        own = await client.get("/quick", headers={"X-Request-ID": "mine-7"})
        made = await client.get("/quick", headers={"X-Request-ID": "no\tgood id"})
        nowhere = await client.get("/nowhere")

    assert own.headers["x-request-id"] == "mine-7"
    assert len(made.headers["x-request-id"]) == 16
    assert len(nowhere.headers["x-request-id"]) == 16
    for response in (own, nowhere):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert response.headers["cache-control"] == "no-store"


async def test_an_id_that_an_answer_brings_along_stays_its_only_one(app: Litestar) -> None:
    async with AsyncTestClient(app) as client:
        response = await client.get("/of-another", headers={"X-Request-ID": "mine-7"})

    assert response.headers.get_list("x-request-id") == ["req_of_a_provider"]


async def test_a_request_that_takes_too_long_is_given_up(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.middleware.REQUEST_SECONDS", 0.01)

    async with AsyncTestClient(app) as client:
        response = await client.get("/slow")

    assert (response.status_code, response.json()["title"]) == (503, "Took too long")


@pytest.mark.parametrize(("part", "status"), [(b"", 408), (b"1", 408), (b"1" * 1_000, 201)])
async def test_a_body_that_never_comes_or_trickles_is_given_up(
    app: Litestar, monkeypatch: pytest.MonkeyPatch, part: bytes, status: int
) -> None:
    monkeypatch.setattr("app.http.middleware.BODY_SECONDS", 0.05)
    monkeypatch.setattr("app.http.middleware.BODY_BYTES_PER_SECOND", 100)
    sent: list[Any] = []
    received = 0

    async def receive() -> Any:
        nonlocal received
        if not part:
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)
        received += len(part)
        return {"type": "http.request", "body": part, "more_body": received < 20_000}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/body",
        "raw_path": b"/body",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"20000")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await app(scope, receive, send)

    assert sent[0]["status"] == status


def test_a_caller_may_send_its_rate_and_a_burst_and_no_more() -> None:
    now = 0.0
    limit = RateLimit(10, clock=lambda: now)

    def admitted(caller: str, times: int) -> int:
        count = 0
        for _ in range(times):
            try:
                limit.admit(caller)
            except TooManyRequestsError:
                continue
            count += 1
        return count

    assert admitted("a", 100) == 50
    assert admitted("b", 10) == 10
    now += 1.0
    assert admitted("a", 100) == 10
    now += 100.0
    assert admitted("a", 100) == 50


def test_without_a_rate_everything_is_admitted() -> None:
    limit = RateLimit(0)
    for _ in range(10_000):
        limit.admit("a")


async def test_a_request_is_a_line_of_the_log_with_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.middleware.SLOW_SECONDS", 0.0)
    configure_logging("info")
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        slow = Litestar(
            [Slow],
            middleware=[RequestLimits()],
            before_send=[add_headers],
            exception_handlers=HANDLERS,
            openapi_config=None,
        )
        async with AsyncTestClient(slow) as client:
            await client.get("/quick", headers={"X-Request-ID": "mine-8"})

    configure_logging("error")
    (line,) = [line for line in lines if line["event"] == "request.completed"]
    del line["milliseconds"]
    assert line == {
        "event": "request.completed",
        "log_level": "warning",
        "request_id": "mine-8",
        "method": "GET",
        "path": "/quick",
        "status": 200,
    }
