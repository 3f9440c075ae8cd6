"""A release that does not understand what a later one has written leaves it alone."""

import pytest

from app import __version__
from app.database import Database, connected
from app.database.connection import looking
from app.database.formats import FORMAT
from app.errors import ConfigurationError
from app.settings import Settings
from scripts.diagnosis.finding import Deployment, Verdict, ok
from scripts.diagnosis.indexes import stored_format
from tests.scripts.jobs import dump

LATER = {"version": FORMAT + 1, "release": "9.1.0"}


async def test_the_first_start_of_a_release_notes_its_format(database: Database) -> None:
    noted = await database.writes["versions"].find_one({"_id": "format"})

    assert noted == {"_id": "format", "version": FORMAT, "release": __version__}


async def test_a_start_on_a_database_of_a_later_format_is_refused_and_writes_nothing(
    database: Database, settings: Settings, mongodb_uri: str
) -> None:
    await database.writes["versions"].update_one({"_id": "format"}, {"$set": LATER})
    await database.ledger.drop_index("newest")
    before = await dump(database), await database.ledger.index_information()
    said = f"is of format {FORMAT + 1}, which twinmeter 9.1.0 began to write; this is {__version__}"

    with pytest.raises(ConfigurationError, match=said):
        await Database.connect(mongodb_uri, settings.database)
    async with looking(mongodb_uri, settings.database) as looked_at:
        finding = await stored_format(Deployment(settings, looked_at, ok("")))

    assert finding.verdict is Verdict.PROBLEM
    assert said in finding.said
    assert (await dump(database), await database.ledger.index_information()) == before


async def test_a_later_release_of_the_same_format_keeps_who_began_it(
    database: Database, settings: Settings, mongodb_uri: str
) -> None:
    await database.writes["versions"].update_one({"_id": "format"}, {"$set": {"release": "0.6.0"}})

    async with connected(mongodb_uri, settings.database):
        pass

    noted = await database.writes["versions"].find_one({"_id": "format"})
    assert noted == {"_id": "format", "version": FORMAT, "release": "0.6.0"}
