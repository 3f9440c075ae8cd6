"""From a stored entry back to the call, as far as its price depends on it.

An entry keeps every fact that a price needs, but some in another form: the seller for the provider that was reported,
guessed tokens like counted ones, and no counts like counts of zero. Pricing what comes out of here gives the very cost
of the entry for as long as the prices are the same.
"""

from decimal import Decimal
from typing import Any, NamedTuple

from app.pricing.costs import GUESSED_IMAGE, GUESSED_TOKENS, NOT_BILLED, REPORTED_VERSION, Cost, Pricing
from app.pricing.sellers import UNKNOWN_PROVIDER, Sellers
from models import CallStatus, CostSource, ServiceType
from models.base import camel
from models.call import AICall
from models.documents import Document
from models.money import to_decimal
from models.token_usage import TOKEN_FIELDS

_NOT_KNOWN = {"input_tokens": None, "output_tokens": None}
_MEDIA = ("images", "characters", "video_seconds", "audio_seconds")
_TERMS = ("size", "quality", "service_tier", "batch", "region")
_LITELLM = "litellm"
"""The only provider that may be reported but is never recorded: it stands for the one that the model's name implies."""


class StoredCall(NamedTuple):
    """What `Pricing.price` needs to know about a call."""

    call: AICall
    service_type: ServiceType
    estimated: bool
    """Whether its counts were estimated."""


def is_reported(entry: Document) -> bool:
    """Whether the caller reported the cost, or what a cached answer saved: no table may override that."""
    if entry["costSource"] == CostSource.REPORTED or entry.get("priceVersion") == REPORTED_VERSION:
        return True
    # entries from before that was a version of its own
    return entry["costSource"] == CostSource.CACHED and "priceVersion" not in entry and _saved(entry) > 0


def stored_call(entry: Document, sellers: Sellers) -> StoredCall:
    """The call of an entry whose cost was not reported."""
    guess = _guess(entry)
    facts = {name: _fact(entry[stored]) for name, stored in _stored_names((*_MEDIA, *_TERMS)) if stored in entry}
    call = AICall.model_construct(
        client_id=entry["clientId"],
        model=entry["aiModel"],
        provider=_provider(entry, sellers),
        status=CallStatus(entry["status"]),
        cached=entry["cached"],
        unreadable_usage=entry.get("unreadableUsage", False),
        unreadable_reason=None,
        **facts,
        **_tokens(entry, guess),
    )
    return StoredCall(call, ServiceType(entry["serviceType"]), guess is not None)


def cost_of(entry: Document, sellers: Sellers, pricing: Pricing) -> Cost | None:
    """The cost of `entry` at these prices; None where they have none for it, or its cost was reported."""
    if is_reported(entry):
        return None
    call, service_type, estimated = stored_call(entry, sellers)
    cost = pricing.price(call, service_type, entry["createdAt"]).cost
    if cost.price_version is None:
        return None
    return cost._replace(source=CostSource.ESTIMATED) if estimated and cost.source is CostSource.PRICED else cost


def _guess(entry: Document) -> str | None:
    if "estimatedUsage" in entry or entry["costSource"] != CostSource.ESTIMATED:
        return entry.get("estimatedUsage")
    # entries from before that was noted
    any_tokens = entry["inputTokens"] or entry["outputTokens"] or entry["serviceType"] != ServiceType.IMAGE
    return GUESSED_TOKENS if any_tokens else GUESSED_IMAGE


def _tokens(entry: Document, guess: str | None) -> dict[str, Any]:
    if guess == GUESSED_IMAGE:
        return _NOT_KNOWN
    if guess == GUESSED_TOKENS:
        # whatever else was reported, as searches alone, was no part of the guess
        return {"input_tokens": entry["inputTokens"], "output_tokens": entry["outputTokens"]}
    counts = {name: entry.get(stored, 0) for name, stored in _stored_names(TOKEN_FIELDS)}
    known = counts["input_tokens"] or counts["output_tokens"] or _counted_nothing(entry)
    return counts if known else counts | _NOT_KNOWN


def _counted_nothing(entry: Document) -> bool:
    """Whether zero tokens were reported, rather than being what is stored where nothing is known."""
    if "priceVersion" in entry:
        return True
    nothing_known = entry["status"] in NOT_BILLED or entry["serviceType"] in {ServiceType.VIDEO, ServiceType.AUDIO}
    return not (nothing_known or "unreadableUsage" in entry)


def _provider(entry: Document, sellers: Sellers) -> str | None:
    """A provider that resolves to the recorded seller again; none where no seller of the model was known."""
    recorded = entry["provider"], entry.get("reportedProvider")
    said = entry.get("reportedProvider") or (None if entry["provider"] == UNKNOWN_PROVIDER else entry["provider"])
    for provider in (said, None, _LITELLM):
        seller = sellers.of(entry["aiModel"], provider)
        if (seller.provider, seller.reported_provider) == recorded:
            return provider
    return said


def _stored_names(names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, camel(name)) for name in names]


def _fact(value: Any) -> Any:
    return value if isinstance(value, str | int) else to_decimal(value)


def _saved(entry: Document) -> Decimal:
    return to_decimal(entry["savedCost"])
