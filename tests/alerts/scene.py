"""Crossings, endpoints and a clock for the tests of alerts."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.alerts.alerts import Alerts
from app.database import Database
from models.alerts import DELIVERIES, Crossing, Delivery, Endpoint, EndpointKind
from models.limits import Kind, Limit, LimitScope, Unit, Window

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
DAY = datetime(2026, 11, 30, tzinfo=UTC)


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def go_on(self, **parts: float) -> None:
        self.at += timedelta(**parts)


def limit(**more: Any) -> Limit:
    fields: Mapping[str, Any] = {
        "id": "l1",
        "scope": LimitScope(user_id="u1"),
        "unit": Unit.REQUESTS,
        "window": Window.DAY,
        "amount": Decimal(10),
        "created_at": DAY,
        "created_by": "root",
        **more,
    }
    return Limit(**fields)


def crossing(threshold: int, used: Any, of: Limit | None = None, **more: Any) -> Crossing:
    of = of or limit()
    fields: Mapping[str, Any] = {
        "subject": "user:u1",
        "period_start": DAY,
        "period_end": DAY + timedelta(days=1),
        "used": Decimal(used),
        "allowance": of.amount,
        "counter_id": "c1",
        "user_id": "u1",
        **more,
    }
    return Crossing(limit=of, threshold=threshold, **fields)


SOFT = limit(kind=Kind.SOFT)


async def webhook(alerts: Alerts, url: str, **more: Any) -> tuple[Endpoint, str]:
    """An endpoint, and its secret."""
    endpoint, secret = await alerts.endpoints.create(
        kind=EndpointKind.WEBHOOK, name="hook", url=url, **{"client": None, "by": "root", **more}
    )
    assert secret is not None
    return endpoint, secret


async def sent(alerts: Alerts) -> None:
    """Send what is due, and wait for what comes of it."""
    await alerts.outbox.send_due()
    await alerts.outbox.settled()


async def deliveries_of(database: Database) -> list[Delivery]:
    found = database.reads[DELIVERIES].find().sort("_id")
    return [Delivery.model_validate(each) async for each in found]


async def delivery_of(database: Database) -> Delivery:
    """The only one."""
    (delivery,) = await deliveries_of(database)
    return delivery
