"""What the ingest routes share: who reports calls, for whom, and how their faults are reported."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.auth.ownership import owned
from app.auth.principals import Principal
from app.errors import InvalidRequestError, TooManyRequestsError
from app.http.batches import BadRow
from app.tracking import AICall, Fault, Tracker
from models.base import camel
from models.faults import MOST_FAULTS, faults_of


def call_of(row: Any, principal: Principal, header_user: str | None, most: int = MOST_FAULTS) -> AICall | list[Fault]:
    """The call that a decoded row reports, or what is wrong with it: so many faults, and the number of others."""
    if isinstance(row, BadRow):
        return [Fault("", row.message)]
    if not isinstance(row, dict):
        return [Fault("", "a call must be a JSON object")]
    try:
        return AICall.model_validate(owned(principal, row, header_user))
    except ValidationError as error:
        return faults_of(error, most)
    except InvalidRequestError as error:
        return [Fault(fault["field"], fault["message"]) for fault in error.errors]


def check_room(tracker: Tracker, calls: int) -> None:
    """Raises TooManyRequestsError, before anything is handled, where the queue has no room for this many calls."""
    if tracker.room < calls:
        raise TooManyRequestsError("the queue of this process is full; send this again in a second")


def refusal(faults: Sequence[Fault]) -> InvalidRequestError:
    """The error for a report that is not a valid call, with every fault."""
    errors = [{"field": camel(field), "message": message} for field, message in faults]
    detail = "; ".join(f"{error['field'] or 'the body'}: {error['message']}" for error in errors)
    return InvalidRequestError(detail, errors=errors)
