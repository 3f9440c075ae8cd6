"""Whether MongoDB is away, or refused what was asked of it: the one passes by itself, the other does not."""

import contextlib
from collections.abc import Iterator

import pymongo
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from app.errors import DatabaseUnavailableError

LABELS = ("TransientTransactionError", "RetryableWriteError")
PASSING = frozenset(
    {
        # the primary changes, or the server stops
        *(91, 189, 10_107, 11_600, 11_602, 13_435, 13_436),
        # the server does not reach others, or takes too long
        *(6, 7, 24, 50, 89, 134, 262, 290, 9_001),
        # a cursor or a snapshot is gone, as after a new primary or beside a changed collection
        *(43, 237, 239, 246),
        11_601,  # interrupted by an operator
    }
)
"""Codes of MongoDB for what succeeds when it is sent again a little later."""


def is_outage(error: PyMongoError) -> bool:
    """Whether the same will succeed later, without anybody's help.

    Everything else is a fault: of ours, of what is stored, or of the rights and options that were configured.
    """
    return (
        isinstance(error, ConnectionFailure)
        or error.timeout
        or any(error.has_error_label(label) for label in LABELS)
        or (isinstance(error, OperationFailure) and error.code in PASSING)
    )


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
