"""Pages of administrators' lists, the newest first: a cursor names the last one of a page."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any, Protocol, TypeVar

from litestar.params import QueryParameter

from app.database.listing import After
from app.errors import invalid
from app.reports.cursors import decoded, encoded

MOST = 200

PageSize = Annotated[int, QueryParameter(name="limit", ge=1, le=MOST, description=f"At most so many; up to {MOST}.")]
Item = TypeVar("Item", bound="Named")


class Named(Protocol):
    """What is listed."""

    @property
    def id(self) -> str: ...


def after_of(cursor: str | None) -> After | None:
    """Where a page begins; None for the first. Raises InvalidRequestError for what is no cursor of such a list."""
    if cursor is None:
        return None
    position = decoded(cursor)
    try:
        at, last = datetime.fromisoformat(position["at"]).astimezone(UTC), position["id"]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _of_another_list() from error
    if not isinstance(last, str):
        raise _of_another_list()
    return at, last


def page_of(
    found: Sequence[Item], size: int, made: Callable[[Any], datetime] = attrgetter("created_at")
) -> tuple[Sequence[Item], str | None]:
    """A page of so many, and the cursor of the next one; None where there is none. `found` has one more where there is.
    `made`: when an item was.
    """
    page = found[:size]
    if len(found) <= size:
        return page, None
    return page, encoded({"at": made(page[-1]).isoformat(), "id": page[-1].id})


def _of_another_list() -> Exception:
    message = "belongs to another list; start without a cursor"
    return invalid("cursor", message)
