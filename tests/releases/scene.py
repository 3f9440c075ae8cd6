"""What happens to a release before it is recorded, in one March: calls, prices, events; and what is asked about it."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pymongo
from bson import ObjectId

from tests.releases.dump import DATABASE

ZONE = "Europe/Berlin"
"""Where days are counted in the end. Its clocks were put forward on the 29th."""
WINDOW = "from=2026-03-01&to=2026-03-31"
FORGOTTEN = "u-forgotten"
MODELS: list[dict[str, Any]] = [
    {"model": "gpt-4o", "provider": "openai", "contentType": "chat", "inputTokens": 1_000, "outputTokens": 500},
    {
        "model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "contentType": "cover-letter",
        "inputTokens": 9_000,
        "outputTokens": 700,
        "cacheReadTokens": 8_000,
    },
    {"model": "gemini-2.5-flash", "contentType": "translate", "inputTokens": 3_000, "outputTokens": 900},
    {"model": "dall-e-3", "provider": "openai", "contentType": "image", "images": 2, "size": "1024x1024"},
    {"model": "whisper-1", "provider": "openai", "contentType": "transcription", "audioSeconds": 90},
    {"model": "in-house-7b", "contentType": "chat", "inputTokens": 400, "outputTokens": 80},
    {"model": "gpt-4o-mini", "contentType": "chat", "inputText": "What is this? " * 50, "outputText": "This. " * 40},
    {"model": "made-up-model", "contentType": "never heard of", "inputTokens": 10, "outputTokens": 1},
]
OVERRIDES = [
    {
        "model": "in-house-7b",
        "prices": {"inputMtok": 0.4, "outputMtok": 1.25},
        "effectiveFrom": "2026-01-01T00:00:00Z",
    },
    {
        "model": "gpt-4o",
        "clientId": "acme",
        "prices": {"inputMtok": 2, "outputMtok": 8},
        "effectiveFrom": "2026-03-15T00:00:00Z",
        "effectiveTo": "2026-03-28T00:00:00Z",
    },
]


def _call(number: int) -> dict[str, Any]:
    """One of a hundred, each different from the others."""
    call = {
        **MODELS[number % len(MODELS)],
        "userId": f"u{number % 5}",
        "createdAt": f"2026-03-{1 + number % 30:02}T{number * 7 % 24:02}:{number % 60:02}:30.250Z",
        "requestDuration": 200 + number * 37,
        "requestId": f"request-{number}",
    }
    if number % 3 == 0:
        call["clientId"] = "acme"
    if number % 4 == 0:
        call["conversationId"] = f"c{number % 3}"
    if number % 9 == 5:
        call |= {"success": False, "errorMessage": "the provider's answer was cut off"}
    if number % 11 == 7:
        call["cached"] = True
    if number % 13 == 4:
        call["metadata"] = {"page": "checkout", "try": number}
    if number % 17 == 3:
        call["synthetic"] = True
    if number % 19 == 6:
        call["userId"] = FORGOTTEN
    return call


EARLY = [_call(number) for number in range(30)]
LATE = [_call(number) for number in range(30, 56)]
SPOOLED = [_call(number) for number in range(56, 62)]
OF_KEY = [{name: value for name, value in _call(number).items() if name != "clientId"} for number in range(62, 68)]
"""Reported with an API key of the client acme."""
PERSON = "u-person"
OF_PERSON = [{**_call(number), "clientId": "default", "userId": PERSON} for number in range(68, 71)]
"""Reported by a person with a token of their own."""

QUESTIONS = [
    f"/api/admin/ai/usage?{WINDOW}",
    f"/api/admin/ai/usage?{WINDOW}&synthetic=include",
    f"/api/admin/ai/usage?{WINDOW}&clientId=acme",
    f"/api/admin/ai/usage?{WINDOW}&model=gpt-4o",
    f"/api/admin/ai/providers?{WINDOW}",
    f"/api/admin/ai/models?{WINDOW}",
    f"/api/admin/ai/users?{WINDOW}",
    f"/api/admin/ai/latency?{WINDOW}",
    f"/api/admin/ai/calls?{WINDOW}&limit=100",
    f"/api/admin/ai/calls?{WINDOW}&limit=10",
    f"/api/admin/ai/data-quality?{WINDOW}",
    f"/api/analytics?{WINDOW}",
    f"/api/analytics?{WINDOW}&clientId=acme&userId=u3",
    "/api/admin/prices",
    "/api/admin/keys",
]
"""About days that are past, so that their answers stay the same."""


def answers(http: httpx.Client, *, of_clients: bool) -> dict[str, Any]:
    """What a server answers to each question that it knows; the first release took no notice of a client."""
    asked = {question: http.get(question) for question in QUESTIONS if of_clients or "clientId" not in question}
    return {question: json.loads(answer.content) for question, answer in asked.items() if answer.is_success}


def add_legacy_events(uri: str, *, with_calls: bool) -> None:
    """Events as the system before wrote them: of products, and `with_calls` of AI calls that have no entry."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        events = client[DATABASE]["analytics"]
        events.insert_many([{**_event(number), "event": "page_view"} for number in range(3)])
        if with_calls:
            events.insert_many([_legacy_call(number) for number in range(3, 6)])


def _event(number: int) -> dict[str, Any]:
    created = datetime(2026, 3, 5 + number, 12, tzinfo=UTC)
    identifier = ObjectId.from_datetime(created).binary[:4] + number.to_bytes(8)
    return {"_id": ObjectId(identifier), "userId": f"u{number}", "properties": {"page": "/"}, "createdAt": created}


def _legacy_call(number: int) -> dict[str, Any]:
    properties = {"contentType": "chat", "model": "gpt-4o", "provider": "openai", "tokensUsed": 900, "cost": 0.0125}
    return {**_event(number), "event": "ai_generation", "clerkUserId": f"clerk-{number}", "properties": properties}


def end_transactions(uri: str) -> None:
    """End what a killed server left open."""
    idle: list[dict[str, Any]] = [{"$currentOp": {}}, {"$match": {"transaction": {"$exists": True}}}]
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        sessions = [{"id": one["lsid"]["id"]} for one in client.admin.aggregate(idle) if "lsid" in one]
        if sessions:
            client.admin.command("killSessions", sessions)
