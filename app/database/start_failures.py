"""Why a start could not use MongoDB, in a sentence that names the cause and the way out."""

import json
import re
from enum import IntEnum

from pymongo.errors import ConfigurationError as PyMongoConfigurationError
from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError

from app.database.address import SETTING
from app.errors import AppError, ConfigurationError, DatabaseUnavailableError


class Code(IntEnum):
    """Of MongoDB's errors, those that an operator can mend."""

    NOT_AUTHORIZED = 13
    AUTHENTICATION_FAILED = 18
    INDEX_OPTIONS_CONFLICT = 85
    INDEX_KEY_SPECS_CONFLICT = 86
    DUPLICATE_KEY = 11_000


OF_A_SERVER = re.compile(r"([^\s,]+:\d+): (?:\[Errno -?\d+\] )?([^,]+)")
OF_A_DUPLICATE = re.compile(r"collection: [^.\s]+\.(?P<collection>\S+) index: (?P<index>\S+) dup key")


def failure_of(error: PyMongoError, name: str) -> AppError:
    """The error that ends the start of a service over the database `name`."""
    if isinstance(error, PyMongoConfigurationError):
        return ConfigurationError(f"{SETTING} cannot be used: {error}")
    if not isinstance(error, OperationFailure):
        if hint := _hint(error):
            return DatabaseUnavailableError(f"MongoDB does not answer: {reason(error)}; start it, or correct {hint}")
        way_out = f"Is it running? Start it, or correct {SETTING}"
        return DatabaseUnavailableError(f"{unreached(error)}. {way_out}")
    why = (error.details or {}).get("errmsg", error)
    match error.code:
        case Code.NOT_AUTHORIZED:
            message = f"the user of {SETTING} must be allowed to read and write {name}: {why}"
        case Code.AUTHENTICATION_FAILED:
            message = f"MongoDB does not take the user and password of {SETTING}: correct them"
        case Code.INDEX_OPTIONS_CONFLICT | Code.INDEX_KEY_SPECS_CONFLICT:
            message = f"an index of {name} conflicts with ours; drop it: {why}"
        case Code.DUPLICATE_KEY:
            message = _duplicate(error, name)
        case _:
            return DatabaseUnavailableError(f"MongoDB refused what the start needs: {reason(error)}")
    return ConfigurationError(message)


def reason(error: Exception) -> str:
    """What the driver says, without its view of the topology."""
    return str(error).split(" (configured timeouts", 1)[0].split(", Timeout: ", 1)[0].split(", full error", 1)[0]


def unreached(error: Exception) -> str:
    """Which server cannot be reached, and why: each one of a set that says the same is named once."""
    said = reason(error)
    servers = dict(OF_A_SERVER.findall(said))
    if not servers:
        return f"MongoDB does not answer: {said}"
    whys = sorted({why.strip().lower() for why in servers.values()})
    return f"MongoDB at {', '.join(sorted(servers))} cannot be reached ({'; '.join(whys)})"


def _hint(error: PyMongoError) -> str:
    """Two addresses that look like a server that is away."""
    if isinstance(error, ServerSelectionTimeoutError) and "replica set name" in str(error):
        return f"{SETTING}, whose replicaSet must be the name that rs.status() says"
    return f"{SETTING}, whose tls must be as the server's" if "SSL" in str(error) else ""


def _duplicate(error: OperationFailure, name: str) -> str:
    """Two documents that a unique index does not allow. They are a person's to tell apart."""
    details = error.details or {}
    found = OF_A_DUPLICATE.search(str(details.get("errmsg", "")))
    collection, index = (found["collection"], found["index"]) if found else ("a collection", "of it")
    example = json.dumps(details.get("keyValue", {}), default=str)
    fields = ", ".join(details.get("keyPattern", {}))
    return (
        f"the unique index {index} of {collection} cannot be built: {fields} must be unique, and several documents "
        f"have {example}. In mongosh, in the database {name}: db.{collection}.find({example}) shows them; delete or "
        "change all but one, and start again"
    )
