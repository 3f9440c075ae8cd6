"""What real clients make of the gateway's own answers: they wait where that helps, and do not ask again where not."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from client.tests.ledger import entries
from client.tests.sdks import anthropic, groq, mistralai, openai
from tests.real_clients.gateway import Gateway, Site, gateway

__all__ = ["gateway"]

MESSAGES: Any = [{"role": "user", "content": "one two three"}]
GPT: Any = {"model": "gpt-4o", "messages": MESSAGES}
CLAUDE: Any = {"model": "claude-opus-4-6", "max_tokens": 100, "messages": MESSAGES}


def by_openai(site: Site, **more: Any) -> Any:
    with openai.OpenAI(base_url=site.v1, api_key=site.key) as client:
        answer = client.chat.completions.create(**{**GPT, **more})
        return list(answer) if more.get("stream") else answer


def by_anthropic(site: Site, **more: Any) -> Any:
    with anthropic.Anthropic(base_url=site.base, api_key=site.key) as client:
        answer = client.messages.create(**{**CLAUDE, **more})
        return list(answer) if more.get("stream") else answer


def by_groq(site: Site) -> Any:
    with groq.Groq(base_url=site.base, api_key=site.key) as client:
        return client.chat.completions.create(**{**GPT, "model": "llama-3.3-70b-versatile"})


def by_mistral(site: Site) -> Any:
    with mistralai.Mistral(server_url=site.base, api_key=site.key) as client:
        return client.chat.complete(**{**GPT, "model": "mistral-small-latest"})


def by_google(site: Site) -> Any:
    from google import genai  # noqa: PLC0415 - it takes a second

    with genai.Client(api_key=site.key, http_options={"base_url": site.base}) as client:
        return client.models.generate_content(model="gemini-2.5-flash", contents="one two three")


CLIENTS: dict[str, Callable[[Site], Any]] = {
    "openai": by_openai,
    "anthropic": by_anthropic,
    "groq": by_groq,
    "mistralai": by_mistral,
    "google-genai": by_google,
}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a client sleeps before it asks again, without the wait."""
    seconds: list[float] = []
    really, here = time.sleep, threading.get_ident()

    def sleep(wanted: float) -> None:
        if threading.get_ident() == here:
            seconds.append(wanted)
        else:  # as MongoDB's client does
            really(wanted)

    monkeypatch.setattr(time, "sleep", sleep)
    return seconds


def limit(gateway: Gateway, window: str) -> None:
    """One call of the account is allowed."""
    wanted = {"scope": {"clientId": gateway.account.client}, "unit": "requests", "amount": 1, "kind": "hard"}
    address = f"{gateway.account.address}/api/admin/limits"
    made = httpx.post(address, json={**wanted, "window": window}, headers=gateway.account.admin)
    assert made.status_code == 201, made.text


def refused(call: Callable[..., Any], site: Site, attempts: int = 1, **more: Any) -> Any:
    """The error with which it ends, at the latest after so many."""
    for _ in range(attempts):
        try:
            call(site, **more)
        except Exception as error:  # noqa: BLE001 - each client has its own
            return error
    raise AssertionError("never refused")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_quota_that_is_used_up_is_asked_for_once_without_a_sleep(
    gateway: Gateway, slept: list[float], name: str
) -> None:
    limit(gateway, "lifetime")
    CLIENTS[name](gateway.site)
    gateway.stand_in.forget()
    error = refused(CLIENTS[name], gateway.site)
    assert "429" in repr(error) or error.status_code == 429
    assert slept == []
    assert gateway.stand_in.requests == []
    assert [entry.status for entry in gateway.ledger()] == ["success"]


def test_openai_and_anthropic_name_the_quota_as_their_own_would(gateway: Gateway) -> None:
    limit(gateway, "lifetime")
    by_openai(gateway.site)
    by_gpt, by_claude = (refused(call, gateway.site) for call in (by_openai, by_anthropic))
    assert (type(by_gpt), by_gpt.code) == (openai.RateLimitError, "insufficient_quota")
    assert (type(by_claude), by_claude.body["error"]["type"]) == (anthropic.RateLimitError, "billing_error")
    assert by_claude.request_id == by_claude.response.headers["x-twinmeter-request-id"]


@pytest.mark.parametrize("name", ["openai", "anthropic", "groq"])
def test_a_rate_is_waited_for_as_long_as_the_gateway_says(gateway: Gateway, slept: list[float], name: str) -> None:
    limit(gateway, "minute")
    CLIENTS[name](gateway.site)
    refused(CLIENTS[name], gateway.site, attempts=3)  # a minute may begin between two calls
    assert len(slept) == 2
    assert all(0 < seconds <= 60 for seconds in slept)


@pytest.mark.parametrize("name", ["openai", "anthropic", "groq"])
def test_a_rate_of_the_provider_reaches_the_client_with_its_own_wait(
    gateway: Gateway, slept: list[float], name: str
) -> None:
    gateway.stand_in.forget()
    gateway.stand_in.fail("rate_limit=3")
    CLIENTS[name](gateway.site)
    assert slept == [3]
    assert [entry.status for entry in gateway.ledger()] == ["rate_limited", "success"]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_key_that_is_not_valid_or_may_not_call_models_is_refused_once(
    gateway: Gateway, slept: list[float], name: str
) -> None:
    for key, status in [("tm_nobody", "401"), (gateway.account.new_key("read"), "403")]:
        error = refused(CLIENTS[name], gateway.site._replace(key=key))
        assert status in repr(error) or str(error.status_code) == status
    assert slept == []
    assert gateway.ledger() == []


@pytest.mark.parametrize(("call", "model"), [(by_openai, "gpt-4o"), (by_anthropic, "claude-opus-4-6")])
def test_a_stream_that_is_cut_is_an_error_for_the_client_and_in_the_ledger(
    gateway: Gateway, call: Callable[..., Any], model: str
) -> None:
    error = refused(call, gateway.site, model=f"{model}--cut=3", stream=True)
    assert isinstance(error, openai.APIError | anthropic.APIError)
    assert [entry.status for entry in gateway.ledger()] == ["error"]


def test_the_headers_say_what_a_call_cost_and_where_it_is_in_the_ledger(gateway: Gateway) -> None:
    headers = {"x-user-id": "u7", "x-twinmeter-content-type": "cover-letter", "x-twinmeter-conversation-id": "c1"}
    with openai.OpenAI(base_url=gateway.site.v1, api_key=gateway.site.key, default_headers=headers) as client:
        told = client.chat.completions.with_raw_response.create(**GPT).headers
    (entry,) = entries(gateway.deployment, gateway.account)
    names = ("userId", "contentType", "conversationId")
    assert [entry[name] for name in names] == ["u7", "cover-letter", "c1"]
    assert told["x-twinmeter-request-id"] == str(entry["_id"])
    ours = [told[f"x-twinmeter-{name}"] for name in ("cost", "cache", "model", "attempts")]
    assert ours == ["0.0000575", "off", "gpt-4o-2024-08-06", "1"]


def test_who_names_no_user_is_known_by_the_key(gateway: Gateway) -> None:
    by_openai(gateway.site, user="somebody")
    (entry,) = entries(gateway.deployment, gateway.account)
    assert entry["userId"] == f"key:{entry['keyId']}"
