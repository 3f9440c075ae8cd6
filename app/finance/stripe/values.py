"""Values within Stripe's objects: moments, ids, lists, and whose something is. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.finance.stripe.facts import Whose
from models.fields import Name

Object = dict[str, Any]

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def moment(seconds: object) -> datetime | None:
    """Of Stripe's seconds."""
    return None if seconds is None else datetime.fromtimestamp(int(str(seconds)), UTC)


def id_of(reference: object) -> str | None:
    """Of what may be an id, or the object with it."""
    if isinstance(reference, dict):
        return reference.get("id")
    return reference if isinstance(reference, str) else None


def required_moment(seconds: object) -> datetime:
    """The same. Raises ValueError where there is none."""
    found = moment(seconds)
    if found is None:
        raise ValueError("a moment is missing")
    return found


def name_of(value: object) -> str | None:
    """A name as it is kept; None for what can be none."""
    try:
        return _NAME.validate_python(value)
    except ValidationError:
        return None


def whose(metadata: object, user: object = None) -> Whose | None:
    """Whose it is by its metadata, else by the `user` that is known otherwise. Names that none can have are none."""
    named = metadata if isinstance(metadata, dict) else {}
    user_id, client_id = name_of(named.get("userId")) or name_of(user), name_of(named.get("clientId"))
    return None if user_id is None and client_id is None else Whose(user_id=user_id, client_id=client_id)


def rows_of(value: object) -> list[Any]:
    """Of a list object, of a list, or of nothing."""
    if isinstance(value, dict):
        value = value.get("data")
    return value if isinstance(value, list) else []


def ids_of(values: Iterable[object]) -> tuple[str, ...]:
    """Of several, each once."""
    return tuple(dict.fromkeys(found for each in values if (found := id_of(each))))
