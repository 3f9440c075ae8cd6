"""The counts of a span, in the one convention of `TokenUsage`: a total includes its parts.

A span may say one thing under several names, leave the cache out of its input, or say what nothing here understands.
What can be proved is brought to the convention; anything else makes the usage unreadable, with the reason: the call is
then recorded without a price, rather than at a wrong one.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain, combinations
from typing import Any

from app.otlp.usage_attributes import Said, Value
from app.otlp.usage_names import TOOL_USE, TOTAL, UNCACHED, WRITE_5M, Kind
from models import TokenUsage
from models.fields import MAX_COUNT
from models.token_usage import PART_FIELDS, contradictions

MAX_DIGITS = 10
MAX_SECONDS = 1_000_000

Counts = dict[str, int]

_SIDES = ("input_tokens", "output_tokens")
_BESIDE: tuple[tuple[str, str], ...] = (
    ("cache_read_tokens", "input_tokens"),
    ("cache_write_tokens", "input_tokens"),
    (TOOL_USE, "input_tokens"),
    ("reasoning_tokens", "output_tokens"),
)
"""Parts that some leave out of a side, which the total then shows."""
_EXCLUSIVE = {side: f"langfuse.observation.usage_details.{side.removesuffix('_tokens')}" for side in _SIDES}
"""Langfuse's own counts exclude each other: https://langfuse.com/docs/model-usage-and-cost"""
_BOTH = frozenset(_SIDES)
_PLAIN = _BOTH | {"cache_read_tokens", "reasoning_tokens"}
_INCLUSIVE = {side: {f"gen_ai.usage.{side}", f"llm.usage.{side}"} for side in _SIDES}
"""Beside these they may be the same counts again."""
_RAW_INPUT = "gen_ai.usage.raw.input_tokens"
_ANTHROPICS_OWN = {"gen_ai.usage.raw.cache_read_input_tokens", "gen_ai.usage.raw.cache_creation_input_tokens"}
"""Logfire passes on a provider's usage object as it was: with these beside its input, that is without the cache."""
_OF_THEIR_OWN = frozenset({*_EXCLUSIVE.values(), _RAW_INPUT})
"""Counts whose meaning depends on what is beside them."""
_AI_SDK = "ai.usage."
_DIGITS = frozenset("0123456789")
# looked up once: an enum finds a member slowly
_COUNT, _AMOUNT, _ASIDE, _UNKNOWN = Kind.COUNT, Kind.AMOUNT, Kind.ASIDE, Kind.UNKNOWN


class UnreadableError(ValueError):
    """Usage that cannot be told. The message names attributes and counts, and quotes no other value."""


def usage_of(
    said: Iterable[Said], *, by_claude: bool = False, exclusive: bool = False, embeds: bool = False
) -> dict[str, Any]:
    """The counts as fields of `AICall`; none where the span has none: the tracker then estimates.

    `by_claude`: Anthropic's models count input without the cache, wherever they run, and not every instrumentation adds
    it up. `exclusive`: this one is known not to. `embeds`: there is no output, so that a total is the input.
    """
    said = list(said)
    if not exclusive and (plain := _plain(said, by_claude=by_claude)) is not None:
        return plain
    try:
        return _fields(said, by_claude=by_claude, exclusive=exclusive, embeds=embeds)
    except UnreadableError as error:
        return {"unreadable_usage": True, "unreadable_reason": str(error)}


def _plain(said: list[Said], *, by_claude: bool) -> Counts | None:
    """The counts of a span that says each once, in the convention, with nothing to prove: most do. None for others."""
    counts: Counts = {}
    for attribute, (kind, field), value in said:
        if (
            kind is not _COUNT
            or field not in _PLAIN
            or field in counts
            or type(value) is not int
            or not 0 <= value <= MAX_COUNT
            or attribute in _OF_THEIR_OWN
        ):
            return None
        counts[field] = value
    if not counts.keys() >= _BOTH:
        return None
    cached, reasoning = counts.get("cache_read_tokens", 0), counts.get("reasoning_tokens", 0)
    if cached > counts["input_tokens"] or reasoning > counts["output_tokens"] or (cached and by_claude):
        return None
    return counts


