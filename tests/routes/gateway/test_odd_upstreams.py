"""What an upstream answers that no provider should: nobody takes it for a success, and it costs what it says."""

import json
from typing import Any

from tests.gateway.raw_upstream import RawUpstream, raw_upstream, sized
from tests.routes.gateway.conftest import UPSTREAMS, Site
from tests.routes.gateway.test_upstreams import Changed, changed

__all__ = ["changed"]

ODD = """
[upstreams.odd]
key_file = "key"
format = "openai"
provider = "openai"
base_url = "{odd}/v1"
models = ["odd-*"]

[models.odd-or-not]
to = "odd/odd-chat"
fallbacks = ["openai/gpt-4o-mini"]
"""
ANSWER: dict[str, Any] = {
    "object": "chat.completion",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}
WHOLE = json.dumps(ANSWER).encode()


def use(upstream: RawUpstream, changed: Changed) -> None:
    changed.to(UPSTREAMS + ODD, odd=upstream.url)


async def test_a_redirect_is_no_answer_whatever_comes_with_it(site: Site, changed: Changed) -> None:
    async with raw_upstream() as upstream:
        use(upstream, changed)
        upstream.answers(sized(WHOLE, b"302 Found", b"location: " + upstream.url.encode() + b"/elsewhere"))

        answer = await site.chat("odd-chat")

        assert (answer.status_code, answer.headers["x-twinmeter-error"]) == (502, "upstream_protocol")
        assert "base_url" in answer.json()["error"]["message"]
        entry = await site.entry(answer)
        assert (entry["status"], entry["cost"].to_decimal()) == ("error", 0)
        upstream.answers(sized(WHOLE, b"302 Found"))
        assert (await site.chat("odd-or-not")).headers["x-twinmeter-attempts"] == "2"
    assert len(upstream.received) == 2


async def test_a_status_beyond_http_is_told_as_an_error(site: Site, changed: Changed) -> None:
    async with raw_upstream() as upstream:
        use(upstream, changed)
        upstream.answers(sized(WHOLE, b"999 Request denied"))

        answer = await site.chat("odd-chat")

    assert (answer.status_code, answer.headers["x-twinmeter-error"]) == (502, "upstream_protocol")


async def test_an_error_that_says_it_is_a_success_passes_as_it_is_and_is_not_given_again(
    site: Site, changed: Changed
) -> None:
    error = json.dumps({"error": {"message": "no", "code": "overloaded"}}).encode()
    body, headers = {"model": "odd-vectors", "input": "a"}, site.holding(x_twinmeter_cache="on")
    async with raw_upstream() as upstream:
        use(upstream, changed)
        upstream.answers(sized(error))
        upstream.answers(sized(error))

        answers = [await site.client.post("/v1/embeddings", json=body, headers=headers) for _ in range(2)]

    assert [(each.status_code, each.content) for each in answers] == [(200, error)] * 2
    assert [each.headers["x-twinmeter-cache"] for each in answers] == ["miss", "miss"]
    entries = await site.entries()
    assert [(each["status"], each["errorMessage"], each["cost"].to_decimal()) for each in entries] == [
        ("error", "overloaded", 0)
    ] * 2


async def test_an_answer_with_a_number_that_json_does_not_have_is_answered_and_counted(
    site: Site, changed: Changed
) -> None:
    body = json.dumps({**ANSWER, "logprobs": float("-inf")}).encode()
    async with raw_upstream() as upstream:
        use(upstream, changed)
        upstream.answers(sized(body))

        answer = await site.chat("odd-chat")

    assert (answer.status_code, answer.content) == (200, body)
    entry = await site.entry(answer)
    assert (entry["status"], entry["inputTokens"], entry["outputTokens"]) == ("success", 10, 5)
