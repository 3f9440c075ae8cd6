"""How many tokens a model answers with at most where the request does not say.

Providers publish it, price lists do not: these have the window, which is eight times as much for `gpt-4o`, thirty
times for `gpt-4.1`, and for some of Gemini's models nothing. Reasoning is part of it.
"""

import re

# OpenAI: https://platform.openai.com/docs/models ("max output tokens" of each model).
# Google: https://ai.google.dev/gemini-api/docs/models ("output token limit" of each model).
# Anthropic's API wants max_tokens with each request. A model that is not here has its window.
_MOST: tuple[tuple[str, int], ...] = (
    (r"gpt-3\.5-turbo-16k.*", 16_385),
    (r"gpt-3\.5-turbo(?!-instruct).*", 4_096),
    (r"gpt-4-turbo.*|gpt-4-(?:0125|1106|vision)-preview", 4_096),
    (r"(?:chat)?gpt-4o(?!:).*", 16_384),
    (r"gpt-4\.1.*", 32_768),
    (r"gpt-5-pro.*", 272_000),
    (r"gpt-5(?:\.[1-4])?(?:-.*)?", 128_000),
    (r"o1-preview.*", 32_768),
    (r"o1-mini.*", 65_536),
    (r"o[13](?:-.*)?|o4-mini.*", 100_000),
    (r"gemini-2\.0-flash-thinking.*", 65_536),
    (r"gemini-(?:1\.5|2\.0)-.*", 8_192),
    (r"gemini-(?:2\.5|3|3\.1)-.*", 65_536),
)
_OF_A_MODEL = re.compile(r"(?:.*/)?(?:ft:)?(?:" + "|".join(f"({pattern})" for pattern, _ in _MOST) + ")")
"""Whoever's name stands before it, as OpenRouter has them."""


def most_answered(model: str) -> int | None:
    """Tokens of one answer of this model; None where nothing is published."""
    found = _OF_A_MODEL.fullmatch(model.lower())
    return None if found is None or found.lastindex is None else _MOST[found.lastindex - 1][1]
