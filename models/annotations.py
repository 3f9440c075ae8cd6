"""What people keep of the pages: notes on the time line, and views to come back to."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.fields import Name
from models.limits import Id
from models.shape import Shape

NOTES = "notes"
VIEWS = "saved_views"

_LINE = re.compile(r"^[^\x00-\x1f\x7f]*$").pattern
NoteText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)]
ViewName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_LINE)]
ViewAddress = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^/admin(/[a-z-]+){0,2}(\?[^\s#]*)?$")]
"""Path and query of a page, without the prefix of a proxy."""


class Note(Shape):
    """What happened at a time, such as "deployed v2": every chart over that time shows it. It is text, never markup."""

    id: Id
    at: datetime
    text: NoteText
    client_id: Name | None = None
    """The only client that it is about; None for the whole deployment."""
    created_at: datetime
    created_by: str


class SavedView(Shape):
    """A page with its period and filters, under a name."""

    id: Id
    name: ViewName
    address: ViewAddress
    shared: bool = False
    """Seen by all administrators of the same client, else by who made it alone."""
    client_id: Name | None = None
    """The only client that its maker administers; None for all."""
    created_at: datetime
    created_by: str


INDEXES: dict[str, list[IndexModel]] = {
    NOTES: [IndexModel([("at", DESCENDING), ("_id", DESCENDING)], name="newest")],
    VIEWS: [IndexModel([("createdBy", ASCENDING)], name="maker")],
}
