"""What administrators see of the gateway's upstreams, and what nobody sees."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.gateway.upstreams.health import Health
from app.gateway.upstreams.upstreams import Upstreams
from tests.gateway.upstreams.around import AROUND, KEYS
from tests.routes.conftest import bearer, holding

ROUTE = "/api/admin/gateway/upstreams"
FILE = """
[upstreams.openai]
models = ["gpt-4o", "gpt-*"]
headers = { X-Secret = "sk-in-a-header" }
[upstreams.elsewhere]
format = "anthropic"
base_url = "https://llm.example/v1x"
query = { key = "sk-in-a-query" }
key_file = "key"
[models.fast]
to = "openai/gpt-4o-mini"
fallbacks = ["openai/gpt-4o"]
"""
SECRETS = ("sk-in-a-header", "sk-in-a-query", "sk-in-a-file", *KEYS.values())


@pytest.fixture
def upstreams(empty: AsyncTestClient[Litestar], tmp_path: Path) -> Iterator[Upstreams]:
    """Of a gateway that the application has for a moment."""
    (tmp_path / "key").write_text("sk-in-a-file")
    (tmp_path / "gateway.toml").write_text(FILE)
    health = Health(clock=lambda: 1_000.0, chance=lambda: 0.0)
    made = Upstreams(tmp_path / "gateway.toml", lambda: AROUND, health)
    state = empty.app.state
    before, state.gateway = state.gateway, SimpleNamespace(upstreams=made)
    yield made
    state.gateway = before


async def ask(client: AsyncTestClient[Litestar], headers: dict[str, str]) -> Any:
    response = await client.get(ROUTE, headers=headers)
    assert response.status_code == 200
    assert not any(secret in response.text for secret in SECRETS)
    return response.json()


async def test_all_that_is_known_of_each_is_shown_but_its_key(
    empty: AsyncTestClient[Litestar], tokens: Tokens, upstreams: Upstreams
) -> None:
    openai, elsewhere = upstreams.catalog.upstreams.values()
    for tenth in range(1, 21):
        upstreams.health.ended(openai, outcome="success", seconds=tenth / 10)
    upstreams.health.ended(openai, outcome="rate_limited", seconds=0.1, retry_after=30, model="gpt-4o")
    for _ in range(5):
        upstreams.health.ended(elsewhere, outcome="unreachable", seconds=0.1)

    found = await ask(empty, bearer(tokens, Role.ADMIN))

    first, second = found["upstreams"]
    at = first["lastFailure"].pop("at")
    assert at.endswith("Z")
    assert first == {
        "name": "openai",
        "format": "openai",
        "baseUrl": "https://api.openai.com/v1",
        "provider": "openai",
        "key": "env OPENAI_API_KEY",
        "models": ["gpt-4o", "gpt-*"],
        "health": "cooling down",
        "againAt": None,
        "lastModels": ["gpt-4o"],
        "lastFailure": {"outcome": "rate_limited"},
        "latency": {"p50": 1_000, "p95": 1_900, "answers": 20},
        "attempts": {},
    }
    assert (second["key"], second["health"], second["lastFailure"]["outcome"]) == ("file key", "open", "unreachable")
    assert second["againAt"] is not None
    assert (found["on"], found["passesUnknown"], found["fault"]) == (True, False, None)
    assert (found["file"], found["process"]) == (str(upstreams.path), os.getpid())
    assert found["names"] == [{"name": "fast", "targets": ["openai/gpt-4o-mini", "openai/gpt-4o"]}]


async def test_an_administrator_of_one_client_sees_nothing_of_the_deployment(
    empty: AsyncTestClient[Litestar], tokens: Tokens, upstreams: Upstreams
) -> None:
    upstreams.health.ended(upstreams.catalog.upstreams["openai"], outcome="forbidden", seconds=0.1, model="others")
    key = {"name": "alpha", "scopes": ["admin"], "clientId": "alpha"}
    made = await empty.post("/api/admin/keys", json=key, headers=bearer(tokens, Role.ADMIN))

    found = await ask(empty, holding(made.json()["key"]))

    first = found["upstreams"][0]
    assert (found["file"], first["baseUrl"], first["key"], first["attempts"]) == (None, None, None, None)
    assert (first["name"], first["lastModels"]) == ("openai", [])


@pytest.mark.usefixtures("upstreams")
async def test_attempts_are_those_of_the_metrics(
    empty: AsyncTestClient[Litestar], tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = {"openai": {"success": 3, "failed": 1, "broke_off": 2}}
    monkeypatch.setattr(empty.app.state.tracker.counters, "attempts", lambda: ended)

    found = await ask(empty, bearer(tokens, Role.ADMIN))

    assert found["upstreams"][0]["attempts"] == {"success": 1, "failed": 1, "broke_off": 2}


async def test_a_server_that_is_no_gateway_says_so(empty: AsyncTestClient[Litestar], tokens: Tokens) -> None:
    found = await ask(empty, bearer(tokens, Role.ADMIN))

    assert (found["on"], found["upstreams"], found["names"]) == (False, [], [])
