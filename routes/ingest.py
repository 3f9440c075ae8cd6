"""What the routes share through which calls come in: who reports them, for whom, and how a fault of one is told."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.auth.ownership import owned
from app.auth.principals import Principal
from app.errors import InvalidRequestError, TooManyRequestsError
from app.http.batches import BadRow
from app.tracking import AICall, Fault, Tracker
from models.base import camel
from models.faults import faults_of


def call_of(row: Any, principal: Principal, header_user: str | None) -> AICall | list[Fault]:
    """The call that a decoded row reports, or all that is wrong with it."""
    if isinstance(row, BadRow):
        return [Fault("", row.message)]
    if not isinstance(row, dict):
        return [Fault("", "a call is a JSON object")]
    try:
        return AICall.model_validate(owned(principal, row, header_user))
    except ValidationError as error:
        return faults_of(error)
    except InvalidRequestError as error:
        return [Fault(fault["field"], fault["message"]) for fault in error.errors]


def check_room(tracker: Tracker, calls: int) -> None:
    """Raises TooManyRequestsError, before anything is handled, where the queue would not take so many calls."""
    if tracker.room < calls:
        raise TooManyRequestsError("this process has more calls in its queue than it can hold; send this again")


def refusal(faults: Sequence[Fault]) -> InvalidRequestError:
    """That a report is no call, with every fault."""
    errors = [{"field": camel(field), "message": message} for field, message in faults]
    detail = "; ".join(f"{error['field'] or 'the body'}: {error['message']}" for error in errors)
    return InvalidRequestError(detail, errors=errors)
