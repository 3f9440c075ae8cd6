"""Unknown keys are looked up together, so that whoever makes them up costs a few queries a second."""

import asyncio
from collections.abc import Sequence

import pytest

from app.auth import key_lookup
from app.auth.api_key_text import new_key
from app.auth.api_keys import KeyRing
from app.auth.key_lookup import KeyLookup
from app.errors import NotAuthenticatedError, TooManyRequestsError
from models.documents import Document
from tests.auth.test_api_keys import clock, create, ring  # noqa: F401 - fixtures


class Stored:
    """Keys, and how they are asked for."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.begun = asyncio.Event()
        self.at_once = 0

    async def query(self, ids: Sequence[str]) -> dict[str, Document]:
        self.asked.append(set(ids))
        self.begun.set()
        self.at_once += 1
        assert self.at_once == 1
        await self.answers.wait()
        self.at_once -= 1
        if "broken" in ids:
            raise ConnectionError("away")
        return {key_id: {"keyId": key_id} for key_id in ids if key_id.startswith("good")}


async def test_whoever_comes_during_a_query_shares_the_next() -> None:
    stored = Stored()
    lookup = KeyLookup(stored.query)
    stored.answers.clear()
    first = asyncio.create_task(lookup.find("good"))
    await stored.begun.wait()
    others = [asyncio.create_task(lookup.find(key_id)) for key_id in ("bad", "good 2", "bad")]
    gone = asyncio.create_task(lookup.find("gone"))
    await asyncio.sleep(0)
    gone.cancel()
    stored.answers.set()

    assert await first == {"keyId": "good"}
    assert await asyncio.gather(*others) == [None, {"keyId": "good 2"}, None]
    assert stored.asked == [{"good"}, {"bad", "good 2", "gone"}]


async def test_a_failure_is_told_to_who_waited_and_the_next_query_is_made() -> None:
    lookup = KeyLookup(Stored().query)

    answers = await asyncio.gather(lookup.find("broken"), lookup.find("good"), return_exceptions=True)

    assert [type(answer) for answer in answers] == [ConnectionError, ConnectionError]
    assert await lookup.find("good") == {"keyId": "good"}


async def test_a_bounded_number_is_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_lookup, "MOST_AT_ONCE", 3)
    lookup = KeyLookup(Stored().query)

    answers = await asyncio.gather(*(lookup.find(f"bad {n}") for n in range(5)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [type(None)] * 3 + [TooManyRequestsError] * 2
    assert await lookup.find("good") == {"keyId": "good"}


async def test_made_up_keys_cost_a_few_queries_and_a_good_one_among_them_holds(
    ring: KeyRing,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, good = await create(ring)
    asked: list[int] = []
    stored = ring._stored

    async def noted(ids: Sequence[str]) -> dict[str, Document]:
        asked.append(len(ids))
        return await stored(ids)

    monkeypatch.setattr(ring, "_lookup", KeyLookup(noted))
    texts = [new_key().text for _ in range(600)]
    answers = await asyncio.gather(*map(ring.principal, [*texts[:300], good, *texts[300:]]), return_exceptions=True)

    assert answers[300] == await ring.principal(good)
    assert all(isinstance(answer, NotAuthenticatedError) for answer in answers[:300] + answers[301:])
    assert (len(asked), sum(asked)) == (1, 601)
