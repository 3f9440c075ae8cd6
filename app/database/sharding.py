"""Which collections a sharded cluster spreads over its shards, by which key, and why; and the spreading itself."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from app.errors import ConfigurationError
from models import AIUsage, Analytics
from models.rollups import CONVERSATIONS, USER_MONTHS, USERS, VARIANTS

Document = dict[str, Any]
Run = Callable[[str, Document], Awaitable[Document]]
"""Runs one command on a database, by its name."""

BY_ID: Document = {"_id": "hashed"}
"""The shard key of every collection that is spread.

The only key with which a cluster keeps `_id` unique, and that is what makes a call count once. A hash spreads new calls
evenly, whose ids rise with time.
"""
REASONS = {
    AIUsage.Settings.name: "one entry a call: most of the data",
    Analytics.Settings.name: "the other twin, beside its entry: the same _id has the same hash",
    USERS: "a cell a day and user: grows with the users who are active",
    USER_MONTHS: "a cell a month and user",
    CONVERSATIONS: "a cell a day and conversation",
    VARIANTS: "a cell a day, experiment, variant and user",
}
"""What grows with calls, users or conversations. All else is small, and stays on the database's first shard."""


class NotRoutedError(ConfigurationError):
    """The address leads to no `mongos`."""

    def __init__(self) -> None:
        super().__init__(
            "this is no sharded cluster: let TWINMETER_MONGODB_URI name its mongos, or run the printed commands there"
        )


class Step(NamedTuple):
    """One command of the spreading."""

    database: str
    command: Document


def steps(database: str) -> Iterator[Step]:
    """The commands that spread `database`, in order. A repeated one changes nothing."""
    yield Step("admin", {"enableSharding": database})
    for name in REASONS:
        # a collection that has documents needs the index of its key first
        yield Step(database, {"createIndexes": name, "indexes": [{"key": BY_ID, "name": "shard"}]})
        yield Step("admin", {"shardCollection": f"{database}.{name}", "key": BY_ID})


async def spread(run: Run, database: str, done: Callable[[Step], None]) -> None:
    """Run every step and tell `done` of each. Writers and readers may go on meanwhile.

    Raises NotRoutedError, and PyMongoError for what the cluster refuses; run again, it goes on there.
    """
    if (await run("admin", {"hello": 1})).get("msg") != "isdbgrid":
        raise NotRoutedError
    for step in steps(database):
        await run(*step)
        done(step)
