"""Why a cost changed: what it would have been if its causes had changed one after the other.

A part is a provider, model, service type and feature. Its cost `C` is taken from the earlier window (0) to the later
one (1) in six steps; `D` are the days of a window, `N` the calls of the part's job (its feature and service type), `n`
the part's own calls, `u` what it used of a kind (input tokens, output tokens, images, seconds, characters, calls) and
`c` what that cost, `L` the cost without what caches saved. After each step the cost is

    days    C0 x D1 / D0            as many calls a day, on as many days as the later window has
    volume  C0 x N1 / N0            as many calls of the job
    mix     C0 x n1 / n0            answered by this model in as many cases
    tokens  sum of c0 x u1 / u0     using as much of each kind
    price   C0 x L1 / L0            at today's prices
    caching C1                      with what caches save today

and an effect is the difference to the step before. Each step is rounded once, to 15 decimals, so that effects of a part
sum to its change whatever the figures are, parts sum to their total, and what did not change is 0 to the last decimal.

Sequential substitution, because its parts leave no rest: causes that are changed one at a time, each from the same
start, leave one that nobody can name. Its order is the one in which they come about: who uses it more, who then
answers, with how much text, at which price. Volume is told by job, not by part, so that a model which takes over
another's calls is no growth but a mix. A job that is new is volume altogether, a model that is new in a job is mix;
calls without a price have cost nothing, so that getting one is a change of price.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bson import Decimal128

from models.money import stored_units
from models.rollups import USAGE_TOTALS

EFFECTS = ("days", "volume", "mix", "tokens", "price", "caching")
"""The steps, in their order."""
PAID = (("inputTokens", "inputCost"), ("outputTokens", "outputCost"))
MEDIA = ("images", "videoSeconds", "audioSeconds", "characters")
"""What is used where no tokens are paid for."""

Sums = dict[str, int]
"""Figures of a part, amounts in units of their last decimal."""
Effects = tuple[int, int, int, int, int, int]
"""In units of 1e-15 USD, as EFFECTS."""


class Ratio(NamedTuple):
    """How something changed: from `before` to `now`."""

    before: int
    now: int

    def scaled(self, amount: int) -> int:
        """The amount after this change, half-even; itself where there was nothing that could have changed."""
        return _rounded(amount * self.now, self.before) if self.before else amount


def sums_of(rows: Iterable[Mapping[str, Any]]) -> Sums:
    """The sum of each figure over stored rows, in which a figure may be absent."""
    sums: Sums = dict.fromkeys(USAGE_TOTALS, 0)
    for row in rows:
        for name in USAGE_TOTALS:
            if value := row.get(name):
                sums[name] += stored_units(value) if isinstance(value, Decimal128) else value
    return sums


def effects_of(before: Sums, now: Sums, *, days: Ratio, job: Ratio) -> Effects:
    """What each cause changed in the cost of a part; `job` are the calls of its feature and service type."""
    cost = before["cost"]
    after_days = days.scaled(cost)
    if job.before == 0:
        return _between(cost, after_days, *[now["cost"]] * 5)
    after_volume = job.scaled(cost)
    if before["requests"] == 0:
        return _between(cost, after_days, after_volume, *[now["cost"]] * 4)
    after_mix = Ratio(before["requests"], now["requests"]).scaled(cost)
    after_tokens = _with_usage(before, now)
    listed = Ratio(before["cost"] + before["savedCost"], now["cost"] + now["savedCost"])
    after_price = listed.scaled(cost) if listed.before > 0 else now["cost"]
    return _between(cost, after_days, after_volume, after_mix, after_tokens, after_price, now["cost"])


def _between(*levels: int) -> Effects:
    first, days, volume, mix, tokens, price, last = levels
    return days - first, volume - days, mix - volume, tokens - mix, price - tokens, last - price


def _with_usage(before: Sums, now: Sums) -> int:
    """What the usage of now costs at what each kind of it did cost."""
    numerator, denominator = 0, 1
    for cost, used, new in _kinds(before, now):
        if used.before == 0:  # there was nothing of it, so it has no former price
            numerator += new * denominator
        else:
            numerator, denominator = numerator * used.before + cost * used.now * denominator, denominator * used.before
    return _rounded(numerator, denominator)


def _kinds(before: Sums, now: Sums) -> list[tuple[int, Ratio, int]]:
    """Of each kind of usage: its former cost, how much was used, and its cost now."""
    kinds, rest = [], Ratio(before["cost"], now["cost"])
    for name, amount in PAID:
        used = Ratio(before[name], now[name])
        if used.before > 0 or before[amount] == 0:
            kinds.append((before[amount], used, now[amount]))
            rest = Ratio(rest.before - before[amount], rest.now - now[amount])
    of_rest = next((name for name in _units(kinds) if before[name] > 0 and now[name] > 0), "requests")
    return [*kinds, (rest.before, Ratio(before[of_rest], now[of_rest]), rest.now)]


def _units(kinds: list[tuple[int, Ratio, int]]) -> tuple[str, ...]:
    """What the rest of a cost may be for: tokens, where their kinds are not told apart."""
    told_apart = any(cost or new for cost, _, new in kinds)
    return MEDIA if told_apart else (*MEDIA, "tokensUsed")


def _rounded(numerator: int, denominator: int) -> int:
    """The quotient, half-even."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))
