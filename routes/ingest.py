"""What the ingest routes share: who reports calls, for whom, and how their faults are reported."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from litestar import Request
from litestar.datastructures import State
from pydantic import ValidationError

from app.auth.ownership import owned
from app.auth.principals import Principal
from app.errors import InvalidRequestError
from app.http.batches import BadRow
from app.http.bodies import encoding
from app.http.preferences import preferred_wait
from app.http.serialization import JSON
from app.tracking import AICall, Fault, Tracker
from app.tracking.intake import SHORTEST_SECONDS, Kind
from app.tracking.tracker import Call
from app.usage.sent import has_usage, in_plain_fields
from models.base import camel
from models.faults import MOST_FAULTS, faults_of


def call_of(
    row: Any, tracker: Tracker, principal: Principal, header_user: str | None, most: int = MOST_FAULTS
) -> Call | list[Fault]:
    """The call that a decoded row reports, or what is wrong with it: so many faults, and the number of others."""
    if isinstance(row, BadRow):
        return [Fault("", row.message)]
    if not isinstance(row, dict):
        return [Fault("", "a call must be a JSON object")]
    try:
        sent = owned(principal, row, header_user)
        if has_usage(sent):
            fields = in_plain_fields(sent)
            return tracker.common(fields) or AICall.model_validate(fields)
        return tracker.common_sent(sent) or AICall.model_validate(sent)
    except ValidationError as error:
        return faults_of(error, most)
    except InvalidRequestError as error:
        return [Fault(fault["field"], fault["message"]) for fault in error.errors]


class Patience(NamedTuple):
    """How long the sender of a request waits for its calls to be committed."""

    seconds: float
    headers: dict[str, str]
    """Of the answer: what was applied of the request's preference."""


def patience_of(request: Request[Any, Any, Any]) -> Patience:
    """The deadline of the doors, or less where the request says so with `Prefer: wait=`."""
    return patience_with(request.app.state, request.headers.get("prefer"))


def patience_with(state: State, prefer: str | None) -> Patience:
    """The same, by what a `Prefer` header says."""
    longest: float = state.settings.door_deadline_seconds
    wait = preferred_wait(prefer)
    if wait is None:
        return Patience(longest, {})
    applied = min(wait, longest)
    return Patience(max(applied, SHORTEST_SECONDS), {"Preference-Applied": f"wait={applied:g}"})


def sender_of(principal: Principal) -> str:
    """Among whom calls are queued fairly: clients, with however many keys and tokens; and administrators."""
    return principal.client or principal.subject


def kind_of(request: Request[Principal, Any, Any], door: str) -> Kind:
    """The bodies that this one should be like."""
    media_type, _ = request.content_type
    # of all the names for JSON one: what is remembered by it is neither long nor of any number
    content = "json" if JSON.fullmatch(media_type) else media_type
    return Kind(sender_of(request.user), door, f"{content} {encoding(request.headers)}")


def refusal(faults: Sequence[Fault]) -> InvalidRequestError:
    """The error for a report that is not a valid call, with every fault."""
    errors = [{"field": camel(field), "message": message} for field, message in faults]
    detail = "; ".join(f"{error['field'] or 'the body'}: {error['message']}" for error in errors)
    return InvalidRequestError(detail, errors=errors)
