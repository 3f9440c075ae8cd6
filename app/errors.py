"""Expected errors: each says what happened and the way out, and carries its HTTP status and headers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

AGAIN_IN_A_SECOND = {"Retry-After": "1"}


class AppError(Exception):
    """An error that a caller can act on. Over HTTP it becomes `application/problem+json` (RFC 9457)."""

    status = 500
    title = "Internal error"
    default_headers: ClassVar[Mapping[str, str]] = {}
    """Headers of every response that reports such an error."""
    problem_type: ClassVar[str] = "about:blank"
    """What kind of problem it is, as a URI."""
    members: Mapping[str, Any] = {}
    """Further members of the problem: what a caller needs to act on it."""
    logged: ClassVar[bool] = True
    """Whether each that asks to come again is a line in the log."""

    def __init__(self, detail: str, *, errors: Sequence[Any] = (), headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        """Faults, each `{"field": ..., "message": ...}`."""
        self.headers = {**self.default_headers, **(headers or {})}
        """Headers of the response that reports this one."""


class ConfigurationError(AppError):
    """A setting or a file that it names cannot be used. Ends the start-up."""

    title = "Configuration error"


class InvalidRequestError(AppError):
    """A parameter or a body that cannot be used."""

    status = 400
    title = "Invalid request"


def invalid(field: str, message: str) -> InvalidRequestError:
    """The error for one parameter that cannot be used; `message` says what can."""
    return InvalidRequestError(f"{field} {message}", errors=[{"field": field, "message": message}])


class NotAuthenticatedError(AppError):
    """No credentials, or none that are valid."""

    status = 401
    title = "Not authenticated"
    default_headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class NotAllowedError(AppError):
    """Known, but not entitled to this."""

    status = 403
    title = "Not allowed"


class NotFoundError(AppError):
    """What was named does not exist."""

    status = 404
    title = "Not found"


class RequestTimeoutError(AppError):
    """The client did not send its request in time."""

    status = 408
    title = "Request timeout"


class ConflictError(AppError):
    """What was requested contradicts what is there."""

    status = 409
    title = "Conflict"


class BodyTooLargeError(AppError):
    """A body over its cap."""

    status = 413
    title = "Body too large"


class UnsupportedMediaTypeError(AppError):
    """A body in a form that this route does not read."""

    status = 415
    title = "Unsupported media type"


class TooManyRequestsError(AppError):
    """More than this process accepts at the moment. Nothing of the request was handled."""

    status = 429
    default_headers = AGAIN_IN_A_SECOND
    title = "Too many requests"


class OverloadedError(AppError):
    """More calls wait than can be committed in the time that this sender waits. Nothing of the request was stored."""

    status = 429
    title = "Overloaded"
    logged = False
    """The tracker tells how many were refused, once a second."""

    def __init__(self, retry_after: float) -> None:
        """`retry_after`: in how many seconds there will be room."""
        seconds = max(1, math.ceil(retry_after))
        message = f"more calls wait here than can be committed in time; send this again in {seconds} s"
        super().__init__(message, headers={"Retry-After": str(seconds)})
        self.retry_after = retry_after


class TookTooLongError(AppError):
    """A request that was given up."""

    status = 503
    default_headers = AGAIN_IN_A_SECOND
    title = "Took too long"


class DatabaseUnavailableError(AppError):
    """MongoDB cannot be reached, or does not answer in time."""

    status = 503
    default_headers = AGAIN_IN_A_SECOND
    title = "Database unavailable"


class NoLiveEventsError(AppError):
    """The server cannot report commits: it has no change streams."""

    status = 503
    default_headers = AGAIN_IN_A_SECOND
    title = "No live events"


class KeyServerUnavailableError(AppError):
    """The identity provider's keys cannot be read: whether a token is valid cannot be checked now."""

    status = 503
    default_headers = AGAIN_IN_A_SECOND
    title = "Identity provider unavailable"


class RollupsNotReadyError(AppError):
    """Reports from the rollups would be wrong. None is answered until they have been built."""

    status = 503
    default_headers = AGAIN_IN_A_SECOND
    title = "Rollups not ready"


class DamagedDataError(RollupsNotReadyError):
    """Stored documents are damaged, so that what was requested cannot be answered exactly."""

    default_headers: ClassVar[dict[str, str]] = {}
    title = "Damaged data"


class PrintingFailedError(AppError):
    """A report cannot be made a page or a PDF now."""

    status = 503
    default_headers = AGAIN_IN_A_SECOND
    title = "Printing failed"


class BundleUnavailableError(AppError):
    """The JavaScript that draws charts cannot be made here."""

    status = 503
    default_headers = AGAIN_IN_A_SECOND
    title = "Charts unavailable"
