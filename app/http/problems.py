"""Every error as `application/problem+json` (RFC 9457), with the fields at fault under `errors`."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pydantic
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from pymongo.errors import PyMongoError

from app.database.outages import is_outage
from app.errors import AppError, DatabaseUnavailableError, InvalidRequestError
from app.http.serialization import ExactResponse
from app.observability.logs import Log
from models.base import camel
from models.faults import faults_of

AnyRequest = Request[Any, Any, Any]
Problem = ExactResponse[dict[str, Any]]

PROBLEM_JSON = "application/problem+json"

log = Log(__name__)


MAX_CAUSE = 500
"""Characters."""
DISCONNECTED = "client disconnected prematurely"
"""How Litestar reports that a client disconnected while it sent its request."""


def problem(
    status: int, title: str, detail: str, *, errors: list[Any] | None = None, headers: dict[str, str] | None = None
) -> Problem:
    """One problem. `errors` are `{"field": name, "message": reason}` each."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    return Problem(body, status_code=status, media_type=PROBLEM_JSON, headers=headers)


def _of_ours(_: AnyRequest, error: AppError) -> Problem:
    if "Retry-After" in error.headers and error.logged:
        # what lies below, such as the driver's view of the servers, is for the log alone
        log.warning("request.refused", status=error.status, error=error.detail, cause=_cause(error))
    body = problem_of(error)
    return Problem(body, status_code=error.status, media_type=PROBLEM_JSON, headers=error.headers)


def problem_of(error: AppError) -> dict[str, Any]:
    """The body that reports an error of ours."""
    body = {"type": error.problem_type, "title": error.title, "status": error.status, "detail": error.detail}
    if error.errors:
        body["errors"] = error.errors
    return {**body, **error.members}


def _cause(error: BaseException) -> str | None:
    return None if error.__cause__ is None else str(error.__cause__)[:MAX_CAUSE]


def _of_litestar(request: AnyRequest, error: HTTPException) -> Problem:
    for cause in _causes(error):
        if isinstance(cause, AppError):
            return _of_ours(request, cause)
        if isinstance(cause, pydantic.ValidationError):
            return _of_body(cause)
    if error.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
        if error.detail == DISCONNECTED:
            log.info("request.abandoned", method=request.method, path=request.url.path)
            return problem(error.status_code, "Abandoned", error.detail)  # nobody is left to read it
        return _unexpected(request, error)
    detail, errors = _described(error)
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = "the body is larger than this route accepts"
    title = InvalidRequestError.title if errors else HTTPStatus(error.status_code).phrase
    return problem(error.status_code, title, detail, errors=errors, headers=error.headers)


def _of_body(error: pydantic.ValidationError) -> Problem:
    errors = [{"field": _json_name(fault.field), "message": fault.message} for fault in faults_of(error)]
    detail = "; ".join(f"{fault['field'] or 'the body'}: {fault['message']}" for fault in errors)
    return problem(HTTPStatus.BAD_REQUEST, InvalidRequestError.title, detail, errors=errors)


def _described(error: HTTPException) -> tuple[str, list[Any]]:
    """Litestar lists the parameters at fault in `extra`, under names of its own."""
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [{"field": _json_name(fault.get("key", "")), "message": fault.get("message", "")} for fault in extra]
    if not errors:
        return error.detail, []
    return "; ".join(f"{fault['field']}: {fault['message']}" for fault in errors), errors


def _of_driver(request: AnyRequest, error: PyMongoError) -> Problem:
    """Where nobody below said what an outage means there."""
    if not is_outage(error):
        return _unexpected(request, error)
    unavailable = DatabaseUnavailableError("MongoDB does not answer; try again shortly")
    unavailable.__cause__ = error
    return _of_ours(request, unavailable)


def _unexpected(request: AnyRequest, error: Exception) -> Problem:
    log.error("request.failed", method=request.method, path=request.url.path, exc_info=error)
    detail = "An unexpected error; the server's log has the details."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error", detail)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _json_name(field: str) -> str:
    """A field as the client knows it: our name for `from` is another one, because Python keeps that word."""
    first, dot, rest = field.partition(".")
    return {"first": "from", "last": "to"}.get(first, camel(first)) + dot + rest


HANDLERS: ExceptionHandlersMap = {
    AppError: _of_ours,
    HTTPException: _of_litestar,
    PyMongoError: _of_driver,
    Exception: _unexpected,
}
"""By kind of error, the default response of every route."""
