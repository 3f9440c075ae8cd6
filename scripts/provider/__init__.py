"""A stand-in for the providers of AI models, on this machine: nothing of it calls anything.

It speaks as OpenAI does (chat, responses, embeddings, images, audio, models), as Anthropic and as Gemini, with and
without `/v1` in front; below `/groq`, `/mistral`, `/deepseek` and `/openrouter` as those do. Answers have the form of
recorded ones, are the same each time, and their usage is known to the token: a word is a token, and what a model says
is `You said: ` and the last text of the request (`scripts.provider.texts`). What it does wrong on request is in
`scripts.provider.faults`.
"""

from scripts.provider.server import Received
from scripts.provider.serving import Provider, provider

__all__ = ["Provider", "Received", "provider"]
