"""What input and output include, told by the shape and held against the provider's own total."""

from collections import Counter

from app.usage.counts import Told, value_of
from app.usage.objects import FlatUsage, UnreadableUsageError
from app.usage.rows import UsageRow

_THINKING_IN_TOTAL = "gemini"
_OF_TWO_MINDS = "cached_input_tokens"
_LEAVING_OUT = ("anthropic", "claude", "bedrock")
"""Whose input count version 5 of the AI SDK hands on as it is: without the cache, and with a total to match."""


def include_cache(counts: Counter[str], usage: FlatUsage, row: UsageRow, total: int, maker: str) -> None:
    """Make the input include the cache, once. Where the input that was not cached is told, or the provider's own total
    tells what it is the sum of, that holds; else the shape does, unless it is known of two minds.
    """
    cache = counts["cache_read_tokens"] + counts["cache_write_tokens"]
    told, reasoning = counts["input_tokens"], counts["reasoning_tokens"]
    if len(row.inputs) > 1:
        _agree_on_input(usage, row, told, cache)
    fresh = [name for name in row.uncached if name in usage]
    if fresh:
        apart = _is_fresh(counts, value_of(usage, fresh[0], "input_tokens"), cache, fresh[0])
    elif not cache:
        return
    else:
        beyond = total - told - counts["output_tokens"] if total else None
        apart = _is_apart(
            row, told, cache, inside=beyond in {0, reasoning}, beside=beyond in {cache, cache + reasoning}
        )
        if not apart and _OF_TWO_MINDS in usage and any(name in maker for name in _LEAVING_OUT):
            raise UnreadableUsageError(f"input_tokens: may leave {_OF_TWO_MINDS} out or not, and nothing tells which")
    if apart:
        counts["input_tokens"] += cache


def _is_apart(row: UsageRow, told: int, cache: int, *, inside: bool, beside: bool) -> bool:
    """Whether the input leaves the cache out, by the shape and by what the total is the sum of."""
    if inside == beside:
        return row.cache_apart
    if inside and row.cache_apart and cache <= told:
        reason = f"{row.total} says that it includes the {cache} tokens of the cache, but their names do not"
        raise UnreadableUsageError(f"input_tokens: {reason}")
    return beside or row.cache_apart


def _is_fresh(counts: Counter[str], fresh: int, cache: int, name: str) -> bool:
    """Whether the input leaves the cache out, by the count of what was not cached."""
    told = counts["input_tokens"]
    if not told:
        counts["input_tokens"] = told = fresh
    if told == fresh:
        return True
    if told != fresh + cache:
        raise UnreadableUsageError(f"input_tokens: is {told}, but {name} and the cache are {fresh} and {cache}")
    return False


def _agree_on_input(usage: FlatUsage, row: UsageRow, told: int, cache: int) -> None:
    for name in row.inputs:
        other = value_of(usage, name, "input_tokens")
        if other and other not in {told, told - cache, told + cache}:
            raise UnreadableUsageError(f"input_tokens: is {told}, and {other} in {name}")


def include_reasoning(counts: Counter[str], row: UsageRow, total: int, provider: str, model: str) -> None:
    """Make the output include reasoning, once. Where the provider's own total tells whether it does, that holds; and
    where reasoning stands apart and goes unnamed, it is what the total holds beyond prompt and answer.
    """
    reasoning = counts["reasoning_tokens"]
    beyond = total - counts["input_tokens"] - counts["output_tokens"]
    at_maker = provider in row.apart_at
    apart = row.reasoning_apart or at_maker
    if total and beyond in {0, reasoning} and (beyond or reasoning <= counts["output_tokens"]):
        apart = beyond == reasoning
    elif not reasoning and beyond > 0 and (at_maker or _THINKING_IN_TOTAL in model):
        reasoning = counts["reasoning_tokens"] = beyond
        apart = True
    if apart:
        counts["output_tokens"] += reasoning


def hold_against(total: int, reported: tuple[int, int], counts: Counter[str], told: Told, row: UsageRow) -> None:
    """A total that is not a sum of the parts says that something was not read: an answer that is billed, but looks
    free.
    """
    inputs = {reported[0], counts["input_tokens"], told.get("input_tokens", {}).get(0, 0)}
    outputs = {reported[1], counts["output_tokens"]}
    if total not in {of_input + of_output for of_input in inputs for of_output in outputs}:
        raise UnreadableUsageError(f"{row.total}: is {total}, but input and output are {reported[0]} and {reported[1]}")
