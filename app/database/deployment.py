"""Which MongoDB a process of this deployment uses: the configured one, else an embedded one in the data folder."""

import contextlib
from collections.abc import Iterator

from app.database.mongod import EmbeddedMongod, FolderInUseError, read_uri
from app.database.mongod_binary import MongodError
from app.settings import Settings


def reachable_uri(settings: Settings) -> str:
    """The MongoDB of this deployment: the configured one, else the embedded one that runs in the data folder.

    Raises MongodError where there is neither.
    """
    if settings.mongodb_uri is not None:
        return settings.mongodb_uri.get_secret_value()
    uri = read_uri(settings.data_dir)
    if uri is None:
        raise MongodError("No MongoDB is configured, and none runs in the data folder: set TWINMETER_MONGODB_URI.")
    return uri


@contextlib.contextmanager
def mongodb(settings: Settings, *, shared: bool) -> Iterator[str]:
    """The URI of the configured MongoDB, else of an embedded one that runs for the length of the block.

    `shared` is for a command beside a server: where the data folder's MongoDB runs already, that one is used.
    Raises MongodError.
    """
    if settings.mongodb_uri is not None:
        yield settings.mongodb_uri.get_secret_value()
        return
    embedded = EmbeddedMongod(settings.data_dir)
    try:
        uri = embedded.start()
    except FolderInUseError:
        if not shared:
            raise
        yield reachable_uri(settings)
        return
    try:
        yield uri
    finally:
        embedded.stop()
