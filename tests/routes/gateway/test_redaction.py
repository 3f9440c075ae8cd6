"""No credential is in a log, an error, a figure or a document, whatever is done with it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.gateway.calls import Calls
from app.observability.logs import configure_logging
from tests.conftest import SECRET
from tests.routes.conftest import bearer
from tests.routes.gateway.conftest import PROVIDER_KEY, running

CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "canary-word"}]}
CONTENT: dict[str, Any] = {"contents": [{"parts": [{"text": "canary-word"}]}]}
WRONG = f"tm_{'a' * 12}_{'secretsecret' * 3}1234567"
GEMINI = "/v1beta/models/gemini-2.5-flash:generateContent"


async def test_a_key_is_in_no_line_of_the_log_and_in_no_document(
    mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = bearer(Tokens(SECRET), Role.ADMIN)
    answers: list[httpx.Response] = []
    documents = ""
    try:
        configure_logging("debug")
        with structlog.testing.capture_logs() as lines:
            async with running(mongodb_uri, tmp_path) as site:
                client = site.client
                made = await client.post("/api/admin/keys", json={"name": "n", "scopes": ["gateway"]}, headers=admin)
                key = made.json()["key"]
                for text in (key, WRONG, "AIza-of-the-provider"):
                    places: Any = ({"key": text}, {}), ({}, {"x-api-key": text}), ({"key": text}, {"x-api-key": key})
                    for params, headers in places:
                        answers += [
                            await client.post(path, params=params, json=body, headers=headers)
                            for path, body in ((GEMINI, CONTENT), ("/v1/chat/completions", CHAT), ("/v1/files", {}))
                        ]
                answers += [
                    await client.post("/v1/chat/completions", params={"key": key}, json={**CHAT, "model": model})
                    for model in ("gpt-4o--error=500", "gpt-4o--cut=0", "never", "nobody")
                ]

                async def fault(*_: Any) -> None:
                    raise RuntimeError("a fault of ours")

                monkeypatch.setattr(Calls, "answer", fault)
                answers.append(await client.post(GEMINI, params={"key": key}, json=CONTENT))
                figures = (await client.get("/metrics")).text + (await client.get("/ready")).text
                stored = site.database.writes
                for name in await stored.list_collection_names(
                    filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}
                ):
                    documents += "".join([repr(document) async for document in stored[name].find()])
    finally:
        configure_logging("error")

    told = "".join(f"{answer.headers} {answer.text}" for answer in answers)
    assert {answer.status_code for answer in answers} >= {200, 401, 404, 500, 502}
    assert "gateway.failed" in {line["event"] for line in lines}
    assert "request.completed" in {line["event"] for line in lines}
    logged = json.dumps(lines, default=repr)
    for secret in (key.split("_", 2)[2], WRONG.split("_", 2)[2], "AIza-of", PROVIDER_KEY):
        for place in (logged, told, figures, documents):
            assert secret not in place
    assert "canary-word" not in logged + documents + figures
