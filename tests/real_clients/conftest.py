"""A real server as a process of its own, and an account with it for every test."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pymongo
import pytest

from scripts.provider import Provider, provider
from tests.patience import patience
from tests.real_clients.gateway_file import settings_file
from tests.test_server import admin, running


@dataclass(frozen=True)
class Account:
    """One client of a running server, by what an administrator may ask for it."""

    address: str
    admin: dict[str, str]
    client: str = field(default_factory=lambda: f"client-{uuid.uuid4().hex[:12]}")

    def new_key(self, *scopes: str) -> str:
        """The text of a new API key."""
        wanted = {"name": "real client", "clientId": self.client, "scopes": scopes}
        response = httpx.post(f"{self.address}/api/admin/keys", json=wanted, headers=self.admin)
        assert response.status_code == 201, response.text
        return str(response.json()["key"])

    def report(self, name: str) -> Any:
        """A report with exact numbers."""
        response = httpx.get(f"{self.address}/api/admin/ai/{name}?days=2&clientId={self.client}", headers=self.admin)
        assert response.status_code == 200, response.text
        return json.loads(response.content, parse_float=Decimal)

    def detail(self, call_id: str) -> Any:
        """One call, as its dialog shows it."""
        response = httpx.get(f"{self.address}/api/admin/ai/calls/{call_id}", headers=self.admin)
        assert response.status_code == 200, response.text
        return response.json()


@dataclass(frozen=True)
class Deployment:
    """A database and a data folder, for one server at a time."""

    data_dir: Path
    mongodb_uri: str
    database: str = field(default_factory=lambda: f"test_{uuid.uuid4().hex[:12]}")

    @contextmanager
    def serving(self, port: str = "0", **more: str) -> Iterator[str]:
        """The address of a server, which is stopped as an operator stops it."""
        variables = {"TWINMETER_MONGODB_URI": self.mongodb_uri, "TWINMETER_DATABASE": self.database}
        with running(self.data_dir, **variables, **more, TWINMETER_PORT=port) as (process, address):
            assert process.stderr is not None
            # its log is read all the time: a full pipe would stop it
            Thread(target=process.stderr.read, daemon=True).start()
            yield address
            # a killed one would leave an open transaction, which keeps the database from being dropped for a minute
            process.terminate()
            assert process.wait(patience(20)) == 0

    def account(self, address: str) -> Account:
        return Account(address, admin(self.data_dir))

    def everything_stored(self) -> str:
        with pymongo.MongoClient[Any](self.mongodb_uri) as client:
            database = client[self.database]
            names = [name for name in database.list_collection_names() if name != "system.views"]
            return repr([list(database[name].find()) for name in names])


@pytest.fixture(scope="package")
def deployment(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("real_clients") / "data", mongodb_uri)
    yield deployment
    with pymongo.MongoClient[Any](mongodb_uri) as client:
        client.drop_database(deployment.database)


@pytest.fixture(scope="package")
def stand_in() -> Iterator[Provider]:
    with provider() as stand_in:
        yield stand_in


@pytest.fixture(scope="package")
def address(deployment: Deployment, stand_in: Provider) -> Iterator[str]:
    """A server that is a gateway to the stand-in as well."""
    with deployment.serving(**settings_file(deployment.data_dir.parent, stand_in)) as address:
        yield address


@pytest.fixture
def account(deployment: Deployment, address: str) -> Account:
    return deployment.account(address)
