"""What a response says of its own bill beside tokens: the tier that served it, searches, media, and what it cost."""

import re
from collections.abc import Iterator
from typing import Any

from app.usage.counts import whole
from app.usage.media import media_of
from app.usage.objects import FlatUsage, UnreadableUsageError, flat_usage, follow, is_leaf, opened, sum_of, word_of
from app.usage.places import ORDINARY_TIERS, answer_of, is_batch_line, is_of_another_model

Layer = dict[str, Any]

# Where, below a response or an event, there is another with members of its own.
_INNER = (
    ("response",),
    ("response", "body"),
    ("result", "message"),
    ("modelOutput",),
    ("message",),
    ("metadata",),
    ("data",),
    ("interaction",),
    ("response_metadata",),
    ("providerMetadata", "openai"),
    ("providerMetadata", "google"),
)
_TIERS = ("service_tier", "serviceTier")
_TIERS_IN_USAGE = ("service_tier", "traffic_type")
_PREFIXES = ("service_tier_", "on_demand_", "traffic_type_")
_BATCH, _FAST = "batch", "fast"
_ANYWHERE = frozenset({"", "global", "not_available", "unspecified", "none", "null"})
_GEMINI = re.compile(r"gemini-(\d+)")
_BY_QUERY_SINCE = 3
"""Gemini bills a prompt that was grounded, and from this version on each query; genai-prices has either's price."""
_UNFINISHED = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_CALLED = {"image_generation_call": "image tokens of another model", "file_search_call": "searches of stored files"}
_ITERATION = "iterations.type="
_OWN_ITERATIONS = ("iterations.type=message.", "iterations.type=compaction.")


