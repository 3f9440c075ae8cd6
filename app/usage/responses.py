"""From a provider's response, or the events of its stream, to the fields of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.observability.logs import Log
from app.usage.bill import facts_of, layers_of, not_billed, refuse_billed_elsewhere, unfinished_batch
from app.usage.glance import glance
from app.usage.objects import FlatUsage, UnreadableUsageError
from app.usage.places import events_of, telling, usages_of
from app.usage.reader import model_of, tokens_of
from app.usage.stated_costs import stated_cost
from models import CallStatus, TokenUsage
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
"""Where an event of a stream has its piece of the answer."""
_MEDIA = frozenset({"audio_seconds", "video_seconds", "images", "characters"})
_WITHOUT_USAGE = frozenset(
    {"cost", "cost_basis", "batch", "service_tier", "region", "aggregated", "aggregated_requests"}
)
"""What holds also where the usage cannot be read."""
_OVERRULED = (("cost", "cost_basis"), ("success", "status"))
_MAX_REASON = 1_000


def reported_of(response: Any, provider: str | None, model: str | None = None) -> dict[str, Any]:
    """What a complete response says, as fields of `AICall`: the model, the token counts, and of its bill the tier that
    served it, its region, searches, media and a stated cost. `model` is what the caller calls it, if it does.

    A usage that cannot be read marks the call as unpriced, with the reason; nothing is raised. So does one that holds
    another model's tokens: what is known of the price is then not all of it.
    """
    return _reported(response if isinstance(response, list | tuple) else [response], provider, model) or {}


def reported_of_stream(events: Sequence[Any], provider: str | None, model: str | None = None) -> dict[str, Any]:
    """The same for what has come of a stream. Where the provider sent no usage, the text tells about how much."""
    if not events:
        return {}
    return _reported(events, provider, model, streamed=True)


def _reported(
    response: Sequence[Any], provider: str | None, model: str | None, *, streamed: bool = False
) -> dict[str, Any]:
    named: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    try:
        if (seen := glance(response, model)) is not None:
            return seen
        events = events_of(response)
        if answered := model_of(events):
            named, model = {"model": answered}, answered
        told = telling(events)
        usages = usages_of(told)
        layers = [layers_of(event) for event in told]
        facts = facts_of(told, layers, usages, model) | stated_cost(response[-1:], told, usages, model)
        if "cost" not in facts:
            refuse_billed_elsewhere(told, layers, usages)
        if not usages and streamed and _MEDIA.isdisjoint(facts):  # not asked for, or cut: the text tells about how much
            log.info("usage.estimated", provider=provider)
            return named | facts | {"output_text": "".join(text_of(event) or "" for event in response)}
        return named | _used(told, usages, facts, provider, model)
    except Exception as error:  # noqa: BLE001 - a foreign object: whatever it raises, the caller's call goes on
        reason = _plain(
            str(error) if isinstance(error, UnreadableUsageError) else f"usage: raises {type(error).__name__}"
        )
        log.warning("usage.unreadable", provider=provider, reason=reason[:200])
        kept = {name: fact for name, fact in facts.items() if name in _WITHOUT_USAGE}
        return named | kept | {"unreadable_usage": True, "unreadable_reason": reason}


def _plain(reason: str) -> str:
    """Names of fields are the provider's: what is not text at all must not cost the call its entry."""
    return reason[:_MAX_REASON].encode(errors="replace").decode()


def _used(
    events: list[Any], usages: list[FlatUsage], facts: dict[str, Any], provider: str | None, model: str | None
) -> dict[str, Any]:
    if not usages and not_billed(events):
        return facts | {"status": CallStatus.ERROR}
    if unfinished_batch(events):
        raise UnreadableUsageError("usage: of a batch that is not finished")
    if not _MEDIA.isdisjoint(facts) and not any(_has_tokens(usage) for usage in usages):
        return facts
    usage = tokens_of(events, usages, provider=provider, model=model, strict="cost" not in facts)
    return _counts(usage) | facts


def _has_tokens(usage: FlatUsage) -> bool:
    return any("tok" in name for name in usage)


def _counts(usage: TokenUsage) -> dict[str, int]:
    """Both totals, zero or not: they are known. Of the parts, those that were used."""
    totals = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return {name: count for name, count in zip(TOKEN_FIELDS, usage, strict=True) if count} | totals


def unless_told(read: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """What was read of a response under what the caller tells: a cost of the caller's own has not the response's basis,
    nor an outcome of the caller's own the response's status.
    """
    overruled = {of for field, of in _OVERRULED if field in told}
    return {**{field: fact for field, fact in read.items() if field not in overruled}, **told}


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
