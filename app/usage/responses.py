"""From a provider's response, or the events of its stream, to the fields of a report."""

from collections.abc import Sequence
from typing import Any

from app.observability.logs import Log
from app.usage.reader import read_model, read_usage
from models import TokenUsage
from models.token_usage import TOKEN_FIELDS

log = Log(__name__)

_TEXTS = (
    ("choices", 0, "delta", "content"),  # OpenAI chat and what is compatible with it
    ("delta", "text"),  # Anthropic
    ("delta",),  # OpenAI responses: response.output_text.delta
    ("candidates", 0, "content", "parts", 0, "text"),  # Gemini
    ("contentBlockDelta", "delta", "text"),  # Bedrock ConverseStream
    ("data", "choices", 0, "delta", "content"),  # Mistral's SDK
)
"""Where an event of a stream has its chunk of the answer."""


def reported_of(response: Any, provider: str | None) -> dict[str, Any]:
    """The token counts of a complete response as fields of `AICall`, and the model that it names.

    A usage that cannot be read marks the call as unpriced; nothing is raised.
    """
    try:
        return _model_of(response) | _counts(read_usage(response, provider=provider))
    except Exception as error:  # noqa: BLE001 - a foreign object: whatever it raises, the caller's call goes on
        log.warning("usage.unreadable", provider=provider, error=repr(error)[:200])
        return _model_of(response) | {"unreadable_usage": True}


def reported_of_stream(events: Sequence[Any], provider: str | None) -> dict[str, Any]:
    """The same for the received part of a stream. Where the provider sent no usage, the text gives an estimate."""
    if not events:
        return {}
    try:
        return _model_of(list(events)) | _counts(read_usage(list(events), provider=provider))
    except Exception as error:  # noqa: BLE001 - as above; a stream without usage is usual, and a cut one has none
        log.info("usage.estimated", provider=provider, error=repr(error)[:200])
        return _model_of(list(events)) | {"output_text": "".join(text_of(event) or "" for event in events)}


def _counts(usage: TokenUsage) -> dict[str, int]:
    """Both totals, zero or not: they are known. Of the parts, those that were used."""
    totals = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return {name: count for name, count in zip(TOKEN_FIELDS, usage, strict=True) if count} | totals


def text_of(event: Any) -> str | None:
    """The chunk of the answer in one event of a stream."""
    for path in _TEXTS:
        found = event
        for step in path:
            found = _step(found, step)
        if isinstance(found, str):
            return found
    return None


def _step(found: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return found[step] if isinstance(found, list | tuple) and len(found) > step else None
    return found.get(step) if isinstance(found, dict) else getattr(found, step, None)


def _model_of(response: Any) -> dict[str, Any]:
    try:
        model = read_model(response)
    except Exception:  # noqa: BLE001 - as above
        model = None
    return {"model": model} if model else {}
