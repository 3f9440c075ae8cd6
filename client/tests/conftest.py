"""Clients before a stand-in and before a real server. Whatever the environment says, it says nothing here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from client.tests.stand_in import StandIn, stand_in
from tests.real_clients.conftest import Account, Deployment, account, deployment

from tests.conftest import mongodb_uri
from twinmeter import client as clients
from twinmeter.client import Client
from twinmeter.configuration import MOST_LIMITS_SECONDS

__all__ = ["account", "deployment", "mongodb_uri"]

KEY = "tm_key"
CALL: dict[str, Any] = {"user_id": "u1", "content_type": "chat", "model": "gpt-4o", "input_tokens": 10}
MakeClient = Callable[..., Client]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("TWINMETER_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(clients, "_clients", {})
    yield
    for client in clients._clients.values():
        client.close(0)


@pytest.fixture(scope="package")
def address(deployment: Deployment) -> Iterator[str]:
    """A server."""
    with deployment.serving() as address:
        yield address


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as server:
        yield server


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Makes clients, which are closed at the end of the test."""
    made: list[Client] = []

    def make(address: str, key: str = KEY, **settings: Any) -> Client:
        made.append(Client(address, key, **settings))
        return made[-1]

    yield make
    for client in made:
        client.close(0)


@pytest.fixture
def client(server: StandIn, make_client: MakeClient) -> Client:
    """A client of the stand-in, which waits for an answer about limits on a busy machine, too."""
    return make_client(server.address, limits_timeout=MOST_LIMITS_SECONDS)


@pytest.fixture
def real(account: Account, make_client: MakeClient) -> Client:
    """A client of a real server, with a key of the account's."""
    return make_client(account.address, account.new_key("ingest"))
