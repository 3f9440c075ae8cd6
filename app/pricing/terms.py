"""What a call says of how it was served, as far as its price depends on it: tier, batch and region."""

from collections.abc import Mapping
from typing import NamedTuple

from models.call import AICall

STANDARD = frozenset(
    {
        "auto",
        "default",
        "global",
        "none",
        "normal",
        "null",
        "off",
        "on-demand",
        "on_demand",
        "ondemand",
        "regular",
        "service_tier_default",
        "service_tier_standard",
        "service_tier_unspecified",
        "standard",
        "standard_only",
        "traffic_type_unspecified",
        "unspecified",
    }
)
"""Words for the tier that is billed at the listed price: of OpenAI (`default`; `auto` is a request that left it open),
Anthropic (`standard`, `standard_only`), Gemini, Vertex AI (`ON_DEMAND`), Bedrock (`default`) and Groq (`on_demand`).
Any other word is a tier that has to have a price of its own."""

_OTHER_WORDS = {
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
    "service_tier_flex": "flex",
    "service_tier_priority": "priority",
    "batches": "batch",
    "batch_api": "batch",
    "bulk": "batch",
}
"""Vertex AI's traffic types, the names of enumerations, and people's."""

BATCH = "batch"


class Terms(NamedTuple):
    """How a call was served, where that was not the usual way."""

    tier: str | None
    """In lower case; None for the standard one. A batch is none."""
    batch: bool
    region: str | None
    """In lower case."""

    def context(self) -> Mapping[str, str] | None:
        """As genai-prices names it. What Anthropic calls a speed arrives as a service tier."""
        context = {"service_tier": self.tier, "speed": self.tier} if self.tier else {}
        if self.region:
            context["region"] = self.region
        if self.batch:
            context["processing"] = BATCH
        return context or None


def terms_of(call: AICall, region: str | None) -> Terms | None:
    """None where a call was served the usual way. `region` is for calls that do not say theirs."""
    if call.service_tier is None and region is None and call.region is None and not call.batch:
        return None
    tier, is_batch = tier_of(call.service_tier)
    return Terms(tier, call.batch or is_batch, region_of(call.region or region))


def tier_of(word: str | None) -> tuple[str | None, bool]:
    """The tier that a word stands for, None for the standard one, and whether it stands for a batch."""
    tier = word.strip().lower() if word else ""
    tier = _OTHER_WORDS.get(tier, tier)
    return None if not tier or tier == BATCH or tier in STANDARD else tier, tier == BATCH


def region_of(word: str | None) -> str | None:
    """A region as prices name it."""
    return (word or "").strip().lower() or None
