"""Groq's clients, `Groq` and `AsyncGroq`. Their streams tell their usage without being asked."""

from __future__ import annotations

from typing import Any

from twinmeter.wrapping.operations import CHAT, EMBEDDING, SPEECH, TRANSCRIPTION
from twinmeter.wrapping.stainless import Fields, watch

OPERATIONS = {
    "/openai/v1/chat/completions": CHAT,
    "/openai/v1/embeddings": EMBEDDING,
    "/openai/v1/audio/transcriptions": TRANSCRIPTION,
    "/openai/v1/audio/translations": TRANSCRIPTION,
    "/openai/v1/audio/speech": SPEECH,
}


def wrap(client: Any, fields: Fields) -> None:
    """Report the calls of one client."""
    watch(client, OPERATIONS, fields, lambda _: "groq")
