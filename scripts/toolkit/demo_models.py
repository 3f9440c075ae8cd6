"""The models that demos call."""

from typing import NamedTuple


class DemoModel(NamedTuple):
    """One model as the demo calls it."""

    provider: str
    name: str
    content_types: tuple[str, ...]
    weight: float
    median_ms: float
    spread: float
    """Sigma of the log-normal duration."""

    @property
    def writes(self) -> bool:
        """Whether it answers with text, word by word."""
        return not self.content_types[0].startswith(("embedding", "transcription", "image"))


MODELS = [
    DemoModel("openai", "gpt-4o", ("chat", "chat-stream", "cover-letter", "job-match"), 22, 2_400, 0.55),
    DemoModel("openai", "gpt-4o-mini", ("summary", "bullets", "keywords", "chat"), 30, 1_100, 0.45),
    DemoModel("anthropic", "claude-sonnet-4-5", ("cover-letter", "tailored-bullets", "chat"), 16, 3_100, 0.5),
    DemoModel("google", "gemini-2.0-flash", ("suggest-skills", "skill-gap", "summary"), 14, 900, 0.4),
    DemoModel("groq", "llama-3.1-8b-instant", ("keywords", "quantify", "chat"), 8, 320, 0.35),
    DemoModel("mistral", "mistral-large-latest", ("linkedin-post", "career"), 4, 2_000, 0.5),
    DemoModel("openai", "text-embedding-3-small", ("embedding",), 4, 140, 0.3),
    DemoModel("groq", "whisper-large-v3", ("transcription",), 1, 1_800, 0.6),
    DemoModel("openai", "dall-e-3", ("image-generation",), 1, 11_000, 0.35),
]
WEIGHTS = [model.weight for model in MODELS]
"""How often each is called, as long as nothing else is told."""
