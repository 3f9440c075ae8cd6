"""Experiments: what is compared, from when on, and what counts as success."""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import Field, StrictInt, StringConstraints, model_validator
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.analytics import AI_GENERATION
from models.base import StoredDecimal
from models.fields import OLDEST, Name, contradiction
from models.limits import Id
from models.money import ZERO, plain
from models.shape import Shape

EXPERIMENTS = "experiments"
FEWEST_CONVERSIONS = 50
"""Users who converted, below which its conversions are only counted; unless the experiment says another number."""
MOST_VARIANTS = 10
NEWEST = date(9000, 1, 1)

Weight = Annotated[StoredDecimal, Field(gt=0, lt=1, allow_inf_nan=False, max_digits=12)]
Note = Annotated[str, StringConstraints(max_length=1_000)]


class Variant(Shape):
    """One of the ways that are compared."""

    name: Name
    weight: Weight
    """The share of users that should get it; the shares of all variants sum to 1."""


Variants = Annotated[tuple[Variant, ...], Field(min_length=2, max_length=MOST_VARIANTS)]
FewestConversions = Annotated[StrictInt, Field(ge=1, le=1_000_000)]


class Experiment(Shape):
    """One experiment. Its days are those of the deployment's zone. What calls and events say of it is counted from
    their first day on, also what came before it was defined.
    """

    id: Id
    name: Name
    """As calls and events name it."""
    client_id: Name | None = None
    """The only client whose users take part; None for all clients together."""
    variants: Variants
    control: Name
    """The variant that the others are compared with."""
    begins: date
    ends: date | None = None
    """Its last day; None while it is open."""
    conversion_event: Name | None = None
    """The product event that is success; None where costs alone are compared."""
    minimum_conversions: FewestConversions = FEWEST_CONVERSIONS
    note: Note | None = None
    created_at: datetime
    created_by: str
    revision: Annotated[int, Field(ge=1)] = 1
    """Raised with each change."""
    redefined_at: datetime | None = None
    """When what is compared was changed, after it had begun."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [variant.name for variant in self.variants]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise contradiction("variants", f"has {', '.join(twice)} more than once")
        if (total := sum((variant.weight for variant in self.variants), ZERO)) != 1:
            raise contradiction("variants", f"has weights that sum to {plain(total)}; they are shares, and sum to 1")
        if self.control not in names:
            raise contradiction("control", f"is none of the variants: {', '.join(names)}")
        if not OLDEST.date() <= self.begins <= NEWEST:
            raise contradiction("begins", f"must be from {OLDEST.date()} to {NEWEST}")
        if self.ends is not None and not self.begins <= self.ends <= NEWEST:
            raise contradiction("ends", f"must be its last day, from {self.begins} (when it begins) to {NEWEST}")
        if self.conversion_event == AI_GENERATION:
            reason = f"must not be {AI_GENERATION}, which each call is: name a product event"
            raise contradiction("conversion_event", reason)
        return self


INDEXES: dict[str, list[IndexModel]] = {
    EXPERIMENTS: [
        IndexModel([("name", ASCENDING), ("clientId", ASCENDING)], name="named", unique=True),
        IndexModel([("createdAt", DESCENDING), ("_id", DESCENDING)], name="newest"),
    ]
}
