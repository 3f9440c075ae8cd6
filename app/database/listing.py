"""Lists of documents, the newest first, page by page."""

from datetime import datetime

from models.documents import Document

After = tuple[datetime, str]
"""When the last one of the page before was made, and its `_id`."""


def newest_first(made: str) -> list[tuple[str, int]]:
    """The order by a field that says when each was made."""
    return [(made, -1), ("_id", -1)]


def following(made: str, after: After | None) -> Document:
    """Matches those behind one in this order; all, where it is None."""
    if after is None:
        return {}
    moment, last = after
    return {"$or": [{made: {"$lt": moment}}, {made: moment, "_id": {"$lt": last}}]}
