"""Node.js through the gateway: the Vercel AI SDK with each of its providers, and OpenAI's and Anthropic's clients."""

import json
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.patience import patience
from tests.real_clients.gateway import Entry, Gateway, Site, cost, gateway

__all__ = ["gateway"]

PROGRAM = Path(__file__).with_name("gateway.mjs")


def said(site: Site) -> Any:
    """What each call gave, by its name."""
    done = subprocess.run(
        ["node", str(PROGRAM), site.key, site.base],
        capture_output=True,
        text=True,
        timeout=patience(30),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


def chat(tokens: int, endpoint: str = "chat/completions") -> Entry:
    return Entry("openai", "gpt-4o-2024-08-06", endpoint, 3, tokens, cost((3, "2.5"), (tokens, "10")))


MESSAGE = Entry("anthropic", "claude-opus-4-6", "messages", 3, 5, cost((3, "5"), (5, "25")))
CONTENT = Entry("google", "gemini-2.5-flash", "generateContent", 3, 105, cost((3, "0.3"), (105, "2.5")))
EXPECTED = [
    *[chat(5), chat(5), chat(1), chat(1), chat(1)],
    *[chat(5, "responses")] * 2,
    *[chat(5)] * 2,
    Entry("openai", "text-embedding-3-small", "embeddings", 3, 0, cost((3, "0.02"))),
    Entry("openai", "gpt-image-1", "images/generations", 3, 1_056, cost((3, "5"), (1_056, "40"))),
    Entry("openai", "tts-1", "audio/speech", cost=7 * Decimal(15) / 1_000_000),
    Entry("openai", "whisper-1", "audio/transcriptions", cost=3 * Decimal("0.006") / 60),
    *[MESSAGE] * 2,
    CONTENT,
    CONTENT._replace(endpoint="streamGenerateContent"),
    *[chat(5), chat(5), chat(5, "responses")],
    *[MESSAGE] * 2,
]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_each_of_its_calls_gives_what_it_gives_directly_and_the_ledger_has_it_exactly(gateway: Gateway) -> None:
    assert gateway.same(said) == EXPECTED
