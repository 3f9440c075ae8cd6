"""A running deployment for browsers: demo history behind it, and real calls whose figures are known to the digit."""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pymongo
from playwright.async_api import StorageState

from app.auth.principals import Role
from app.auth.sessions import COOKIE
from app.auth.tokens import Tokens
from app.http.serialization import decode, encode
from app.settings import Settings
from models.base import camel
from scripts.drill.server import LOCAL
from scripts.toolkit.demo_calls import Plan
from tests.patience import patience
from tests.test_server import running

DAYS = 30
CALLS = 1_000
"""Enough for every chart to have something to show."""
ROWS = 1_000
PATIENT = {"TWINMETER_TRACK_DEADLINE_MS": "60000"}
"""A busy machine would rather spool what it is given than hold its caller; here it is waited for."""
CALL = {
    "userId": "ann",
    "clientId": "acme",
    "contentType": "chat",
    "model": "gpt-4o",
    "provider": "openai",
    "inputTokens": 1_000,
    "outputTokens": 500,
    "requestDuration": 800,
}
CALL_COST = Decimal("0.0075")
"""What `CALL` costs, in USD."""
REAL_DAYS = 3
"""Today and the days before it that have real calls: as many each as the day is days ago, and one more."""
REAL_CALLS = REAL_DAYS * (REAL_DAYS + 1) // 2
REAL_COST = REAL_CALLS * CALL_COST
MARKUP = "<img src=x onerror=document.title='run'><b>bold</b>"
LONGEST = 256
"""Characters that a name may have."""
LONG = "w" * LONGEST
ODD: list[dict[str, Any]] = [
    {"userId": MARKUP, "model": f"{MARKUP}model", "provider": "house", "conversationId": f"{MARKUP}talk"},
    {"userId": LONG, "model": LONG, "provider": LONG, "contentType": LONG, "conversationId": LONG},
    {"userId": "=1+1", "model": "claude-sonnet-4-5", "provider": "openai"},
    {"userId": "guess", "inputTokens": None, "outputTokens": None},
    {"userId": "broken", "status": "error", "errorMessage": MARKUP},
]
"""Calls of the client `odd`, for what a page has to bear: markup, the longest names, findings of data quality."""


