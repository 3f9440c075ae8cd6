"""What an application reports of its users beside AI calls: that one of them bought, upgraded, or saw a variant."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator

from models.analytics import AI_GENERATION
from models.base import camel
from models.call import DEFAULT_CLIENT
from models.fields import Metadata, Moment, Name, check_experiment, contradiction, fault_of_moment
from models.money import quantize_usd
from models.rollups import EVERYONE

RESERVED = "ai_"
"""With this begin the names of events that twinmeter itself writes."""
MOST_VALUE = 1_000_000_000

Value = Annotated[Decimal, Field(ge=-MOST_VALUE, le=MOST_VALUE, allow_inf_nan=False), AfterValidator(quantize_usd)]
"""USD, with the 15 decimals that are stored; what is given back is below zero."""


class ProductEvent(BaseModel):
    """One product event as its caller reports it. Over HTTP the names are camelCase."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid", frozen=True)

    user_id: Name
    event: Name
    """What happened, such as `purchase`."""
    client_id: Name = DEFAULT_CLIENT
    request_id: Name | None = None
    """Identifies the event: the same id, reported again for the same client, counts once."""
    clerk_user_id: Name | None = None
    experiment: Name | None = None
    """The experiment that the user takes part in; with `variant`."""
    variant: Name | None = None
    value: Value | None = None
    """What it was worth, in USD."""
    properties: Metadata | None = None
    synthetic: StrictBool = False
    created_at: Moment | None = None
    """When it happened; now, when left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.created_at is not None and (reason := fault_of_moment(self.created_at)):
            raise contradiction("created_at", reason)
        if self.client_id == EVERYONE:
            raise contradiction("client_id", f"must not be {EVERYONE}, which stands for all clients")
        if self.event == AI_GENERATION:
            reason = "is written by twinmeter itself, one for each call: report the call at /api/ai/track"
            raise contradiction("event", reason)
        if self.event.casefold().startswith(RESERVED):
            raise contradiction("event", f"must not begin with {RESERVED}: such names are twinmeter's own")
        check_experiment(self.experiment, self.variant)
        return self
