"""HEAD has the status and the headers of GET and no body, on every route that has GET."""

import asyncio
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.reports.downloads import Table
from app.reports.reader import Reader
from tests.patience import patience, until
from tests.routes.conftest import bearer

Client = AsyncTestClient[Litestar]
LIVE = "/api/admin/ai/live"
CHANGING = {"/metrics", "/ready", "/readyz", "/api/admin/ai/technical"}
"""Whose bodies are about this moment, so that two of them need not be equally long."""
OWN = {"x-request-id", "date"}
"""Headers of one answer alone."""


def addresses(app: Litestar) -> list[str]:
    """An address of every route that has GET, and one for each table."""
    assets = app.state.assets
    known = {"slug": ["users", "nowhere"], "file": [f"{table}.csv" for table in Table], "call_id": ["x"]}
    found: list[str] = []
    for route in app.routes:
        if "GET" not in getattr(route, "methods", ()):
            continue
        path = route.path_format
        if path.endswith("{version}/{name}"):
            found.append(assets.url("app.js"))
            continue
        names = [name for name in known if f"{{{name}}}" in path]
        found += [path.format(**{name: value}) for name in names for value in known[name]] or [
            path.replace("{path}", "x")
        ]
    return found


def headers_of(response: Any) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in OWN}


async def test_every_route_with_get_answers_head_with_the_same_headers_and_no_body(
    empty: Client, tokens: Tokens
) -> None:
    asked = [path for path in addresses(empty.app) if path != LIVE]
    assert {"/", "/health", "/metrics", "/admin", "/schema/openapi.json", "/api/admin/ai/download/calls.csv"} <= set(
        asked
    )
    for caller in ({}, bearer(tokens, Role.ADMIN)):
        for path in asked:
            got = await empty.get(path, headers=caller, follow_redirects=False)
            head = await empty.head(path, headers=caller, follow_redirects=False)

            assert (head.status_code, head.content) == (got.status_code, b""), path
            ours, theirs = headers_of(head), headers_of(got)
            if path in CHANGING:
                assert ours.pop("content-length").isdigit() == theirs.pop("content-length").isdigit()
            assert ours == theirs, path


async def test_head_of_the_event_stream_ends_at_once_and_leaves_nobody_listening(empty: Client, tokens: Tokens) -> None:
    async with asyncio.timeout(patience(5)):
        head = await empty.head(LIVE, headers=bearer(tokens, Role.ADMIN))

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (await empty.head(LIVE)).status_code == 401
    assert "\ntwinmeter_live_listeners 0.0\n" in (await empty.get("/metrics")).text


async def test_head_of_a_download_reads_no_row(empty: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    close = Reader.close

    async def batches(*_: object) -> Any:
        events.append("read")
        yield []

    async def noted_close(reader: Reader) -> None:
        events.append("closed")
        await close(reader)

    monkeypatch.setattr(Reader, "close", noted_close)
    monkeypatch.setattr(Reader, "batches", batches)
    head = await empty.head("/api/admin/ai/download/calls.csv", headers=bearer(tokens, Role.ADMIN))

    assert (head.status_code, head.headers["content-type"], head.content) == (200, "text/csv; charset=utf-8", b"")
    await until(lambda: "closed" in events, seconds=5)
    assert "read" not in events


async def test_where_there_is_no_get_there_is_no_head(empty: Client, tokens: Tokens) -> None:
    admin = bearer(tokens, Role.ADMIN)
    refused = await empty.head("/api/ai/track", headers=admin)
    assert (refused.status_code, refused.content) == (405, b"")
    assert set(refused.headers["allow"].split(", ")) == {"OPTIONS", "POST"}

    wrong = await empty.post("/health")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (await empty.options("/health")).headers["allow"] == "GET, HEAD, OPTIONS"
