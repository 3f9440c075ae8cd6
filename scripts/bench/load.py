"""Calls as a busy application makes them: 20,000 users and 5,000 conversations with Zipf frequencies, three clients."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

USERS = 20_000
CONVERSATIONS = 5_000
CLIENTS = 3
MODELS = (
    ("openai", "gpt-4o", "chat"),
    ("openai", "gpt-4o-mini", "summary"),
    ("anthropic", "claude-sonnet-4-5", "cover-letter"),
    ("google", "gemini-2.0-flash", "skill-gap"),
    ("groq", "llama-3.1-8b-instant", "keywords"),
    ("mistral", "mistral-large-latest", "career"),
)
RARE = {
    "user_id": "user-00000",
    "client_id": "client-0",
    "conversation_id": "conversation-0000",
    "content_type": "portfolio",
    "model": "command-r-plus",
    "provider": "cohere",
    "input_tokens": 900,
    "output_tokens": 200,
    "request_duration": 600_000,
    "success": True,
}
"""A call of a model, provider, feature and duration of which there are few."""
_ZIPF_USERS = list(accumulate(1 / rank for rank in range(1, USERS + 1)))
_ZIPF_CONVERSATIONS = list(accumulate(1 / rank for rank in range(1, CONVERSATIONS + 1)))


def calls(count: int, *, seed: int = 1, days: int = 0) -> Iterator[dict[str, Any]]:
    """Fields of `AICall`. With `days`, spread evenly over so many days up to now; else the time is the tracker's."""
    rng = random.Random(seed)
    users = rng.choices(range(USERS), cum_weights=_ZIPF_USERS, k=count)
    conversations = rng.choices(range(CONVERSATIONS), cum_weights=_ZIPF_CONVERSATIONS, k=count)
    now = datetime.now(UTC)
    for user, conversation in zip(users, conversations, strict=True):
        provider, model, content_type = rng.choice(MODELS)
        call = {
            "user_id": f"user-{user:05}",
            "client_id": f"client-{user % CLIENTS}",
            "conversation_id": f"conversation-{conversation:04}",
            "content_type": content_type,
            "model": model,
            "provider": provider,
            "input_tokens": rng.randint(50, 4_000),
            "output_tokens": rng.randint(10, 1_000),
            "request_duration": rng.randint(80, 6_000),
            "success": rng.random() < 0.98,  # noqa: PLR2004 - a usual share
        }
        if days:
            call["created_at"] = now - timedelta(days=days) * rng.random()
        yield call
