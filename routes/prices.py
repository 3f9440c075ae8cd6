"""Administrators' own prices, which come before every price list."""

from datetime import UTC, datetime
from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.auth import Principal, Role, requires
from app.tracking import Tracker
from routes.schemas import EndOfOverride, NewOverride, OverrideBody


class PriceController(Controller):
    """Overrides hold for calls at or after their date, in every process within five seconds."""

    path = "/api/admin/prices"
    tags = ("prices",)
    guards = (requires(Role.ADMIN),)

    @get("/", summary="Every override, ended ones too")
    async def list_overrides(self, tracker: NamedDependency[Tracker]) -> list[OverrideBody]:
        return [OverrideBody.of(override) for override in await tracker.price_book.all()]

    @post("/", summary="Add an override")
    async def add_override(
        self, data: JSONBody[NewOverride], tracker: NamedDependency[Tracker], request: Request[Principal, Any, Any]
    ) -> OverrideBody:
        """409 where another override for the same calls overlaps it."""
        override = await tracker.price_book.add(
            model=data.model,
            prices=data.prices,
            effective_from=data.effective_from or datetime.now(UTC),
            effective_to=data.effective_to,
            client_id=data.client_id,
            provider=data.provider,
            created_by=request.user.subject,
        )
        return OverrideBody.of(override)

    @post("/{override_id:str}/end", summary="End an override", status_code=200)
    async def end_override(
        self, override_id: FromPath[str], data: JSONBody[EndOfOverride], tracker: NamedDependency[Tracker]
    ) -> OverrideBody:
        """Calls at or after the date are no longer priced by it. Ended at its own start, it never held."""
        ended = await tracker.price_book.end(override_id, data.effective_to or datetime.now(UTC))
        return OverrideBody.of(ended)
