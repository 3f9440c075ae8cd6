"""The calls that drills report: each follows only from its number, so the expected ledger is known."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from bson import ObjectId

from app.ledger.twins import twin_id

CLIENT = "default"
MODELS = (("openai", "gpt-4o", "chat"), ("anthropic", "claude-sonnet-4-5", "summary"), ("groq", "whatever-9b", "haiku"))
USERS = 40
CONVERSATIONS = 60


class Sums(NamedTuple):
    """Of some calls; `cost` in USD."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)


def call(number: int) -> dict[str, Any]:
    """The call as it is sent."""
    provider, model, content_type = MODELS[number % len(MODELS)]
    return {
        "requestId": f"drill-{number}",
        "userId": f"user-{number % USERS}",
        "conversationId": f"conversation-{number % CONVERSATIONS}",
        "contentType": content_type,
        "provider": provider,
        "model": model,
        "inputTokens": 100 + number % 997,
        "outputTokens": 10 + number % 89,
        "cost": Decimal(number % 100_003 + 1).scaleb(-7),
        "requestDuration": 50 + number % 5_000,
    }


def id_of(number: int) -> ObjectId:
    """The `_id` of both its twins."""
    return twin_id(CLIENT, f"drill-{number}")


def sums_by_model(numbers: Iterable[int]) -> dict[str, Sums]:
    """The sums of a ledger that holds these calls once each, and no others."""
    found: dict[str, Sums] = {}
    for number in numbers:
        sent = call(number)
        before = found.get(sent["model"], Sums())
        found[sent["model"]] = Sums(
            before.requests + 1,
            before.input_tokens + sent["inputTokens"],
            before.output_tokens + sent["outputTokens"],
            before.cost + sent["cost"],
        )
    return found