def _fields(said: list[Said], *, by_claude: bool, exclusive: bool, embeds: bool) -> dict[str, Any]:
    told, amounts = _told(said)
    _mark_anthropics_own(told)
    counts = {field: _one_of(values) for field, values in told.items() if field not in _SIDES}
    for side in _SIDES:
        if side in told:
            counts[side] = _side(side, told[side], counts)
    total, uncached = counts.pop(TOTAL, 0) or None, counts.pop(UNCACHED, None)
    _add_up_writes(counts)
    if uncached is not None:
        counts.setdefault("input_tokens", uncached + _cached(counts))
    if not any(counts.values()) and counts.keys().isdisjoint(_SIDES):
        return amounts if total is None else amounts | _of_total(total, embeds=embeds)
    counts |= _other_side(counts, total)
    if uncached is not None and _cached(counts):
        _prove_by_uncached(counts, uncached)
    elif total is not None:
        _prove_by_total(counts, total, said, by_claude=by_claude, exclusive=exclusive)
    elif exclusive:
        counts["input_tokens"] = counts.get("input_tokens", 0) + _cached(counts)
    else:
        _settle_without_total(counts, said, by_claude=by_claude)
    counts.pop(TOOL_USE, None)
    return amounts | _checked(counts)


def _told(said: list[Said]) -> tuple[dict[str, dict[str, int]], dict[str, Any]]:
    """By field: the counts by the names of their attributes, and the amounts that are no tokens. An empty text says
    nothing.
    """
    told: dict[str, dict[str, int]] = {}
    amounts: dict[str, Any] = {}
    unknown: list[str] = []
    for attribute, (kind, field), value in said:
        if kind is _COUNT:
            if value != "":
                told.setdefault(field, {})[attribute] = _whole(attribute, value)
        elif (kind is _UNKNOWN and _says_a_number(value)) or (kind is _ASIDE and value is None):
            unknown.append(attribute)
        elif kind is _AMOUNT and value not in {"", 0}:
            amounts[field] = _seconds(attribute, value) if field == "audio_seconds" else _whole(attribute, value)
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise UnreadableError(f"{unknown[0]}{more} is usage of a kind that is not known here")
    return told, amounts


def _mark_anthropics_own(told: dict[str, dict[str, int]]) -> None:
    if (own := told.get("input_tokens", {}).get(_RAW_INPUT)) is None:
        return
    if any(
        name in _ANTHROPICS_OWN for part in ("cache_read_tokens", "cache_write_tokens") for name in told.get(part, ())
    ):
        told[UNCACHED] = {_RAW_INPUT: own}


def _says_a_number(value: Value) -> bool:
    """Whether it may be an amount other than zero. A list may be; a word is none."""
    if isinstance(value, str):
        plain = value.strip()
        return plain.lstrip("+-.")[:1] in _DIGITS and plain.strip("+-.0") != ""
    return value is None or (not isinstance(value, bool) and bool(value))


def _whole(attribute: str, value: Value) -> int:
    if type(value) is int and 0 <= value <= MAX_COUNT:  # as nearly all are
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and 0 <= value <= MAX_COUNT:
        return value
    raise UnreadableError(f"{attribute} is not a whole number from 0 to {MAX_COUNT}")


def _one_of(values: Mapping[str, int]) -> int:
    """The one count under all of its names. A zero does not stand against another number: it is often a default."""
    if len(values) == 1:
        return next(iter(values.values()))
    different = {count: name for name, count in reversed([*values.items()]) if count}
    if len(different) > 1:
        raise _contradiction(different)
    return next(iter(different), 0)


def _contradiction(different: Mapping[int, str]) -> UnreadableError:
    (one, name), (other, another), *_ = sorted(different.items())
    return UnreadableError(f"{name} is {one}, but {another} is {other}")


def _side(side: str, values: Mapping[str, int], counts: Counts) -> int:
    """Input or output. Two names may stand for it with its parts and without: then they differ by just these."""
    different = sorted({*values.values()} - {0})
    if len(different) == 2:  # noqa: PLR2004 - with and without
        low, high = different
        parts = [counts.get(part, 0) for part, of in _BESIDE if of == side]
        if high - low in {sum(some) for some in _subsets(parts)}:
            return high
    return _one_of(values)


