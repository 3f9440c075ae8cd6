"""Nothing that an earlier release has stored is taken for damaged."""

import pytest

from app.database import Database
from app.database.damaged import find_damaged
from models.stored_shapes import SHAPES
from tests.releases.dump import RELEASES, Recording


@pytest.mark.parametrize("version", sorted(place.name for place in RELEASES.iterdir()))
async def test_what_an_earlier_release_stored_has_the_shape_that_readers_expect(
    database: Database, version: str
) -> None:
    for of_collection in Recording.read(version).collections:
        if (name := of_collection["name"]) in SHAPES and of_collection["documents"]:
            await database.writes[name].delete_many({})
            await database.writes[name].insert_many(of_collection["documents"])

    assert [str(one) for name in SHAPES for one in await find_damaged(database.writes, name)] == []
