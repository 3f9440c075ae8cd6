"""An entry for a change, written in its transaction: there is never the one without the other."""

from bson import ObjectId

from app.audit.acting import actor_here
from app.database import Database, Session
from models.audit import AUDIT, AuditEntry, Target
from models.documents import Document
from models.moments import moment_now
from models.shape import FOUND_BY, Shape, stored_value

SECRETS = ("hash", "secrets", "sealedUrl")
"""Fields that give something away. That they were changed is said, never what they are."""
HIDDEN, ANOTHER = "(secret)", "(another secret)"
_UNTOLD = {"_id", "id", "revision", "schemaVersion", *FOUND_BY}
"""What says nothing beside the target."""

Changed = Shape | Document | None
"""A definition, or its stored fields."""


async def record(
    database: Database,
    session: Session | None,
    action: str,
    target: Target,
    *,
    before: Changed = None,
    after: Changed = None,
) -> None:
    """Record what whoever acts in this task does: `before` is None for what is made. The server's own work is not
    recorded, nor is what changes nothing. Raises PyMongoError.
    """
    if (actor := actor_here()) is None:
        return
    old, new = differing(_fields(before), _fields(after))
    if before is not None and after is not None and not (old or new):
        return
    entry = AuditEntry(
        id=str(ObjectId()), at=moment_now(), actor=actor, action=action, target=target, before=old, after=new
    )
    await database.writes[AUDIT].insert_one(entry.stored(), session=session)


def differing(before: Document | None, after: Document | None) -> tuple[Document | None, Document | None]:
    """Of two states of the same thing the fields in which they differ, without secrets; all of one that has no other.
    A field that is missing in one of them is null there.
    """
    if before is None or after is None:
        return _told(before), _told(after)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    old, new = ({name: side.get(name) for name in names} for side in (before, after))
    secret = {name for name in SECRETS if old.get(name) is not None and new.get(name) is not None}
    return _told(old), _told(new, dict.fromkeys(secret, ANOTHER))


def _fields(changed: Changed) -> Document | None:
    fields = changed.stored() if isinstance(changed, Shape) else stored_value(changed)
    return None if fields is None else {name: value for name, value in fields.items() if name not in _UNTOLD}


def _told(fields: Document | None, secrets: Document | None = None) -> Document | None:
    if fields is None:
        return None
    hidden = {name: HIDDEN for name in SECRETS if fields.get(name) is not None}
    return fields | hidden | (secrets or {})
