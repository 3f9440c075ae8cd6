"""What an API key lets its bearer ask of the gateway."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from models.fields import Name
from models.globs import matches
from models.shape import Shape

MOST_MODELS = 100
HOUR, WEEK = 3_600, 604_800


class OnDisconnect(StrEnum):
    """What becomes of a call whose client leaves before it has the whole answer."""

    DRAIN = "drain"
    """The answer is read on, within bounds, so that what it used is known."""
    CANCEL = "cancel"
    """The upstream is told at once. What was used is estimated, and what was held stays held until it expires."""


class KeyPolicy(Shape):
    """Of a key with the scope `gateway`."""

    models: Annotated[tuple[Name, ...] | None, Field(min_length=1, max_length=MOST_MODELS)] = None
    """The models that it may use, by the names that its bearer gives them; `*` stands for any text. None for all."""
    user_from_body: StrictBool = False
    """Whether the body may name the end user (`user`, `metadata.user_id`), where no header does."""
    cache: StrictBool = False
    """Whether answers are kept, and given again to who asks the same."""
    cache_seconds: Annotated[StrictInt, Field(ge=1, le=WEEK)] = HOUR
    cache_tools: StrictBool = False
    """Whether that holds for calls with tools too."""
    on_disconnect: OnDisconnect = OnDisconnect.DRAIN
    content_type: Name | None = None
    """The content type of calls that name none; None for that of the operation, such as `chat`."""

    def allows(self, model: str) -> bool:
        """Whether a model may be used, by the name that the client gives it."""
        return self.models is None or any(matches(glob, model) for glob in self.models)
