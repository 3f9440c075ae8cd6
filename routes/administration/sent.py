"""What bodies of requests share that make plans, subscriptions and grants, or change them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from models.base import camel

PlanName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""Of a plan: what programs call it."""


class Sent(BaseModel):
    """The base of what is sent."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid")

    def given(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


def fixed(sent: Any, fields: tuple[str, ...], reason: str) -> Any:
    """What was sent, where none of these fields is in it. Raises PydanticCustomError."""
    for field in fields:
        if isinstance(sent, dict) and field in sent:
            raise PydanticCustomError("fixed", "{reason}", {"field": field, "reason": reason})
    return sent
