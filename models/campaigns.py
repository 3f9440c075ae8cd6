"""Campaigns: what calls name by `campaignId`, with dates, an owner and a budget."""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.fields import OLDEST, Name, contradiction
from models.limits import Amount, Id
from models.shape import Shape

CAMPAIGNS = "campaigns"
NEWEST = date(9000, 1, 1)


def _plain(text: str) -> str:
    """Pages escape what they show; mails, tables and systems that read this may not."""
    if "<" in text or ">" in text:
        raise PydanticCustomError("markup", "must be plain text, without < and >")
    return text


PlainName = Annotated[Name, AfterValidator(_plain)]
Note = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_plain)]


class Campaign(Shape):
    """One campaign. Its days are those of the deployment's zone: reports begin with them, and they exclude no call."""

    id: Id
    campaign_id: PlainName
    """As calls name it."""
    client_id: Name | None = None
    """The only client whose calls count; None for all clients together."""
    name: PlainName
    owner: PlainName | None = None
    """Who answers for it."""
    begins: date
    ends: date | None = None
    """Its last day; None while it is open."""
    budget: Amount | None = None
    """In USD, for all calls that name it, whenever."""
    limit: str | None = None
    """The id of the limit that the budget is."""
    note: Note | None = None
    created_at: datetime
    created_by: str
    revision: Annotated[int, Field(ge=1)] = 1
    """Raised with each change."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not OLDEST.date() <= self.begins <= NEWEST:
            raise contradiction("begins", f"must be from {OLDEST.date()} to {NEWEST}")
        if self.ends is not None and not self.begins <= self.ends <= NEWEST:
            raise contradiction("ends", f"must be its last day, from {self.begins} (when it begins) to {NEWEST}")
        if self.budget is not None and not self.budget:
            raise contradiction("budget", "must be above 0 USD; null is no budget")
        return self


INDEXES: dict[str, list[IndexModel]] = {
    CAMPAIGNS: [
        IndexModel([("campaignId", ASCENDING), ("clientId", ASCENDING)], name="named", unique=True),
        IndexModel([("createdAt", DESCENDING), ("_id", DESCENDING)], name="newest"),
    ]
}
