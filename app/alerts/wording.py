"""What alerts say: a sentence, a few lines of figures, and the body of a webhook."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import msgspec

from app.http.exact import exact
from models.alerts import ALL, BEYOND, AlertKind, Crossing
from models.limits import Kind, Unit, Window
from models.money import plain

MAX_BODY_BYTES = 20_000
"""Standard Webhooks: larger ones are refused by many receivers."""

MAX_NAME = 100
"""Characters of a name in a sentence; the body has the whole."""

_WINDOWS = {Window.PERIOD: "in the billing period", Window.LIFETIME: "in all"}
_UNITS = {Unit.REQUESTS: "requests", Unit.TOKENS: "tokens", Unit.IMAGES: "images", Unit.SECONDS: "seconds"}


def amount_of(unit: Unit, amount: Decimal) -> str:
    """Such as `$10.50`, or `1,000 requests`."""
    if unit is Unit.USD:
        return f"${amount:,.2f}" if amount == amount.quantize(Decimal("0.01")) else f"${Decimal(plain(amount)):,f}"
    return f"{plain_number(amount)} {_UNITS.get(unit, unit.value)}"


def plain_number(amount: Decimal) -> str:
    return f"{int(amount):,}" if amount == amount.to_integral_value() else f"{Decimal(plain(amount)):,f}"


def subject_words(subject: str) -> str:
    """`user:u1@shop` as people say it."""
    kind, _, name = subject.partition(":")
    if not name:
        return "everyone"
    named, _, client = name.partition("@")
    words = f"{kind} {shortened(unquote(named))}"
    return f"{words} of client {shortened(unquote(client))}" if client else words


def shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def kind_of(limit: Kind, threshold: int) -> AlertKind:
    """What passing a threshold of a limit means."""
    if threshold > ALL:
        return AlertKind.LIMIT_OVERRUN if limit is Kind.HARD else AlertKind.LIMIT_OVERAGE
    return AlertKind.LIMIT_REACHED if threshold == ALL else AlertKind.LIMIT_WARNING


def limit_sentence(crossing: Crossing) -> str:
    """Such as `user u1 has used 80 % of 10 requests a day (chat): 8 requests.`"""
    limit, threshold = crossing.limit, crossing.threshold
    window = _WINDOWS.get(limit.window, f"a {limit.window.value}")
    named = f" ({shortened(limit.name)})" if limit.name else ""
    whole = f"{amount_of(limit.unit, crossing.allowance)} {window}{named}"
    who, used = subject_words(crossing.subject), amount_of(limit.unit, crossing.used)
    if threshold == BEYOND:
        return f"{who} has gone beyond {whole}: {used}."
    if threshold > ALL:
        return f"{who} is at {threshold} % of {whole}: {used}."
    return f"{who} has used {'all' if threshold == ALL else f'{threshold} %'} of {whole}: {used}."


def limit_lines(crossing: Crossing) -> tuple[str, ...]:
    """The figures, one in a line."""
    limit, used, allowance = crossing.limit, crossing.used, crossing.allowance
    lines = [
        f"Whose: {subject_words(crossing.subject)}",
        f"Used: {amount_of(limit.unit, used)}",
        f"Allowance: {amount_of(limit.unit, allowance)}, {limit.kind.value}",
    ]
    if allowance:
        lines.append(f"Share: {used * 100 / allowance:.1f} %")
    if limit.window is not Window.LIFETIME:
        lines.append(f"Period: {_moment(crossing.period_start)} to {_moment(crossing.period_end)}")
    return tuple(lines)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def body_of(kind: AlertKind, at: datetime, data: Mapping[str, Any]) -> str:
    """The body of a webhook, as Standard Webhooks has it. What does not fit is left out of `data`, its longest values
    first, and `truncated` says so.
    """
    kept = dict(data)
    while len(body := _encoded({"type": kind.value, "timestamp": at, "data": kept})) >= MAX_BODY_BYTES:
        del kept[max(kept, key=lambda name: len(_encoded(kept[name])))]
        kept["truncated"] = True
    return body.decode()


def _encoded(content: Any) -> bytes:
    return msgspec.json.encode(exact(content))
