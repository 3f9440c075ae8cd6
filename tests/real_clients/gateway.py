"""A gateway before the stand-in for providers, and what a client sees through it beside what it sees directly."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

import httpx
import pytest

from client.tests.ledger import entries
from scripts.provider import Provider, Received
from tests.real_clients.conftest import Account, Deployment
from tests.real_clients.gateway_file import UPSTREAM_KEY

DIRECT_KEY = "sk-of-the-application"
OURS = "x-twinmeter-"
HOP = "x-twinmeter-hop"
"""By which a gateway knows its own requests again."""
CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key")
PASSED_ON = ("accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta", "user-agent")
"""Headers of a client that a provider gets as they are, and those that begin with `x-stainless-`."""
PASSED_BACK = ("content-type", "content-encoding", "request-id", "retry-after", "x-request-id")
"""Headers of a provider that a client gets as they are, and those with `ratelimit` in their name."""
MILLION = 1_000_000


class Site(NamedTuple):
    """Where a client is sent."""

    base: str
    """Without a version, as in `http://127.0.0.1:8000`."""
    key: str

    @property
    def v1(self) -> str:
        return f"{self.base}/v1"


Call = Callable[[Site], Any]


class Entry(NamedTuple):
    """What the ledger says of a call."""

    provider: str
    model: str
    endpoint: str
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = Decimal(0)
    status: str = "success"


def cost(*parts: tuple[float, str]) -> Decimal:
    """USD of so many tokens at so many USD per million of them."""
    return sum((Decimal(count) * Decimal(price) / MILLION for count, price in parts), Decimal(0))


@dataclass(frozen=True)
class Gateway:
    """The gateway of one account, whose ledger has what this test has asked for and nothing else."""

    stand_in: Provider
    account: Account
    deployment: Deployment
    flavour: str = ""
    """Of the provider that is asked directly, as in `/groq`."""
    keys: dict[str, str] = field(default_factory=dict)

    @cached_property
    def site(self) -> Site:
        return Site(self.account.address, self.account.new_key("gateway"))

    @property
    def provider(self) -> Site:
        return Site(f"{self.stand_in.address}{self.flavour}", DIRECT_KEY)

    def same(self, call: Call) -> list[Entry]:
        """Make a call directly and through the gateway, and its requests once more byte by byte.

        Asserts that the client got the same, that the provider was asked the same, and that the bytes of the answers
        and the headers that matter are the same. Returns what the ledger has now; of the bytes it has a second entry,
        which says the same and is left out.
        """
        direct, asked = self._watched(call, self.provider)
        through, sent = self._watched(call, self.site)
        assert plain(through) == plain(direct)
        for one, other in zip(asked, sent, strict=True):
            self._asked_the_same(one, other)
        known = self.ledger()
        for one in asked:
            self._answered_the_same(one)
        assert self.ledger()[len(known) :] == known
        return known

    def ledger(self) -> list[Entry]:
        """In the order in which calls were recorded."""
        found = sorted(entries(self.deployment, self.account), key=lambda entry: (entry["createdAt"], entry["_id"]))
        return [_entry(each) for each in found]

    def _watched(self, call: Call, site: Site) -> tuple[Any, list[Received]]:
        self.stand_in.forget()
        return call(site), self.stand_in.requests

    def _asked_the_same(self, direct: Received, through: Received) -> None:
        assert (through.method, through.query) == (direct.method, direct.query)
        # Google's client asks the first version where it is not told otherwise; the second has all of it
        assert through.path.replace("/v1beta/", "/v1/") == direct.path
        assert without_usage(through) == without_usage(direct)
        assert _passed_on(through) == _passed_on(direct)
        shown = {name: value for name, value in through.headers if name in CREDENTIALS}
        assert {value.removeprefix("Bearer ") for value in shown.values()} == {UPSTREAM_KEY}
        assert through.header("accept-encoding") in {None, "identity"}
        assert {name for name, _ in through.headers if name.startswith((OURS, "x-forwarded", "cookie"))} == {HOP}

    def _answered_the_same(self, asked: Received) -> None:
        direct, through = (self._replayed(asked, site) for site in (self.provider, self.site))
        assert (through.status_code, through.content) == (direct.status_code, direct.content)
        assert _passed_back(through, direct) == _passed_back(direct, direct)
        assert "set-cookie" not in through.headers
        assert len(through.headers.get_list(f"{OURS}request-id")) == 1

    def _replayed(self, asked: Received, site: Site) -> httpx.Response:
        """The same bytes to the provider or the gateway, without what belongs to a connection."""
        own = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "idempotency-key"}
        headers = [(name, _with_key(name, value, site)) for name, value in asked.headers if name not in own]
        path = asked.path if site == self.provider else asked.path.removeprefix(self.flavour)
        query = f"?{asked.query}" if asked.query else ""
        base = self.stand_in.address if site == self.provider else site.base
        return httpx.request(asked.method, f"{base}{path}{query}", headers=headers, content=asked.body)


def _with_key(name: str, value: str, site: Site) -> str:
    return value.replace(DIRECT_KEY, site.key) if name in CREDENTIALS else value


def _passed_on(asked: Received) -> list[tuple[str, str]]:
    named = [(name, value) for name, value in asked.headers if name in PASSED_ON or name.startswith("x-stainless-")]
    return sorted((name, _without_boundary(value)) for name, value in named)


def _without_boundary(value: str) -> str:
    return value.partition("boundary=")[0]


def _passed_back(answer: httpx.Response, direct: httpx.Response) -> list[tuple[str, str]]:
    """Headers that the provider has a say in; an answer to which it gives no x-request-id has ours."""
    named = [(name, value) for name, value in answer.headers.items() if name in PASSED_BACK or "ratelimit" in name]
    return sorted((name, value) for name, value in named if name != "x-request-id" or name in direct.headers)


def without_usage(asked: Received) -> Any:
    """A body but for the usage that a stream is asked for, and for the boundary of its parts."""
    kind = asked.header("content-type") or ""
    if kind.startswith("multipart/"):
        return asked.body.replace(kind.partition("boundary=")[2].encode(), b"")
    fields = json.loads(asked.body or b"{}")
    if asked.path.endswith("chat/completions"):
        fields.pop("stream_options", None)
    return fields


def plain(value: Any) -> Any:
    """What an SDK gave, as dictionaries and lists."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", warnings=False)
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def _entry(found: dict[str, Any]) -> Entry:
    price = found["cost"]
    return Entry(
        found["provider"],
        found["aiModel"],
        found["endpoint"],
        found.get("inputTokens", 0),
        found.get("outputTokens", 0),
        None if price is None else price.to_decimal().normalize() + 0,
        found["status"],
    )


@pytest.fixture
def gateway(stand_in: Provider, account: Account, deployment: Deployment) -> Gateway:
    return Gateway(stand_in, account, deployment)
