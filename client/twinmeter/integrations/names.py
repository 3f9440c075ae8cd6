"""What frameworks call the providers whose clients they have, and what the server calls them."""

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


def provider_of(name: object) -> str | None:
    """The server's name of a provider; the framework's own where it has no other."""
    if not isinstance(name, str) or not name:
        return None
    return _PROVIDERS.get(name.lower().replace("-", "_"), name)