@dataclass(frozen=True)
class Served:
    """A server that answers, and what a test may do with it beside the browser."""

    address: str
    token: str
    """Of an administrator of the deployment."""
    secret: str = ""
    """What signs tokens."""

    def token_of(self, user: str, client: str) -> str:
        """The token of a mere user."""
        return Tokens(self.secret).issue(user, Role.USER, timedelta(days=1), client)

    def get(self, path: str, **params: Any) -> Any:
        """What a JSON route answers to an administrator, with exact numbers."""
        response = httpx.get(
            self.address + path, params=params, headers=self._headers(), timeout=patience(60), verify=LOCAL
        )
        assert response.status_code == 200, response.text
        return decode(response.content)

    def track(self, **fields: Any) -> Any:
        """The receipt of a call like `CALL`, but for `fields` (camelCase)."""
        response = httpx.post(
            f"{self.address}/api/ai/track", json={**CALL, **fields}, headers=self._headers(), timeout=patience(60)
        )
        assert response.status_code == 201, response.text
        return decode(response.content)

    def new_key(self, client: str = "acme", scopes: Iterable[str] = ("admin",)) -> tuple[str, str]:
        """The id and the text of a new API key."""
        wish = {"name": "person", "clientId": client, "scopes": list(scopes)}
        response = httpx.post(f"{self.address}/api/admin/keys", json=wish, headers=self._headers())
        assert response.status_code == 201, response.text
        return response.json()["id"], response.json()["key"]

    def panel_token(self, user: str, client: str = "acme", **more: Any) -> str:
        """A token with which a browser may look at a user's panel."""
        wish = {"userId": user, "clientId": client, **more}
        response = httpx.post(f"{self.address}/api/panel-tokens", json=wish, headers=self._headers())
        assert response.status_code == 201, response.text
        token: str = response.json()["token"]
        return token

    def limit(self, **wish: Any) -> str:
        """The id of a new limit."""
        response = httpx.post(f"{self.address}/api/admin/limits", json=wish, headers=self._headers())
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def change_limit(self, limit_id: str, **changes: Any) -> None:
        address = f"{self.address}/api/admin/limits/{limit_id}"
        response = httpx.patch(address, json=changes, headers=self._headers())
        assert response.status_code == 200, response.text

    def gateway_key(self, name: str, **policy: Any) -> tuple[str, str]:
        """The id and the text of a new key that calls models, for 10 USD a month."""
        limits = [{"unit": "usd", "window": "month", "amount": 10}]
        wish = {"name": name, "clientId": name, "scopes": ["gateway"], "limits": limits, **policy}
        response = httpx.post(f"{self.address}/api/admin/keys", json=wish, headers=self._headers())
        assert response.status_code == 201, response.text
        return response.json()["id"], response.json()["key"]

    def revoke(self, key_id: str) -> None:
        response = httpx.post(f"{self.address}/api/admin/keys/{key_id}/revoke", headers=self._headers())
        assert response.status_code == 200, response.text

    def fill(self) -> None:
        """Report the history: demo calls of 30 days, the real ones of the last three, and the odd ones of today."""
        now = datetime.now(UTC)
        plan = Plan(now.date() - timedelta(days=DAYS - 1), now, CALLS)
        rows = [_as_json(call) for day, calls in plan.days() for call in plan.calls_of(day, range(calls))]
        rows += [
            {**CALL, "userId": f"user-{number}", "createdAt": (now - timedelta(days=ago)).isoformat()}
            for ago in range(REAL_DAYS)
            for number in range(ago + 1)
        ]
        rows += [CALL | {"clientId": "odd"} | fields for fields in ODD]
        for first in range(0, len(rows), ROWS):
            some = rows[first : first + ROWS]
            answer = httpx.post(
                f"{self.address}/api/ai/track/batch",
                content=encode(some),
                headers={**self._headers(), "Content-Type": "application/json"},
                timeout=patience(60),
            ).json()
            assert answer["summary"] == {"committed": len(some)}, answer["summary"]
        for name in (MARKUP, LONG):
            self.tested_endpoint(name)
            self.muted(name)
            self.gateway_key(name)

    def tested_endpoint(self, name: str, url: str = "https://hooks.invalid/in", *, client: str | None = None) -> str:
        """The id of a new endpoint, to which a test message is sent."""
        wish = {"kind": "webhook", "name": name, "url": url, "clientId": client}
        made = httpx.post(f"{self.address}/api/admin/endpoints", json=wish, headers=self._headers())
        assert made.status_code == 201, made.text
        endpoint: str = made.json()["id"]
        sent = httpx.post(f"{self.address}/api/admin/endpoints/{endpoint}/test", headers=self._headers())
        assert sent.status_code == 202, sent.text
        return endpoint

    def muted(self, client: str) -> None:
        """Have a client's unusual costs not told for a week."""
        until = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        wish = {"kind": "spending.cost", "clientId": client, "until": until}
        made = httpx.post(f"{self.address}/api/admin/alerts/mutes", json=wish, headers=self._headers())
        assert made.status_code == 201, made.text

    def session(self, token: str | None = None) -> StorageState:
        """A browser's cookies after the administrator signed in, or the bearer of a token."""
        origin, wish = {"Origin": self.address}, {"token": token or self.token}
        response = httpx.post(f"{self.address}/admin/session", json=wish, headers=origin)
        assert response.status_code == 200, response.text
        host = urlsplit(self.address).hostname
        cookie: Any = {"name": COOKIE, "value": response.cookies[COOKIE], "domain": host, "path": "/", "httpOnly": True}
        return {"cookies": [cookie], "origins": []}

    def warm_up(self) -> None:
        """Have the charts' JavaScript made, so that no page waits for it."""
        page = httpx.get(f"{self.address}/admin").text
        (bundle,) = re.findall(r'"(/admin/static/[^"]+/vega\.js)"', page)
        assert httpx.get(self.address + bundle, timeout=patience(120)).status_code == 200

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _as_json(call: Mapping[str, Any]) -> dict[str, Any]:
    return {camel(name): value for name, value in call.items()}


@contextmanager
def served(data_dir: Path, mongodb_uri: str, **variables: str) -> Iterator[Served]:
    """A deployment of its own, filled, for as long as the block; `variables` are settings."""
    database = f"test_{uuid.uuid4().hex[:12]}"
    own = {"TWINMETER_MONGODB_URI": mongodb_uri, "TWINMETER_DATABASE": database, **PATIENT}
    with running(data_dir, **own, **variables) as (process, address):
        assert process.stderr is not None
        # its log is read all the time: a full pipe would stop it
        Thread(target=process.stderr.read, daemon=True).start()
        secret = Settings(_env_file=None, data_dir=data_dir).signing_secret
        token = Tokens(secret).issue("root", Role.ADMIN, timedelta(days=1))
        try:
            server = Served(address, token, secret)
            server.fill()
            server.warm_up()
            yield server
        finally:
            # a killed one would leave an open transaction, which keeps the database from being dropped for a minute
            process.terminate()
            process.wait(patience(20))
    with pymongo.MongoClient[Any](mongodb_uri) as client:
        client.drop_database(database)