def _seconds(attribute: str, value: Value) -> Decimal:
    try:
        seconds = Decimal(str(value)) if isinstance(value, str | int | float) else Decimal(-1)
    except ArithmeticError:
        seconds = Decimal(-1)
    if isinstance(value, bool) or not seconds.is_finite() or not 0 <= seconds <= MAX_SECONDS:
        raise UnreadableError(f"{attribute} is not a number of seconds from 0 to {MAX_SECONDS}")
    return seconds


def _of_total(total: int, *, embeds: bool) -> Counts:
    return {"input_tokens": total, "output_tokens": 0} if embeds else {"tokens_used": total}


def _add_up_writes(counts: Counts) -> None:
    """Anthropic's cache writes of five minutes and of an hour, where they are told apart."""
    short, long = counts.pop(WRITE_5M, 0), counts.get("cache_write_1h_tokens", 0)
    written = counts.get("cache_write_tokens", 0)
    if written and short and written != short + long:
        raise UnreadableError(f"cache writes are {written}, but those of 5 minutes {short} and of an hour {long}")
    if short or long:
        counts["cache_write_tokens"] = written or short + long


def _other_side(counts: Counts, total: int | None) -> Counts:
    """Input or output, where the span has only the other one and the total. A total that is too small is kept."""
    if total is not None:
        for side, other in (_SIDES, _SIDES[::-1]):
            if side not in counts and other in counts:
                return {side: max(0, total - counts[other])}
    return {}


def _cached(counts: Counts) -> int:
    return counts.get("cache_read_tokens", 0) + counts.get("cache_write_tokens", 0)


def _prove_by_uncached(counts: Counts, uncached: int) -> None:
    """The input without its cached part tells whether the input has it."""
    told, cached = counts.get("input_tokens", 0), _cached(counts)
    if told not in {uncached, uncached + cached}:
        raise UnreadableError(f"input is {told}, but {uncached} uncached and {cached} cached tokens")
    counts["input_tokens"] = uncached + cached


def _prove_by_total(counts: Counts, total: int, said: list[Said], *, by_claude: bool, exclusive: bool) -> None:
    """Bring both sides to where the total says they are. One that is their sum may be a client's own: of an exclusive
    input it proves nothing.
    """
    told = tuple(counts.get(side, 0) for side in _SIDES)
    if total == sum(told):
        if exclusive:
            counts["input_tokens"] = told[0] + _cached(counts)
        elif by_claude:
            _settle_claude(counts, said)
        return
    beside = [(counts[part], side) for part, side in _BESIDE if counts.get(part)]
    fitting = {
        tuple(now + sum(count for count, of in some if of == side) for now, side in zip(told, _SIDES, strict=True))
        for some in _subsets(beside)
    }
    fitting = {sides for sides in fitting if sum(sides) == total}
    if len(fitting) != 1:
        raise UnreadableError(f"the total is {total}, but input is {told[0]} and output {told[1]}")
    counts |= dict(zip(_SIDES, fitting.pop(), strict=True))


def _settle_without_total(counts: Counts, said: list[Said], *, by_claude: bool) -> None:
    """The convention is that totals include their parts. Known exceptions are Langfuse's counts and Claude's cache."""
    names = {each.attribute for each in said}
    for part, side in _BESIDE:
        if side in counts and _EXCLUSIVE[side] in names and names.isdisjoint(_INCLUSIVE[side]):
            counts[side] += counts.get(part, 0)
    if by_claude:
        _settle_claude(counts, said)


def _settle_claude(counts: Counts, said: list[Said]) -> None:
    told, cached = counts.get("input_tokens"), _cached(counts)
    if not cached or told is None:
        return
    if cached > told:
        counts["input_tokens"] = told + cached
    elif any(each.attribute.startswith(_AI_SDK) for each in said):
        # version 5 leaves the cache out, version 6 does not, and an object's span does not tell which it is of
        raise UnreadableError(f"it cannot be told whether an input of {told} includes {cached} cached tokens")


def _subsets(items: list[Any]) -> Iterable[tuple[Any, ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def _checked(counts: Counts) -> Counts:
    if PART_FIELDS.isdisjoint(counts):
        return counts
    usage = TokenUsage(**counts)
    if found := contradictions(usage):
        raise UnreadableError("; ".join(f"{field}: {reason}" for field, reason in found))
    return counts
