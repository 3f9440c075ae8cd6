"""Price overrides, which take precedence over every price list."""

from datetime import UTC, datetime
from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import NotAllowedError, NotFoundError
from app.pricing.price_book import PriceBook
from models import PriceOverride
from routes.schemas import EndOfOverride, NewOverride, OverrideBody


class PriceController(Controller):
    """Overrides apply to calls at or after their date, in every process within five seconds."""

    path = "/api/admin/prices"
    tags = ("prices",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List the overrides that apply to the caller's calls, including ended ones")
    async def list_overrides(
        self, price_book: NamedDependency[PriceBook], request: Request[Principal, Any, Any]
    ) -> list[OverrideBody]:
        return [OverrideBody.of(override) for override in await _seen(price_book, request.user)]

    @post("/", summary="Add an override")
    async def add_override(
        self, data: JSONBody[NewOverride], price_book: NamedDependency[PriceBook], request: Request[Principal, Any, Any]
    ) -> OverrideBody:
        """409 when another override for the same calls overlaps it. One client's administrator sets that client's."""
        override = await price_book.add(
            model=data.model,
            prices=data.prices,
            effective_from=data.effective_from or datetime.now(UTC),
            effective_to=data.effective_to,
            client_id=own_client(request.user, data.client_id),
            provider=data.provider,
            created_by=request.user.subject,
        )
        return OverrideBody.of(override)

    @post("/{override_id:str}/end", summary="End an override", status_code=200)
    async def end_override(
        self,
        override_id: FromPath[str],
        data: JSONBody[EndOfOverride],
        price_book: NamedDependency[PriceBook],
        request: Request[Principal, Any, Any],
    ) -> OverrideBody:
        """Calls at or after the date are no longer priced by it. Ended at its own start, it never applied."""
        if request.user.client is not None:
            await _check_own(price_book, request.user, override_id)
        ended = await price_book.end(override_id, data.effective_to or datetime.now(UTC))
        return OverrideBody.of(ended)


async def _seen(price_book: PriceBook, principal: Principal) -> list[PriceOverride]:
    """The overrides that can apply to calls of the caller's client."""
    return [
        override
        for override in await price_book.all()
        if principal.client is None or override.client_id in {None, principal.client}
    ]


async def _check_own(price_book: PriceBook, principal: Principal, override_id: str) -> None:
    for override in await _seen(price_book, principal):
        if str(override.id) == override_id:
            if override.client_id is None:
                raise NotAllowedError("only the deployment's administrator can end an override for every client")
            return
    raise NotFoundError(f"there is no override {override_id}")
