"""Stripe's API, by its own package: objects as they are now."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, NamedTuple, cast

from app.errors import AppError
from app.finance.stripe.values import Object
from app.http.serialization import decode

SECONDS = 10.0
"""How long one request may take, with what it is sent again for."""
PAGE = 100
RETRIES = 1
MISSING = 404
REFUSED = frozenset({401, 403})

PATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "subscription": (
        "subscriptions",
        ("discounts.source.coupon.applies_to", "items.data.discounts", "items.data.price.tiers"),
    ),
    "invoice": ("invoices", ("payments",)),
    "invoice_payment": ("invoice_payments", ()),
    "refund": ("refunds", ()),
    "dispute": ("disputes", ()),
    "credit_note": ("credit_notes", ()),
    "charge": ("charges", ()),
    "customer": ("customers", ()),
    "price": ("prices", ("tiers",)),
    "coupon": ("coupons", ("applies_to",)),
    "checkout.session": ("checkout/sessions", ()),
}
"""Where objects of a kind are, and what of them is asked for beside what they have anyway."""


class StripeUnavailableError(AppError):
    """Stripe's API does not answer, or refuses the key. Nothing of what was asked for was done."""

    status = 503
    title = "Stripe unavailable"
    default_headers: ClassVar[dict[str, str]] = {"Retry-After": "30"}


class Fetched(NamedTuple):
    """An object, and when it was so by Stripe's clock."""

    object: Object
    at: datetime


class Api:
    """One per process, made where a key is set."""

    def __init__(self, key: str, base: str | None = None) -> None:
        import stripe  # noqa: PLC0415 - takes 0.2 s and 30 MB

        self._http = stripe.HTTPXClient(timeout=SECONDS)
        self._client = stripe.StripeClient(
            key,
            http_client=self._http,
            max_network_retries=RETRIES,
            base_addresses=None if base is None else {"api": base},
        )
        self._error = stripe.StripeError

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def one(self, kind: str, id_: str) -> Fetched | None:
        """An object as it is now, whole; None where there is none. Raises StripeUnavailableError."""
        path, expand = PATHS[kind]
        found = await self._get(f"/v1/{path}/{id_}", expand=list(expand) or None)
        if found is None or found.object.get("deleted"):
            return None
        await self.complete(found.object)
        return found

    async def complete(self, object_: Object) -> None:
        """Have all lines of an invoice or a credit note, and all items of a subscription."""
        for name in ("lines", "items"):
            there = object_.get(name)
            if not isinstance(there, dict) or not there.get("has_more"):
                continue
            path, _ = PATHS[object_["object"]]
            if name == "lines":
                address, chosen = f"/v1/{path}/{object_['id']}/lines", {}
            else:
                address, chosen = "/v1/subscription_items", {"subscription": object_["id"]}
            rows = [row async for page in self.pages(address, None, **chosen) for row in page.rows]
            object_[name] = {"data": rows, "has_more": False}

    async def all_of(self, kind: str, after: str | None, **chosen: Any) -> AsyncIterator["Page"]:
        """Every object of a kind, the newest first, page by page, behind the one named."""
        path, expand = PATHS[kind]
        expanded = [f"data.{name}" for name in expand if name.count(".") < 3] or None  # noqa: PLR2004 - Stripe's limit
        async for page in self.pages(f"/v1/{path}", after, expand=expanded, **chosen):
            for row in page.rows:
                await self.complete(row)
            yield page

    async def pages(self, address: str, after: str | None, **chosen: Any) -> AsyncIterator["Page"]:
        """Raises StripeUnavailableError."""
        while True:
            found = await self._get(address, limit=PAGE, starting_after=after, **chosen)
            rows = [] if found is None else found.object.get("data") or []
            if found is None or not rows:
                return
            after = rows[-1]["id"]
            yield Page(rows, found.at, after)
            if not found.object.get("has_more"):
                return

    async def _get(self, address: str, **given: Any) -> Fetched | None:
        given = {name: value for name, value in given.items() if value is not None}
        try:
            async with asyncio.timeout(SECONDS):
                response = await self._client.raw_request_async("get", address, **given)
        except TimeoutError:
            raise StripeUnavailableError("Stripe does not answer in time: send this again later") from None
        except self._error as error:
            if error.http_status == MISSING:
                return None
            if error.http_status in REFUSED:
                message = "Stripe refuses TWINMETER_STRIPE_API_KEY: it needs to read what docs/finance.md lists"
                raise StripeUnavailableError(message) from None
            raise StripeUnavailableError("Stripe does not answer: send this again later") from None
        content = decode(cast("str", response.body).encode())
        return Fetched(content, _date_of(response.headers))


class Page(NamedTuple):
    """Some objects, and the id of the last one."""

    rows: list[Object]
    at: datetime
    after: str


def _date_of(headers: Any) -> datetime:
    """By Stripe's clock: ours may be behind it, and an event's moment is of Stripe's."""
    try:
        return parsedate_to_datetime(headers["date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return datetime.now(UTC)
