"""The AI SDK's usage, and what its provider metadata adds to it."""

from typing import Any

from app.usage.objects import FlatUsage, UnreadableUsageError, flat_at, flat_usage, follow, is_leaf, opened, sum_of
from app.usage.shapes import BARE, TOTALS

# Of the AI SDK's provider metadata: what the provider said itself, and cache counts that versions 4 and 5 tell there.
_METADATA = ("providerMetadata", "provider_metadata", "experimental_providerMetadata")
_RAW = (("anthropic", "usage"), ("google", "usageMetadata"), ("vertex", "usageMetadata"), ("openrouter", "usage"))
_CACHE_COUNTS = {
    "cached_prompt_tokens": "cached_prompt_tokens",
    "prompt_cache_hit_tokens": "prompt_cache_hit_tokens",
    "cache_read_input_tokens": "cache_read_input_tokens",
    "cache_creation_input_tokens": "cache_creation_input_tokens",
    "usage.cache_read_input_tokens": "cache_read_input_tokens",
    "usage.cache_write_input_tokens": "cache_creation_input_tokens",
}
_LEAVING_OUT = frozenset({"anthropic", "bedrock", "vertex"})
_MESSAGE_NAMES = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_input_tokens": "cache_read_input_tokens",
}


def with_metadata(event: Any, usage: FlatUsage) -> FlatUsage:
    """The usage of the AI SDK with what its provider metadata adds. They are those of the last step alone.

    Until version 6, the SDK hands on the input of Anthropic's models as it is, without the cache, whose counts stand in
    the metadata in part or whole.
    """
    metadata = next((opened(event[name]) for name in _METADATA if name in event), None) if type(event) is dict else None
    if not isinstance(metadata, dict) or "input_tokens_details.*" in usage:
        return usage
    of_last_step = len(follow(event, ("steps",)) or ()) > 1
    for place in () if of_last_step else _RAW:
        raw = flat_at(metadata, place)
        if not raw.keys().isdisjoint(BARE):
            return raw
    for maker, told in metadata.items():
        counts = {} if told is None or is_leaf(told) else flat_usage(told)
        found = {name: counts[path] for path, name in _CACHE_COUNTS.items() if sum_of(counts.get(path, []))}
        if found and of_last_step:
            raise UnreadableUsageError(f"{next(iter(found))}: of the last step alone, and there were several")
        if found and maker in _LEAVING_OUT:
            return _of_messages(usage) | found
        usage = {**found, **usage}
    return usage


def _of_messages(usage: FlatUsage) -> FlatUsage:
    """In Anthropic's own names, whose input leaves the cache out."""
    renamed = {_MESSAGE_NAMES.get(name, name): leaves for name, leaves in usage.items()}
    return {name: leaves for name, leaves in renamed.items() if name not in TOTALS}
