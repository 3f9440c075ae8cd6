"""What was tried for one call: each provider that the gateway asked, in order."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from models.base import camel
from models.fields import Milliseconds, Name

MOST_ATTEMPTS = 10


class Attempt(BaseModel):
    """One upstream that was asked, and how that ended."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid", frozen=True)

    upstream: Name
    """By the name that the deployment gives it."""
    model: Name
    """That it was asked for."""
    status: Annotated[int, Field(strict=True, ge=100, le=599)] | None = None
    """Of its HTTP answer; None where none came."""
    reason: Name | None = None
    """Why it was not the last, or gave no whole answer, in one word; None of one that answered."""
    milliseconds: Milliseconds = 0
    """Until its answer began, or did not."""

    def stored(self) -> dict[str, str | int]:
        """As the ledger has it."""
        told = {name: getattr(self, name) for name in type(self).model_fields}
        return {camel(name): value for name, value in told.items() if value is not None}


Attempts = Annotated[tuple[Attempt, ...], Field(max_length=MOST_ATTEMPTS)]
