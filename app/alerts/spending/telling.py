"""What spending alerts say: a sentence, figures with their units, and where to look."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from app.alerts.spending.costs import HOURS, Span, Unusual
from app.alerts.spending.drivers import Driver, Drivers
from app.alerts.wording import shortened
from models.alerts import AlertKind
from models.money import usd_of_units
from models.rollups import EVERYONE

CENT = Decimal("0.01")


class Told(NamedTuple):
    """An alert, for `Alerts.raise_`."""

    kind: AlertKind
    key: str
    payload: Mapping[str, Any]


class Place(NamedTuple):
    """Where people look: the dashboard of this deployment."""

    url: str | None
    """Without it messages have no links."""

    def lines(self, tab: str, **filters: str | None) -> list[str]:
        """A line with the link to a page with these filters; none without an address."""
        if self.url is None:
            return []
        query = urlencode({name: value for name, value in filters.items() if value is not None})
        return [f"Look: {self.url}/admin{f'/{tab}' if tab else ''}{f'?{query}' if query else ''}"]


def cost_key(scope: str, unusual: Unusual) -> str:
    """Once for a scope and a day, or an hour."""
    return day_key(scope, unusual.day) if unusual.span is Span.DAY else _hour_key(scope, unusual.day, unusual.hour)


def day_key(scope: str, day: date) -> str:
    return f"{day}|{scope}"


def hour_keys(scope: str, day: date) -> dict[str, int]:
    """The hours of a day, by their keys."""
    return {_hour_key(scope, day, hour): hour for hour in range(HOURS)}


def _hour_key(scope: str, day: date, hour: int) -> str:
    return f"{day}T{hour:02}|{scope}"


def cost_told(scope: str, unusual: Unusual, drivers: Drivers, zone: ZoneInfo, place: Place) -> Told:
    """What is said of an unusual cost."""
    client = None if scope == EVERYONE else scope
    day, (usual, upper, samples) = unusual.day, unusual.range
    whose = "All clients" if client is None else f"Client {shortened(client)}"
    until = f"{unusual.hour + 1:02}:00"
    when = (
        f"on {day:%A} {day}" if unusual.span is Span.DAY else f"from {unusual.hour:02}:00 to {until} on {day:%A} {day}"
    )
    compared = f" by {until}" if unusual.span is Span.DAY else ""
    model, feature, user = drivers
    text = (
        f"{whose} spent {dollars(unusual.cost)} {when} ({zone.key}) so far. "
        f"Usual{compared} is {dollars(usual)}, and up to {dollars(upper)}."
    )
    lines = [
        f"Cost: {dollars(unusual.cost)}",
        f"Usual range: up to {dollars(upper)}; the middle of {samples} {day:%A}s is {dollars(usual)}",
        *_line("Model", model),
        *_line("Feature", feature),
        *_line("User", user, " on the whole day"),
        *place.lines("", **{"from": day.isoformat(), "to": day.isoformat()}, clientId=client),
    ]
    payload = {
        "text": text,
        "lines": lines,
        "clientId": client,
        "span": unusual.span.value,
        "day": day.isoformat(),
        "hour": unusual.hour,
        "timezone": zone.key,
        "cost": usd_of_units(unusual.cost),
        "usual": usd_of_units(usual),
        "upper": usd_of_units(upper),
        "samples": samples,
        "drivers": {name: _driver(each) for name, each in drivers._asdict().items() if each is not None},
    }
    return Told(AlertKind.SPENDING_COST, cost_key(scope, unusual), payload)


def unpriced_told(names: tuple[str, str], reason: str, requests: int, day: date, place: Place) -> Told:
    """What is said of a provider and model without a price, once for them."""
    provider, model = names
    text = f"Calls of {shortened(model)} by {shortened(provider)} have no price: what they cost is not counted."
    lines = [
        f"Calls without a price on {day}: {requests:,}",
        f"Why: {reason.replace('_', ' ') or 'not known'}",
        *place.lines("", **{"from": day.isoformat(), "to": day.isoformat()}, provider=provider, model=model),
    ]
    payload = {"provider": provider, "model": model, "reason": reason, "requests": requests}
    key = "|".join(("model", part(provider), part(model)))
    return Told(AlertKind.SPENDING_UNPRICED, key, {"text": text, "lines": lines, **payload})


def unmapped_told(content_type: str, requests: int, day: date, place: Place) -> Told:
    """What is said of a content type that is not known, once for it."""
    text = (
        f"Calls of the content type {shortened(content_type)} are counted as a feature of that name: it is not mapped."
    )
    lines = [
        f"Calls on {day}: {requests:,}",
        *place.lines("", **{"from": day.isoformat(), "to": day.isoformat()}, feature=content_type),
    ]
    payload = {"contentType": content_type, "requests": requests}
    return Told(
        AlertKind.SPENDING_UNPRICED, f"contentType|{part(content_type)}", {"text": text, "lines": lines, **payload}
    )


def more_unpriced_told(most: int, day: date, place: Place) -> Told:
    """What is said instead of many such alerts a day."""
    text = f"More than {most} models have no price, or content types no mapping, on {day}: the dashboard lists all."
    return Told(AlertKind.SPENDING_UNPRICED, f"more|{day}", {"text": text, "lines": place.lines("")})


def dollars(units: int) -> str:
    """To the cent, for people; bodies of webhooks have the exact figure."""
    amount = usd_of_units(units)
    return f"${amount.quantize(CENT):,}" if amount >= CENT or not amount else "less than $0.01"


def _line(what: str, driver: Driver | None, usually: str = "") -> list[str]:
    if driver is None:
        return []
    name = shortened(driver.name)
    return [f"{what}: {name}, {dollars(driver.cost)}, usually {dollars(driver.usual)}{usually}"]


def _driver(driver: Driver) -> Mapping[str, Any]:
    return {"name": driver.name, "cost": usd_of_units(driver.cost), "usual": usd_of_units(driver.usual)}


def part(name: str) -> str:
    """A name as a part of a key, whatever is in it."""
    return name.replace("%", "%25").replace("|", "%7C")
