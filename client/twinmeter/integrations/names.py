"""Names that frameworks have for what the server calls otherwise, and what their users may tell by metadata."""

from __future__ import annotations

_PROVIDERS = {
    "amazon_bedrock": "aws",
    "anthropic_bedrock": "aws",
    "aws_bedrock": "aws",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azure_text": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "text_completion_openai": "openai",
    "together_ai": "together",
    "vertex_ai": "google",
    "vertex_ai_beta": "google",
    "xai": "x-ai",
}
TOLD = ("user_id", "content_type", "conversation_id", "campaign_id", "experiment", "variant")
"""Fields that an application may put into a framework's metadata of a call; `twinmeter.context` comes before them."""


def provider_of(name: object) -> str | None:
    """The server's name of a provider; the framework's own where it has no other."""
    if not isinstance(name, str) or not name:
        return None
    return _PROVIDERS.get(name.lower().replace("-", "_"), name)
