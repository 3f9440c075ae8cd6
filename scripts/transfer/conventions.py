"""From the counts of a foreign system to those of `models.TokenUsage`, where a total holds its parts.

Whether an input holds the cache is settled in this order: the mapping says it; the total of the row proves it; the name
of the input's column says it (`Input (w/o Cache Write)`), or those of the columns together are Anthropic's, which count
the cache beside the input; else it does hold it, as almost everywhere. Where that would be wrong it shows, since no
part can exceed its total: then nothing is guessed.
"""

import re
from typing import Any

from app.tracking import Fault
from scripts.transfer.mapping import Mapping
from scripts.transfer.rules import Rule

CACHE = ("cache_read_tokens", "cache_write_tokens")
ADVICE = 'where the file counts the cache beside the input, set input = "exclusive" in the mapping'

_WITHOUT = re.compile(r"w/o|without|no[ _-]?cache|(un|non[ _-]?)cached|cache[ _-]?miss|excl", re.IGNORECASE)
_BESIDE = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})
"""Anthropic's names, beside `input_tokens`."""


class Conventions:
    """How the counts of one mapping's rows are to be read."""

    def __init__(self, mapping: Mapping) -> None:
        fields = mapping.fields
        self._input = mapping.input
        self._output = mapping.output
        self._composed = "input_tokens" in fields and fields["input_tokens"].is_sum
        self._without = "input_tokens" in fields and _says_without(fields["input_tokens"])
        self._anthropic = _last_names(fields, "input_tokens") == {"input_tokens"} and not _BESIDE.isdisjoint(
            {name for part in CACHE for name in _last_names(fields, part)}
        )
        self._is_said = self._input in {"inclusive", "exclusive"} or (self._input is None and self._without)
        self.open = (
            self._input is None
            and not (self._composed or self._without or self._anthropic)
            and any(part in fields for part in CACHE)
            and {"input_tokens"} <= fields.keys()
        )
        """Whether nothing but the rows themselves could say whether the input holds the cache."""

    def applied(self, fields: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        """`fields` of a call with whole totals, and what cannot be known."""
        cache = sum(fields.get(part) or 0 for part in CACHE)
        reasoning = fields.get("reasoning_tokens") or 0
        if not (cache or reasoning) or not fields.keys() & {"input_tokens", "output_tokens"}:
            return fields, []
        told = (fields.get("input_tokens") or 0, fields.get("output_tokens") or 0)
        ways = self._ways(told, cache, reasoning)
        total = fields.get("tokens_used")
        fit = [] if not total or self._is_said else [way for way in ways if sum(way) == total]
        chosen = (fit or ways)[0]
        if self._is_said and total == sum(told):  # a total that leaves out what the input leaves out
            fields = {name: value for name, value in fields.items() if name != "tokens_used"}
        whole = {**fields, **dict(zip(("input_tokens", "output_tokens"), chosen, strict=True))}
        return whole, self._faults(cache, reasoning, told, fit)

    def _ways(self, told: tuple[int, int], cache: int, reasoning: int) -> list[tuple[int, int]]:
        """The readings of the totals, the likeliest first."""
        beside = self._input == "exclusive" or (self._input is None and (self._without or self._anthropic))
        apart = self._output == "exclusive"
        inputs = [told[0] + cache * way for way in ((True, False) if beside else (False, True))]
        outputs = [told[1] + reasoning * way for way in ((True, False) if apart else (False, True))]
        if self._composed:
            inputs = inputs[:1]
        if self._output != "total":
            outputs = outputs[:1]
        return [(first, second) for first in inputs for second in outputs]

    def _faults(self, cache: int, reasoning: int, told: tuple[int, int], fit: list[tuple[int, int]]) -> list[Fault]:
        """What nothing tells; `fit` are the readings that the total allows."""
        named_beside = bool(cache) and self._anthropic and self._input is None and fit == [told]
        cases = (
            (len(set(fit)) > 1, "tokens_used", "fits more than one reading of its parts"),
            (
                named_beside,
                "input_tokens",
                "holds the cache by its total, but not by its name: set input",
            ),
            (not fit and cache and self._input == "total", "input_tokens", "no total says whether it holds the cache"),
            (
                not fit and reasoning and self._output == "total",
                "output_tokens",
                "no total says whether it holds the reasoning",
            ),
            (not fit and self.open and cache > told[0], "input_tokens", f"is less than the cache ({cache}): {ADVICE}"),
        )
        return [Fault(field, why) for holds, field, why in cases if holds][:1]


def proves_exclusive(fields: dict[str, Any]) -> bool:
    """Whether the counts of a row cannot be unless its input leaves the cache out."""
    return "input_tokens" in fields and sum(fields.get(part) or 0 for part in CACHE) > fields["input_tokens"]


def _says_without(rule: Rule) -> bool:
    return bool(rule.column) and not rule.is_sum and all(_WITHOUT.search(name) for name in rule.column)


def _last_names(fields: dict[str, Rule], field: str) -> set[str]:
    return {column.rsplit(".", 1)[-1] for column in fields[field].columns} if field in fields else set()
