"""Every route while MongoDB is away: an honest status in time, and nothing of the driver's in the answer."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient
from pymongo.errors import AutoReconnect, InvalidOperation, PyMongoError

from app.auth.api_key_text import new_key
from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database.mongod import EmbeddedMongod
from app.main import create_app
from app.pricing.price_book import PriceBook
from tests.conftest import SECRET, new_settings
from tests.patience import patience
from tests.tracking.test_durability import freeze

Client = AsyncTestClient[Litestar]

ADMIN = {"Authorization": f"Bearer {Tokens(SECRET).issue('me', Role.ADMIN, timedelta(hours=2))}"}
UNKNOWN_KEY = new_key().text
WITHOUT_MONGODB = {
    *("/", "/health", "/livez", "/metrics", "/admin", "/admin/session", "/schema", "/api/admin/ai/technical"),
    *("/ready", "/readyz"),
}
"""What is answered all the same, and what is below /schema and /admin/."""
VALUES = {"{file:str}": "calls.csv", "{entry_id:str}": "0" * 24, "{call_id:str}": "0" * 24}
OF_THE_DRIVER = ("127.0.0.1", "localhost", "opology", "timeoutMS", "TimeoutMS", "pymongo", "Errno", "timed out")
LIMITS = (
    *("app.reports.reader.QUERY_SECONDS", "app.pricing.price_book.QUERY_SECONDS", "app.live.hub.OPEN_SECONDS"),
    *("app.pricing.changes.QUERY_SECONDS", "app.auth.api_keys.QUERY_SECONDS", "app.auth.api_keys.CHANGE_SECONDS"),
    "app.database.connection.PING_SECONDS",
)
LIMIT_SECONDS = 0.3


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongod]:
    """One that may be stopped and killed."""
    with EmbeddedMongod(tmp_path_factory.mktemp("away"), cache_size_gb=0.25) as mongod:
        yield mongod


@pytest.fixture
async def client(mongod: EmbeddedMongod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """An application whose MongoDB has stopped answering, and that gives it a second."""
    settings = new_settings(mongod.uri, tmp_path)
    async with AsyncTestClient(create_app(settings, mongod.uri)) as client:
        for limit in LIMITS:
            monkeypatch.setattr(limit, LIMIT_SECONDS)
        freeze(mongod)
        try:
            yield client
        finally:
            os.kill(mongod.pid, signal.SIGCONT)


def gets(app: Litestar) -> list[str]:
    """The path of every GET route, with values for its parameters."""
    paths = [str(route.path) for route in app.routes if "GET" in getattr(route, "methods", ())]
    for parameter, value in VALUES.items():
        paths = [path.replace(parameter, value) for path in paths]
    return [path for path in paths if "{" not in path]


def needs_mongodb(path: str) -> bool:
    return path not in WITHOUT_MONGODB and not path.startswith(("/schema/", "/admin/"))


async def asked(client: Client, paths: list[str]) -> dict[str, tuple[Response, float]]:
    """The answer of each, and the seconds it took."""
    answers = {}
    for path in paths:
        began = time.monotonic()
        response = await client.get(path, headers=ADMIN, follow_redirects=False)
        answers[path] = response, time.monotonic() - began
    return answers


def told(response: Response) -> list[str]:
    """What of the driver's words is in an answer."""
    return [word for word in OF_THE_DRIVER if word in response.text]


async def test_every_route_that_reads_says_503_in_time_and_nothing_of_the_driver(client: Client) -> None:
    answers = await asked(client, [path for path in gets(client.app) if needs_mongodb(path)])

    assert len(answers) >= 15
    assert {path: response.status_code for path, (response, _) in answers.items()} == dict.fromkeys(answers, 503)
    for path, (response, seconds) in answers.items():
        assert response.headers["content-type"] == "application/problem+json", path
        assert response.headers["retry-after"] == "1", path
        assert response.json()["status"] == 503, path
        assert told(response) == [], (path, response.text)
        assert seconds < patience(LIMIT_SECONDS + 2), path


async def test_every_other_route_answers_as_ever(client: Client) -> None:
    answers = await asked(client, [path for path in gets(client.app) if not needs_mongodb(path)])

    assert [path for path, (response, _) in answers.items() if response.status_code >= 400] == []
    assert [path for path, (response, _) in answers.items() if told(response)] == []
    assert answers["/ready"][0].json()["status"] == "degraded"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/admin/prices", {"model": "m", "prices": {"inputMtok": 1}}),
        ("/api/admin/prices/0123456789abcdef01234567/end", {}),
        ("/api/admin/keys", {"name": "shop", "scopes": ["read"]}),
        ("/api/admin/keys/abc/revoke", {}),
        ("/admin/session", {"token": UNKNOWN_KEY}),
    ],
)
async def test_a_change_that_cannot_be_made_is_said_so(client: Client, path: str, body: dict[str, object]) -> None:
    response = await client.post(path, headers={**ADMIN, "Sec-Fetch-Site": "same-origin"}, json=body)

    assert (response.status_code, response.headers["retry-after"]) == (503, "1"), response.text
    assert told(response) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(AutoReconnect("127.0.0.1:27017: connection closed"), 503), (InvalidOperation("at 127.0.0.1:27017"), 500)],
)
async def test_what_no_route_expected_of_the_driver_is_an_outage_or_a_fault_and_never_its_words(
    empty: Client, monkeypatch: pytest.MonkeyPatch, error: PyMongoError, status: int
) -> None:
    async def fail(_: PriceBook) -> None:
        raise error

    monkeypatch.setattr(PriceBook, "all", fail)
    response = await empty.get("/api/admin/prices", headers=ADMIN)

    assert (response.status_code, response.headers.get("retry-after")) == (status, "1" if status == 503 else None)
    assert told(response) == []
