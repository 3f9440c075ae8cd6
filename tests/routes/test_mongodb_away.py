"""Every route while MongoDB is away: an honest status in time, and nothing of the driver's in the answer."""

import asyncio
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
from app.database import connected
from app.database.mongod import EmbeddedMongod
from app.main import create_app
from app.pricing.price_book import PriceBook
from models.limits import LimitScope
from tests.conftest import SECRET, new_settings
from tests.finance.stripe.objects import SECRET as WEBHOOK_SECRET
from tests.finance.stripe.objects import body_of, customer, event, signed, utc
from tests.limits.defined import define, limit
from tests.patience import patience
from tests.tracking.test_durability import freeze

Client = AsyncTestClient[Litestar]

ADMIN = {"Authorization": f"Bearer {Tokens(SECRET).issue('me', Role.ADMIN, timedelta(hours=2))}"}
UNKNOWN_KEY = new_key().text
WITHOUT_MONGODB = {
    *("/", "/docs", "/health", "/livez", "/metrics", "/admin", "/admin/session", "/schema", "/api/admin/ai/technical"),
    "/api/admin/settings",
    *("/api/admin/gateway/upstreams", "/api/admin/gateway/cache", "/api/admin/gateway/figures"),
    *("/ready", "/readyz", "/usage", "/embed/twinmeter-usage.js", "/api/admin/limits/applying"),
}
"""What is answered all the same, and what is below /schema and /admin/."""
NO_PROVIDER = "/admin/sign-in"
"""Below it is what asks an identity provider, of which this deployment has none."""
VALUES = {
    "/api/admin/ai/search": "/api/admin/ai/search?q=gpt",
    "{file:str}": "calls.csv",
    "{report:str}": "2024-01.json",
    "{entry_id:str}": "0" * 24,
    "{call_id:str}": "0" * 24,
}
OF_THE_DRIVER = ("127.0.0.1", "localhost", "opology", "timeoutMS", "TimeoutMS", "pymongo", "Errno", "timed out")
LIMITS = (
    *("app.reports.reader.QUERY_SECONDS", "app.pricing.price_book.QUERY_SECONDS", "app.live.hub.OPEN_SECONDS"),
    *("app.pricing.changes.QUERY_SECONDS", "app.auth.api_keys.QUERY_SECONDS", "app.auth.api_keys.CHANGE_SECONDS"),
    *("app.database.connection.PING_SECONDS", "app.events.recording.RECORD_SECONDS"),
    *("app.finance.experiments.book.QUERY_SECONDS", "app.finance.campaigns.book.QUERY_SECONDS"),
    *("app.finance.stripe.billing.SECONDS", "app.finance.stripe.status.SECONDS"),
    *(f"app.finance.revenue.{name}.SECONDS" for name in ("book", "due", "listing", "rates")),
    *("app.finance.months.invoices.CHANGE_SECONDS", "app.finance.months.closing.CHANGE_SECONDS"),
)
LIMIT_SECONDS = 0.3
AT_ONCE = 8


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongod]:
    """One that may be stopped and killed."""
    with EmbeddedMongod(tmp_path_factory.mktemp("away"), cache_size_gb=0.25) as mongod:
        yield mongod


@pytest.fixture
async def client(mongod: EmbeddedMongod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """An application whose MongoDB has stopped answering, and that gives it a second."""
    stripe = {"stripe_webhook_secret": WEBHOOK_SECRET, "stripe_mode": "test"}
    settings = new_settings(mongod.uri, tmp_path, **stripe)
    async with connected(mongod.uri, settings.database) as database:
        await define(database, limit(5, scope=LimitScope(user_id="u1")))
    async with AsyncTestClient(create_app(settings, mongod.uri)) as client:
        for name in LIMITS:
            monkeypatch.setattr(name, LIMIT_SECONDS)
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
    return [path for path in paths if "{" not in path and not path.startswith(NO_PROVIDER)]


def needs_mongodb(path: str) -> bool:
    return path not in WITHOUT_MONGODB and not path.startswith(("/schema/", "/admin/"))


async def asked(client: Client, paths: list[str]) -> dict[str, tuple[Response, float]]:
    """The answer of each, and the seconds it took: some at once, as most wait for MongoDB as long as they may."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(path: str) -> tuple[Response, float]:
        async with turns:
            began = time.monotonic()
            response = await client.get(path, headers=ADMIN, follow_redirects=False)
            return response, time.monotonic() - began

    return dict(zip(paths, await asyncio.gather(*map(ask, paths)), strict=True))


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


async def test_who_asks_before_a_call_is_never_told_that_a_limit_is_reached(client: Client) -> None:
    ask = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1, "maxOutputTokens": 1}
    headers = {**ADMIN, "Prefer": "wait=1"}
    asks = [("POST", "/api/ai/reservations", ask), ("POST", "/api/ai/limits/check", ask)]
    for method, path, body in (
        *asks,
        ("GET", "/api/ai/reservations/1", None),
        ("DELETE", "/api/ai/reservations/1", None),
    ):
        began = time.monotonic()
        answer = await client.request(method, path, json=body, headers=headers)

        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), (path, answer.text)
        assert told(answer) == [], answer.text
        assert time.monotonic() - began < patience(3), path


async def test_an_event_of_stripe_is_to_be_sent_again(client: Client) -> None:
    body = body_of(event("customer.updated", customer("cus_1"), utc(2025, 3, 1)))
    began = time.monotonic()

    answer = await client.post("/api/billing/stripe/webhook", content=body, headers=signed(body))

    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), answer.text
    assert told(answer) == []
    assert time.monotonic() - began < patience(LIMIT_SECONDS + 2)


async def test_every_other_route_answers_as_ever(client: Client) -> None:
    answers = await asked(client, [path for path in gets(client.app) if not needs_mongodb(path)])

    assert [path for path, (response, _) in answers.items() if response.status_code >= 400] == []
    # a script may have any words, and a setting any address
    assert [
        path for path, (response, _) in answers.items() if told(response) and not path.endswith((".js", "/settings"))
    ] == []
    assert answers["/ready"][0].json()["status"] == "degraded"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/admin/prices", {"model": "m", "prices": {"inputMtok": 1}}),
        ("/api/admin/prices/0123456789abcdef01234567/end", {}),
        ("/api/admin/keys", {"name": "shop", "scopes": ["read"]}),
        ("/api/admin/keys/abc/revoke", {}),
        ("/api/admin/revenue", {"sourceId": "1", "kind": "one_time", "amount": 1, "currency": "USD"}),
        ("/api/admin/revenue/rates", {"currency": "EUR", "day": "2026-01-01", "usd": 1}),
        ("/api/events", {"userId": "u1", "event": "purchase"}),
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
