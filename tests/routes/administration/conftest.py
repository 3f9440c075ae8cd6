"""One application for all tests of the folder: each has users, clients and plans of its own."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from tests.conftest import SECRET
from tests.routes.conftest import application, bearer, holding

Client = AsyncTestClient[Litestar]


class Admin:
    """An administrator: of the deployment, or of the client whose key it holds."""

    def __init__(self, client: Client, headers: dict[str, str]) -> None:
        self._client, self.headers = client, headers

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        response = await self._client.get(f"/api/admin{path}", params=query or None, headers=self.headers)
        return self._answer(response, status)

    async def post(self, path: str, body: Any, status: int = 201) -> Any:
        response = await self._client.post(f"/api/admin{path}", json=body, headers=self.headers)
        return self._answer(response, status)

    async def patch(self, path: str, body: Any, status: int = 200) -> Any:
        response = await self._client.patch(f"/api/admin{path}", json=body, headers=self.headers)
        return self._answer(response, status)

    async def refused(self, path: str, body: Any, status: int = 400) -> tuple[list[str], str]:
        """The fields at fault, and what is said."""
        problem = await self.post(path, body, status)
        return [error["field"] for error in problem.get("errors", [])], problem["detail"]

    def _answer(self, response: Any, status: int) -> Any:
        assert response.status_code == status, response.text
        return json.loads(response.content, parse_float=Decimal)

    async def of_client(self, client_id: str) -> "Admin":
        """An administrator of one client."""
        body = {"name": "administrator", "scopes": ["admin"], "clientId": client_id}
        return Admin(self._client, holding((await self.post("/keys", body))["key"]))


@pytest.fixture(scope="package")
async def _served(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Client, Database]]:
    folder = tmp_path_factory.mktemp("administration")
    async with application(mongodb_uri, folder, timezone="Europe/Berlin") as served:
        yield served


@pytest.fixture
def served(_served: tuple[Client, Database]) -> Client:
    return _served[0]


@pytest.fixture
def stored(_served: tuple[Client, Database]) -> Database:
    """The database of the application."""
    return _served[1]


@pytest.fixture
def admin(served: Client) -> Admin:
    return Admin(served, bearer(Tokens(SECRET), Role.ADMIN))


@pytest.fixture
def user(served: Client) -> Admin:
    """Somebody who is no administrator."""
    text = Tokens(SECRET).issue("someone", Role.USER, timedelta(minutes=5))
    return Admin(served, {"Authorization": f"Bearer {text}"})
