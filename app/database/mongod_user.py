"""Who may use the embedded mongod: one user, whose password lies in the data folder, readable by its owner alone.

The same secret is the server's key file. Whoever has that is the server itself (`__system`), whatever users there are:
so a folder of an earlier version, which has none, gets its user, and a lost secret is replaced, without any start
in which others could come in.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from app.kept_secret import kept_secret

USER = "twinmeter"
KEY_FILE = "mongodb.key"
ROLES = ["root"]
"""Whoever owns the folder owns all that is in it."""
MECHANISM = "SCRAM-SHA-256"
OPTIONS = {"scramSHA256IterationCount": 5_000, "enableLocalhostAuthBypass": "false"}
"""Of the server. Iterations make passwords hard to guess; ours is 256 random bits. Nobody comes in without one."""
USER_NOT_FOUND = 11
AUTHENTICATION_FAILED = 18

Document = dict[str, Any]


class Access:
    """The secret of one data folder. Opening it makes one where there is none."""

    def __init__(self, data_dir: Path) -> None:
        self.key_file = data_dir / KEY_FILE
        self._secret = kept_secret(self.key_file)
        self.key_file.chmod(0o600)  # mongod takes no other

    def uri(self, host: str, replica_set: str) -> str:
        """The address for our user. It contains the secret: for private files and the driver, never for a log."""
        return f"mongodb://{USER}:{self._secret}@{host}/?replicaSet={replica_set}&authSource=admin"

    @contextlib.contextmanager
    def server_itself(self, address: str, port: int) -> Iterator[MongoClient[Document]]:
        """A client that may do anything, before there are users and while the server is no primary yet."""
        with self._client(address, port, "__system", "local") as client:
            yield client

    def admit(self, address: str, port: int) -> None:
        """See to it that our user comes in with the secret. Raises PyMongoError."""
        with self._client(address, port, USER, "admin") as client:
            try:
                client.admin.command("ping")
            except OperationFailure as error:
                if error.code != AUTHENTICATION_FAILED:
                    raise
                self._set_password(address, port)

    def _set_password(self, address: str, port: int) -> None:
        with self.server_itself(address, port) as client:
            password = {"pwd": self._secret, "mechanisms": [MECHANISM]}
            try:
                client.admin.command({"updateUser": USER, **password})
            except OperationFailure as error:
                if error.code != USER_NOT_FOUND:
                    raise
                client.admin.command({"createUser": USER, "roles": ROLES, **password})

    def _client(self, address: str, port: int, user: str, source: str) -> MongoClient[Document]:
        return MongoClient(
            address,
            port,
            directConnection=True,
            timeoutMS=5_000,
            username=user,
            password=self._secret,
            authSource=source,
            authMechanism=MECHANISM,
        )
