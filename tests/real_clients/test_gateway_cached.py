"""Real clients of a key that may have answers from the cache: the second is the first, and costs nothing."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from client.tests.sdks import anthropic, openai
from tests.real_clients.gateway import Call, Gateway, Site, gateway, plain

__all__ = ["gateway"]

MESSAGES: Any = [{"role": "user", "content": "one two three"}]


def by_openai(**more: Any) -> Call:
    def call(site: Site) -> Any:
        with openai.OpenAI(base_url=site.v1, api_key=site.key, max_retries=0) as client:
            asked: Any = {"model": "gpt-4o", "messages": MESSAGES, "temperature": 0, **more}
            answer = client.chat.completions.create(**asked)
            return list(answer) if more.get("stream") else answer

    return call


def by_anthropic(site: Site) -> Any:
    asked: Any = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": MESSAGES, "extra_body": {"temperature": 0}}
    with (
        anthropic.Anthropic(base_url=site.base, api_key=site.key, max_retries=0) as client,
        client.messages.stream(**asked) as stream,
    ):
        return [list(stream), stream.get_final_message()]


CALLS = {
    "chat": by_openai(),
    "stream": by_openai(stream=True),
    "stream with usage": by_openai(stream=True, stream_options={"include_usage": True}),
    "message in a stream": by_anthropic,
}


@pytest.fixture
def site(gateway: Gateway) -> Site:
    """Of a key with a cache."""
    account = gateway.account
    wanted = {"name": "cached", "clientId": account.client, "scopes": ["gateway"], "cache": True}
    made = httpx.post(f"{account.address}/api/admin/keys", json=wanted, headers=account.admin)
    assert made.status_code == 201, made.text
    return Site(account.address, made.json()["key"])


@pytest.mark.parametrize("name", CALLS)
def test_the_same_question_is_answered_from_the_cache_as_it_was_by_the_provider(
    gateway: Gateway, site: Site, name: str
) -> None:
    gateway.stand_in.forget()
    first, second = (plain(CALLS[name](site)) for _ in range(2))
    assert second == first
    assert len(gateway.stand_in.requests) == 1
    paid, free = gateway.ledger()
    assert free == paid._replace(cost=Decimal(0))
    assert paid.cost
