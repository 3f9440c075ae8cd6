"""Whether MongoDB is away, or refused what was asked of it: the one passes by itself, the other does not."""

import contextlib
import re
from collections.abc import Iterator

import pymongo
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)

from app.errors import AppError, DatabaseUnavailableError

LABELS = ("TransientTransactionError", "RetryableWriteError", "UnknownTransactionCommitResult")
PASSING = frozenset(
    {
        # the primary changes, or the server stops
        *(91, 189, 10_107, 11_600, 11_602, 13_435, 13_436),
        # the server does not reach others, or takes too long
        *(6, 7, 24, 50, 89, 134, 262, 290, 9_001),
        # a cursor or a snapshot is gone, as after a new primary or beside a changed collection
        *(43, 237, 239, 246),
        # no majority, or a transaction that was given up
        *(64, 79, 100, 225, 251),
        371,  # an operator blocks writes, as while a cluster is migrated
        11_601,  # interrupted by an operator
        14_031,  # the disk of the server is full
    }
)
"""Codes of MongoDB for what succeeds when it is sent again a little later."""

TOO_LARGE = 388
"""The code for a transaction that does not fit into MongoDB's cache."""

AWAY = "MongoDB does not answer in time"
LONGEST_REASON = 200
_PLACE = re.compile(r"[\w.\[\]:-]+:\d+")
"""A server's address, as in what the driver says of one that is too old."""


def is_outage(error: BaseException) -> bool:
    """Whether the same will succeed later, without anybody's help.

    Everything else is a fault: of ours, of what is stored, or of the rights and options that were configured.
    """
    return isinstance(error, PyMongoError) and (
        isinstance(error, ConnectionFailure)
        or error.timeout
        or any(error.has_error_label(label) for label in LABELS)
        or (isinstance(error, OperationFailure) and not PASSING.isdisjoint(_codes(error)))
    )


def is_too_large(error: BaseException) -> bool:
    """Whether a transaction did not fit into MongoDB's cache: a smaller one may."""
    return isinstance(error, OperationFailure) and TOO_LARGE in _codes(error)


def reason_of(error: BaseException) -> str:
    """Why something failed, fit for anybody: without what the server quotes of documents, and without its topology."""
    if is_outage(error):
        return AWAY
    match error:
        case AppError():
            return error.detail[:LONGEST_REASON]
        case OperationFailure():
            name = (error.details or {}).get("codeName", type(error).__name__)
            return f"MongoDB refused it: {name}" + ("" if error.code is None else f" ({error.code})")
        case InvalidOperation() | ConfigurationError():
            return f"the driver refused it: {_PLACE.sub('HOST', str(error))}"[:LONGEST_REASON]
    return f"internal error: {type(error).__name__}"


def _codes(error: OperationFailure) -> set[int | None]:
    if not isinstance(error, BulkWriteError):
        return {error.code}
    details = error.details or {}
    return {one.get("code") for of in ("writeErrors", "writeConcernErrors") for one in details.get(of, [])}


@contextlib.contextmanager
def answering(seconds: float, otherwise: str = "MongoDB does not answer; try again shortly") -> Iterator[None]:
    """Bound the time of what is asked of MongoDB within.

    Raises DatabaseUnavailableError, with the detail `otherwise`, where it is away or takes longer, and PyMongoError for
    what is no outage. The driver's text, which names hosts, goes to the log and never into an answer.
    """
    try:
        with pymongo.timeout(seconds):
            yield
    except PyMongoError as error:
        if not is_outage(error):
            raise
        raise DatabaseUnavailableError(otherwise) from error