def facts_of(
    events: list[Any], layers: list[list[Layer]], usages: list[FlatUsage], model: str | None
) -> dict[str, Any]:
    """Fields of `AICall`, of those facts alone that are told and change a price: an ordinary tier is not one."""
    tier, batch = _tier_of(layers, usages)
    facts = {
        "service_tier": tier,
        "batch": batch or any(is_batch_line(event) for event in events) or None,
        "region": _region_of(usages),
        "web_searches": _searches_of(events, layers, usages, model) or None,
        **media_of(events, usages),
        **_sum_of_many(events, usages),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def refuse_billed_elsewhere(events: list[Any], layers: list[list[Layer]], usages: list[FlatUsage]) -> None:
    """Raise UnreadableUsageError where the bill holds what the call's own tokens do not pay for, and no field of a call
    can tell: another model's tokens above all. What is known of the price is then not all of it.
    """
    for usage in usages:
        for name, leaves in usage.items():
            of_another = name.startswith(_ITERATION) and not name.startswith(_OWN_ITERATIONS)
            if of_another and name.endswith("_tokens") and (count := sum_of(leaves)):
                raise UnreadableUsageError(f"{name}: {count} tokens of another model, at a price of their own")
    transcribed = [is_of_another_model(event) for event in events] if len(events) > 1 and usages else []
    if any(transcribed) and not all(transcribed):
        raise UnreadableUsageError("input_audio_transcription: another model's usage beside that of the answers")
    for layer in _each(layers):
        if reason := _of_tools(layer):
            raise UnreadableUsageError(reason)


def unfinished_batch(events: list[Any]) -> bool:
    """Whether this is a batch that is still at work, whose counts are those so far."""
    return any(_is_batch(event) and word_of(follow(event, ("status",))) in _UNFINISHED for event in events)


def not_billed(events: list[Any]) -> bool:
    """Whether this is the line of a request of a batch that came to nothing, which no provider bills."""
    return bool(events) and all(is_batch_line(event) and _failed(event) for event in events)


def _failed(line: Any) -> bool:
    kind = follow(line, ("result", "type"))
    status = follow(line, ("response", "status_code"))
    return (kind is not None and kind != "succeeded") or (isinstance(status, int) and status >= 400)  # noqa: PLR2004


def layers_of(event: Any) -> list[Layer]:
    """The members of a response, or event, and of what lies in it, that may say something of the bill."""
    layer = opened(event)
    if not isinstance(layer, dict):
        if is_leaf(layer):
            return []
        layer = {name: getattr(layer, name) for name in _READ_OF_OBJECTS if hasattr(layer, name)}
    layers = [layer]
    for place in _INNER:
        if place[0] in layer:
            inner = opened(follow(layer, place))
            if isinstance(inner, dict):
                layers.append(inner)
    return layers


def _each(layers: list[list[Layer]]) -> Iterator[Layer]:
    return (layer for of_event in layers for layer in of_event)


def _tier_of(layers: list[list[Layer]], usages: list[FlatUsage]) -> tuple[str | None, bool | None]:
    """The tier that served the call, and whether that is a batch; the last that is told, and being fast before all."""
    told = [_tier(leaf) for usage in usages for name in _TIERS_IN_USAGE for leaf in usage.get(name, ())]
    told += [tier for usage in usages for tier in ("flex", "priority") if sum_of(usage.get(_LANGCHAIN[tier], []))]
    for layer in _each(layers):
        for name in _TIERS:
            if name in layer:
                tier = layer[name]
                told.append(_tier(tier if word_of(tier) else follow(tier, ("type",))))
        if "performanceConfig" in layer:
            told.append(_tier(follow(layer, ("performanceConfig", "latency"))))
    speeds = {word_of(leaf) for usage in usages for leaf in usage.get("speed", ())}
    tiers = [tier for tier in told if tier not in ORDINARY_TIERS]
    if _FAST in speeds:
        tiers.append(_FAST)
    tier = tiers[-1] if tiers else None
    return (None, True) if tier == _BATCH else (tier, _BATCH in tiers or None)


_LANGCHAIN = {tier: f"input_tokens_details.{tier}" for tier in ("flex", "priority")}
_READ_OF_OBJECTS = frozenset(
    {*_TIERS, "performanceConfig", "output", "candidates", "tool_usage"} | {place[0] for place in _INNER}
)


def _tier(value: Any) -> str:
    word = (word_of(value) or "").lower()
    for prefix in _PREFIXES:
        word = word.removeprefix(prefix)
    return word


def _region_of(usages: list[FlatUsage]) -> str | None:
    told = [(word_of(leaf) or "").lower() for usage in usages for leaf in usage.get("inference_geo", ())]
    return next((region for region in reversed(told) if region not in _ANYWHERE), None)


def _searches_of(events: list[Any], layers: list[list[Layer]], usages: list[FlatUsage], model: str | None) -> int:
    """Searches that are told beside the counts of `shapes.py`."""
    name = (model or "").lower()
    if "deep-research" in name and (queries := sum(sum_of(usage.get("num_search_queries", [])) for usage in usages)):
        return int(queries)  # Perplexity's other models have them in the price of a request
    billed = [follow(layer, ("tool_usage", "web_search", "num_requests")) for layer in _each(layers)]
    if requests := sum(whole(count, "tool_usage.web_search.num_requests") for count in billed if count is not None):
        return requests
    answers: dict[Any, int] = {}
    for number, of_event in enumerate(layers):
        if searches := sum(_searched(item) for layer in of_event for item in _items(layer, "output")):
            answers[answer_of(events[number], number)] = searches
    return sum(answers.values()) or _grounded(layers, name)


def _searched(item: Any) -> bool:
    """Whether an item of OpenAI's output is a search that is billed: opening a page and looking for words in it are
    not, nor is a search that failed.
    """
    if follow(item, ("type",)) != "web_search_call" or follow(item, ("status",)) == "failed":
        return False
    return follow(item, ("action", "type")) in {None, "search"}


def _grounded(layers: list[list[Layer]], model: str) -> int:
    """Of Gemini: one for a prompt that was grounded, or its queries; a stream repeats them, so the most is taken."""
    queries = 0
    for layer in _each(layers):
        for candidate in _items(layer, "candidates"):
            metadata = follow(candidate, ("groundingMetadata",)) or follow(candidate, ("grounding_metadata",))
            queries = max(queries, _queries(metadata))
        queries = max(queries, _queries(layer.get("groundingMetadata")))
    version = _GEMINI.search(model)
    by_query = version is not None and int(version[1][:4]) >= _BY_QUERY_SINCE
    return queries if by_query else min(queries, 1)


def _queries(metadata: Any) -> int:
    found = follow(metadata, ("webSearchQueries",)) or follow(metadata, ("web_search_queries",))
    return sum(bool(query) for query in found) if isinstance(found, list | tuple) else 0


def _of_tools(layer: Layer) -> str | None:
    if (tools := layer.get("tool_usage")) is not None and not is_leaf(tools):
        for name, leaves in flat_usage(tools, "tool_usage").items():
            count = sum_of(leaves)
            if count and not name.endswith(".*") and name != "tool_usage.web_search.num_requests":
                return f"{name}: {count}, billed apart from the model's own tokens"
    for item in _items(layer, "output"):
        if (billed := _CALLED.get(word_of(follow(item, ("type",))) or "")) is not None:
            return f"output.{follow(item, ('type',))}: {billed}, billed apart and not told"
    return None


def _is_batch(event: Any) -> bool:
    return follow(event, ("object",)) == "batch" and follow(event, ("request_counts",)) is not None


def _sum_of_many(events: list[Any], usages: list[FlatUsage]) -> dict[str, Any]:
    """What marks an entry as the sum of many calls: a finished batch, the lines of one, an agent's run of several."""
    for event in events:
        if _is_batch(event):
            completed = follow(event, ("request_counts", "completed"))
            requests = None if completed is None else whole(completed, "request_counts.completed")
            return {"batch": True, "aggregated": True, "aggregated_requests": requests or None}
    lines = sum(is_batch_line(event) and not _failed(event) for event in events)
    if lines > 1:
        return {"aggregated": True, "aggregated_requests": lines}
    requests = sum(_told(usage, "requests") or _told(usage, "successful_requests") for usage in usages)
    return {"aggregated": True, "aggregated_requests": requests} if requests > 1 else {}


def _told(usage: FlatUsage, name: str) -> int:
    return sum(whole(leaf, name) for leaf in usage[name]) if name in usage else 0


def _items(layer: Any, name: str) -> Any:
    found = layer.get(name)
    return found if isinstance(found, list | tuple) else ()
