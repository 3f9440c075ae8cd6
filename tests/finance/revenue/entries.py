"""What tests book."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from app.finance.revenue.book import Booked, RevenueBook
from models.revenue import NewRevenue, Revenue, RevenueKind, RevenueSource

_names = count(1)


def utc(month: int, day: int = 1, hour: int = 0, *, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def new(amount: str | int = "20.00", **more: Any) -> NewRevenue:
    """June of anna's subscription, unless other fields say otherwise."""
    at = more.get("at", utc(6))
    fields = {
        "client_id": "shop",
        "user_id": "anna",
        "kind": RevenueKind.SUBSCRIPTION,
        "currency": "USD",
        "at": at,
        "start": at,
        "end": utc(7),
        "source": RevenueSource.MANUAL,
        "source_id": f"n{next(_names)}",
    }
    return NewRevenue(amount=Decimal(amount), **{**fields, **more})


def refund(of: Revenue, amount: str, **more: Any) -> NewRevenue:
    at = more.pop("at", of.at)
    fields = {"client_id": None, "user_id": None, "currency": of.currency, "at": at, "start": at, "end": at}
    return new(amount, **{**fields, "kind": RevenueKind.REFUND, "refunds": of.id, **more})


async def booked(book: RevenueBook, *entries: NewRevenue, client: str | None = None) -> list[Revenue]:
    """Book them, which must succeed."""
    receipts = await receipts_of(book, *entries, client=client)
    assert [one.message for one in receipts] == [None] * len(receipts)
    return [one.entry for one in receipts if one.entry is not None]


async def receipts_of(book: RevenueBook, *entries: NewRevenue, client: str | None = None) -> list[Booked]:
    return await book.book(entries, client=client, by="someone")
