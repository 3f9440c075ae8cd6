"""Prices that administrators set: they take precedence over every price list."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pymongo import ASCENDING, IndexModel

from models.base import StoredDecimal, StoredDocument, camel

Price = Annotated[StoredDecimal, Field(ge=0, le=1_000_000, max_digits=28, decimal_places=15, allow_inf_nan=False)]


class UnitPrices(BaseModel):
    """USD by unit; `mtok` is a million tokens. A kind of token without a price of its own is billed as its total."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid", frozen=True)

    input_mtok: Price | None = None
    output_mtok: Price | None = None
    cache_read_mtok: Price | None = None
    cache_write_mtok: Price | None = None
    cache_write_1h_mtok: Price | None = None
    input_audio_mtok: Price | None = None
    output_audio_mtok: Price | None = None
    input_image_mtok: Price | None = None
    output_image_mtok: Price | None = None
    requests_kcount: Price | None = None
    """A thousand calls."""
    image: Price | None = None
    video_second: Price | None = None
    audio_second: Price | None = None
    character: Price | None = None

    @model_validator(mode="after")
    def _some_price(self) -> "UnitPrices":
        if not self.given():
            raise ValueError("give at least one price")
        return self

    def given(self) -> dict[str, Decimal]:
        """The prices that are set, by attribute."""
        return {name: price for name in type(self).model_fields if (price := getattr(self, name)) is not None}


class PriceOverride(StoredDocument):
    """The prices of one model for calls from `effective_from` up to `effective_to`, for one client or for all."""

    client_id: str | None
    """None for every client. One client's own override comes before those for all."""
    provider: str | None
    """None for the model at any provider."""
    model: str
    """As calls name it; upper and lower case are the same."""
    prices: UnitPrices
    effective_from: datetime
    effective_to: datetime | None
    created_at: datetime
    created_by: str

    class Settings:
        """Stored name, and the index that a check for overlaps needs."""

        name = "prices"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("model", ASCENDING), ("effectiveFrom", ASCENDING)], name="model_from"),
        ]
