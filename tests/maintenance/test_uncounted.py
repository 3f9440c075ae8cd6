"""What maintenance changes in the ledger is told to limits: all that was told sums to what the ledger has."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from app.database import Database
from app.ledger.uncounted import changes_of
from app.maintenance.erasure.erasure import Erasure
from app.settings import Settings
from app.spool.journal import Spool
from app.tracking import Tracker
from models.counters import UNCOUNTED
from models.money import to_decimal
from tests.twins import entries

CALL: dict[str, Any] = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 10, "output_tokens": 5}


async def told(database: Database) -> dict[tuple[str, str], tuple[int, int, Decimal]]:
    """Requests, tokens and USD by client and user, of all that no fold has taken yet; without what is nothing."""
    return sums(await database.writes[UNCOUNTED].find().to_list(None))


def sums(documents: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, int, Decimal]]:
    found: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0)])
    for document in documents:
        for group in document["groups"]:
            for at, user in enumerate(group["users"]):
                figures = group["requests"][at], group["tokens"][at], to_decimal(group["usd"][at])
                key = group["clientId"], user
                found[key] = [one + other for one, other in zip(found[key], figures, strict=True)]
    return {key: tuple(figures) for key, figures in found.items() if any(figures)}


async def in_ledger(database: Database) -> dict[tuple[str, str], tuple[int, int, Decimal]]:
    return sums([document] if (document := changes_of([], await entries(database))) else [])


async def test_of_one_client_the_calls_are_taken_from_the_user_and_given_to_the_pseudonym(
    settings: Settings, database: Database, tracker: Tracker
) -> None:
    for client in ("acme", "default"):
        await tracker.track(user_id="anna", client_id=client, **CALL)
    spool = Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)

    pseudonym, _ = await Erasure(database, settings.zone, "anna", "acme", spool).run(lambda _: None)

    found = await told(database)
    assert found.keys() == {("acme", pseudonym), ("default", "anna")}
    assert found == await in_ledger(database)


async def test_of_all_clients_what_waits_to_be_counted_is_renamed(
    settings: Settings, database: Database, tracker: Tracker
) -> None:
    await tracker.track(user_id="anna", **CALL)
    await tracker.track(user_id="bob", **CALL)
    spool = Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)

    pseudonym, _ = await Erasure(database, settings.zone, "anna", None, spool).run(lambda _: None)

    assert (await told(database)).keys() == {("default", pseudonym), ("default", "bob")}
    assert await told(database) == await in_ledger(database)
