"""Where an import reads from, and what it gets for each row."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Protocol

from app.errors import InvalidRequestError


class Row(NamedTuple):
    """One row: its values by column, or what is wrong with it."""

    line: str
    """Where a person finds it: `line 7` or `_id 65a1…`."""
    after: Any
    """The place after it, as a checkpoint keeps it."""
    values: dict[str, Any] | None
    fault: str = ""
    size: int = 1
    """In the measure of its source."""


class Source(Protocol):
    """A file or a collection. What is wrong with it as a whole raises InvalidRequestError, naming it."""

    @property
    def name(self) -> str:
        """For people; it contains no password."""
        ...

    @property
    def identity(self) -> str:
        """What an interrupted import must find unchanged to resume; it contains no password either."""
        ...

    @property
    def measure(self) -> str:
        """What `total` and the sizes of rows count: bytes or rows."""
        ...

    async def check(self) -> None:
        """Check what can be seen at once: that it can be read, and has the columns of the mapping."""
        ...

    async def total(self) -> int:
        """About how much there is, for the progress."""
        ...

    def pages(self, after: Any, size: int) -> AsyncIterator[list[Row]]:
        """Its rows after `after`, some at a time, in a stable order."""
        ...


def broken(name: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name}: {why}")
