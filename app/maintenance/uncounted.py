"""What maintenance tells limits of the entries that it changes, in the same transaction."""

from collections.abc import Iterable

from app.database import Database, Session
from app.ledger.uncounted import changes_of
from models.counters import UNCOUNTED
from models.documents import Document


async def tell_limits(
    database: Database, before: Iterable[Document], after: Iterable[Document], session: Session | None
) -> None:
    """Entries that were `before` what they are `after`: counters follow with the next fold. Raises PyMongoError."""
    if session is not None and (changes := changes_of(before, after)) is not None:
        await database.writes[UNCOUNTED].insert_one(changes, session=session)
