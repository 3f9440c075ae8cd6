"""Questions and answers for the tests of the cache."""

import json
from typing import Any

from app.gateway.account import Whose
from app.gateway.cache.questions import key_of, question_of
from app.gateway.cache.stored import Stored
from app.gateway.formats.base import Api, Operation, Wanted
from app.gateway.formats.openai import OpenAI
from app.gateway.upstreams.upstream import Target, Upstream

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "a"}], "temperature": 0}


def upstream(name: str = "openai", base_url: str = "https://api.openai.com/v1", provider: str = "openai") -> Upstream:
    return Upstream(name, Api.OPENAI, base_url, provider)


def wanted(body: bytes | dict[str, Any], operation: Operation = Operation.CHAT) -> Wanted:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OpenAI().read(operation, None, "application/json", raw)


def key(
    client: str = "acme",
    key_id: str | None = "k1",
    user: str = "alice",
    body: bytes | dict[str, Any] = b"",
    target: Target | None = None,
    passed: tuple[tuple[str, str], ...] = (),
) -> bytes:
    question = question_of(Whose(user, client, key_id, {}), wanted(body or CHAT), passed)
    return key_of(question, target or Target(upstream(), "gpt-4o"))


def stored(content: bytes = b"{}", *, at: float = 0.0, seconds: float = 60.0) -> Stored:
    headers = [(b"content-type", b"application/json")]
    return Stored(200, headers, (), content, {"input_tokens": 1, "output_tokens": 2}, at, at + seconds)
