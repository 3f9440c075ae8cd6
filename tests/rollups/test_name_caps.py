"""Names of a client in the rollups: as many as the cap says, whoever admits them, in one round trip a batch."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database import Database
from app.rollups.name_caps import KnownNames, NameCaps
from models.rollups import CAPS, NAMES, OTHER

FEW = {"provider": 2, "model": 3, "feature": 4, "name": 1, "campaign": 2, "variant": 1}
NAME = st.sampled_from(["a", "b", "c", "$d", "e.f", "$$ROOT", "g", "h"])
BATCH = st.fixed_dictionaries({}, optional={dimension: st.lists(NAME, unique=True) for dimension in CAPS})
"""Names by dimension, in the order of their coming."""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.rollups.name_caps.CAPS", FEW)


@pytest.mark.usefixtures("few")
async def test_what_is_admitted_is_what_a_plain_recount_admits(database: Database) -> None:
    number = 0

    @given(st.lists(st.tuples(st.integers(0, 1), BATCH), max_size=6))
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    def check(batches: list[tuple[int, dict[str, list[str]]]]) -> None:
        nonlocal number
        number += 1
        cases.append((f"client-{number}", batches))

    cases: list[tuple[str, list[tuple[int, dict[str, list[str]]]]]] = []
    check()
    for client, batches in cases:
        processes, admitted = [NameCaps(database), NameCaps(database)], {dimension: list[str]() for dimension in CAPS}
        for process, names in batches:
            await asyncio.to_thread(processes[process].admit, client, names)
            for dimension, of_dimension in names.items():
                new = [name for name in of_dimension if name not in admitted[dimension]]
                admitted[dimension] = [*admitted[dimension], *new][: FEW[dimension]]
                for name in of_dimension:
                    expected = name if name in admitted[dimension] else OTHER
                    assert processes[process].counted_as(client, dimension, name) == expected
        stored = await database.writes[NAMES].find_one({"_id": client}) or {}
        assert {dimension: stored.get(dimension, []) for dimension in CAPS} == admitted


@pytest.mark.usefixtures("few")
async def test_processes_that_admit_at_once_never_admit_too_many(database: Database) -> None:
    processes = [NameCaps(database) for _ in range(8)]

    for client in ("c1", "c2", "c3"):
        await asyncio.gather(
            *(
                asyncio.to_thread(caps.admit, client, {"model": [f"{number}-{n}" for n in range(2)]})
                for number, caps in enumerate(processes)
            )
        )
        (stored,) = await database.writes[NAMES].find({"_id": client}).to_list(None)
        assert len(set(stored["model"])) == FEW["model"] == len(stored["model"])
        for number, caps in enumerate(processes):
            for name in (f"{number}-0", f"{number}-1"):
                assert caps.counted_as(client, "model", name) == (name if name in stored["model"] else OTHER)


async def test_a_thousand_new_names_are_one_round_trip_and_known_ones_none(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    caps, asked = NameCaps(database), 0
    found = caps._stored.find_one_and_update

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        return found(*arguments, **options)

    class Counted:
        find_one_and_update = staticmethod(counted)

    monkeypatch.setattr(caps, "_stored", Counted)
    names = {"provider": ["p"], "model": [f"m{n}" for n in range(1_200)], "feature": [f"f{n}" for n in range(1_000)]}

    await asyncio.to_thread(caps.admit, "c", names)
    await asyncio.to_thread(caps.admit, "c", names)

    assert asked == 1
    assert [caps.counted_as("c", "model", f"m{n}") for n in (0, 999, 1_000)] == ["m0", "m999", OTHER]
    assert [caps.counted_as("c", "feature", f"f{n}") for n in (499, 500)] == ["f499", OTHER]


@pytest.mark.usefixtures("few")
async def test_a_dry_run_counts_as_admitted_what_there_is_room_for_and_writes_nothing(database: Database) -> None:
    await asyncio.to_thread(NameCaps(database).admit, "full", {"provider": ["a", "b"]})
    known = KnownNames(database)

    for client in ("full", "new"):
        await asyncio.to_thread(known.admit, client, {"provider": ["c"]})

    assert [known.counted_as(client, "provider", "c") for client in ("full", "new")] == [OTHER, "c"]
    assert await database.writes[NAMES].count_documents({}) == 1
