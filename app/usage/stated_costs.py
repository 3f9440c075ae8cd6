"""What a response says that it cost, in USD."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from app.usage.media import amount
from app.usage.objects import FlatUsage, UnreadableUsageError, follow, word_of

# In a usage object: the name, and the power of ten by which its unit is a dollar.
_IN_USAGE = (
    ("cost_in_usd_ticks", -10),  # xAI: https://docs.x.ai/developers/cost-tracking
    ("cost.total_cost", 0),  # Perplexity
    ("cost.total", 0),
    ("cost", 0),  # OpenRouter and gateways like it
    ("total_cost", 0),
    ("cost_usd", 0),
    ("estimated_cost", 0),  # DeepInfra
)
# In the response, or beside it: by LiteLLM, by Claude Code of a whole run, by Vercel's gateway.
_HIDDEN = "_hidden_params"
"""An attribute of LiteLLM's objects that no opened one shows; of a stream, the last's."""
_BESIDE = (
    (_HIDDEN, "response_cost"),
    ("hidden_params", "response_cost"),
    ("response_cost",),
    ("total_cost_usd",),
    ("costUSD",),
    ("providerMetadata", "gateway", "cost"),
    ("providerMetadata", "openrouter", "usage", "cost"),
    ("provider_metadata", "gateway", "cost"),
)
_BESIDE_KEYS = frozenset(path[0] for path in _BESIDE)
_UPSTREAM = "cost_details.upstream_inference_cost"
_MOST = 1_000_000_000
_FREE = ":free"


def stated_cost(
    response: Sequence[Any], events: list[Any], usages: list[FlatUsage], model: str | None
) -> dict[str, Any]:
    """`cost` and `cost_basis` of `AICall`, where the response states its cost; empty where it does not.

    `response` is what was given, `events` what of it tells something. A zero is believed only of a model that is free
    by its name: gateways write 0 for what they do not know, and for what was paid upstream with the caller's own key,
    which is then the cost.
    """
    stated = [_of_usage(usage) for usage in usages]
    told = [(cost, basis) for cost, basis in stated if cost is not None]
    if told and len(told) == len(usages):
        return _believed(sum((cost for cost, _ in told), Decimal(0)), f"usage.{told[-1][1]}", model)
    hidden = [{_HIDDEN: getattr(given, _HIDDEN, None)} for given in response if not isinstance(given, dict)]
    for event in (*hidden, *reversed(events)):
        if isinstance(event, dict) and _BESIDE_KEYS.isdisjoint(event):
            continue
        for path in _BESIDE:
            if (cost := _dollars(follow(event, path), 0)) is not None:
                return _believed(cost, ".".join(path), model)
    return {}


def _believed(cost: Decimal, basis: str, model: str | None) -> dict[str, Any]:
    if cost > _MOST or (not cost and not (model or "").endswith(_FREE)):
        return {}
    return {"cost": cost, "cost_basis": basis}


def _of_usage(usage: FlatUsage) -> tuple[Decimal | None, str]:
    currency = next((word_of(leaf) for name in ("cost.currency", "currency") for leaf in usage.get(name, ())), None)
    if currency is not None and currency.upper() != "USD":
        return None, ""
    for name, power in _IN_USAGE:
        for leaf in usage.get(name, ())[:1]:
            cost = _dollars(leaf, power)
            if cost is not None:
                return _with_upstream(cost, usage, name)
    return None, ""


def _with_upstream(cost: Decimal, usage: FlatUsage, name: str) -> tuple[Decimal | None, str]:
    """Of a caller's own key the gateway bills its fee alone, and says what the provider bills; without that, the fee
    is not what the call cost.
    """
    own_key = usage.get("is_byok", [None])[0]
    upstream = _dollars(usage.get(_UPSTREAM, [None])[0], 0)
    if own_key is True or (own_key is None and not cost):
        if upstream is not None:
            return cost + upstream, f"{name} + {_UPSTREAM}"
        return (None, "") if own_key is True else (cost, name)
    return cost, name


def _dollars(value: Any, power: int) -> Decimal | None:
    """None for what is no amount: nothing was stated."""
    if value is None:
        return None
    try:
        return amount(value, "cost", _MOST if power == 0 else _MOST * 10**-power).scaleb(power)
    except UnreadableUsageError:
        return None
