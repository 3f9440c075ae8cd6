"""An outage of MongoDB, and a fault."""

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WTimeoutError,
)

from app.database.outages import AWAY, answering, is_outage, reason_of
from app.errors import DatabaseUnavailableError

TRANSIENT = {"errorLabels": ["TransientTransactionError"]}
UNAUTHORIZED = "MongoDB refused it: Unauthorized (13)"
TOPOLOGY = "127.0.0.1:27017: [Errno 111] Connection refused, Timeout: 30s, Topology Description: <...>"


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection closed"),
        NetworkTimeout("timed out"),
        NotPrimaryError("not primary"),
        ServerSelectionTimeoutError(TOPOLOGY),
        WaitQueueTimeoutError("no connection is free"),
        ExecutionTimeout("operation exceeded time limit", 50),
        WTimeoutError("waiting for replication timed out", 64),
        OperationFailure("not primary", 10107),
        OperationFailure("interrupted at shutdown", 11600),
        OperationFailure("transaction aborted", 251, TRANSIENT),
        BulkWriteError({"errorLabels": ["TransientTransactionError"], "writeErrors": []}),
        OperationFailure("cursor id 1 not found", 43),
        OperationFailure("unable to read from a snapshot", 246),
        OperationFailure("the disk of the server is full", 14031),
        OperationFailure("user writes blocked", 371),
        OperationFailure("unknown", 8, {"errorLabels": ["UnknownTransactionCommitResult"]}),
        BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
    ],
)
def test_what_passes_by_itself_is_an_outage(error: PyMongoError) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        InvalidOperation("read preference in a transaction must be primary"),
        ConfigurationError("no such option"),
        OperationFailure("unknown operator: $foo", 2),
        OperationFailure("not authorized", 13),
        OperationFailure("authentication failed", 18),
        DuplicateKeyError("E11000 duplicate key", 11000),
        BulkWriteError({"writeErrors": [{"code": 121, "errmsg": "failed validation"}]}),
    ],
)
def test_what_only_a_person_can_mend_is_none(error: PyMongoError) -> None:
    assert not is_outage(error)


def test_an_outage_is_said_without_the_words_of_the_driver_and_a_fault_is_raised_as_it_is() -> None:
    with pytest.raises(DatabaseUnavailableError) as away, answering(1):
        raise ServerSelectionTimeoutError(TOPOLOGY)
    with pytest.raises(InvalidOperation), answering(1):
        raise InvalidOperation("ours")

    assert away.value.detail == "MongoDB does not answer; try again shortly"
    assert TOPOLOGY in str(away.value.__cause__)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ServerSelectionTimeoutError(TOPOLOGY), AWAY),
        (InvalidOperation("read preference must be primary"), "the driver refused it: read preference must be primary"),
        (OperationFailure("not authorized on shop: {insert: ann}", 13, {"codeName": "Unauthorized"}), UNAUTHORIZED),
        (BulkWriteError({"writeErrors": [{"code": 121, "errmsg": "ann"}]}), "MongoDB refused it: BulkWriteError (65)"),
        (KeyError("ann"), "internal error: KeyError"),
        (ConfigurationError("x" * 1_000), "the driver refused it: " + "x" * 177),
        (
            ConfigurationError("Server at db-1.shop:27017 reports wire version 6, and at least 7 is required"),
            "the driver refused it: Server at HOST reports wire version 6, and at least 7 is required",
        ),
        (ConfigurationError("Server at ::1:27017 is too old"), "the driver refused it: Server at HOST is too old"),
        (DatabaseUnavailableError("ours"), "ours"),
    ],
)
def test_the_reason_of_a_fault_quotes_no_document_and_no_topology(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
