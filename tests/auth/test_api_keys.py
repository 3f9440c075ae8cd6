"""API keys: shown once, kept as hashes, revoked everywhere, and good while MongoDB is away."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from structlog.testing import CapturingLogger

from app.auth import api_keys
from app.auth.api_key_text import hashed, id_of, new_key
from app.auth.api_keys import KeyRing, open_key_ring
from app.auth.principals import Principal, Scope
from app.database import Database, following
from app.errors import DatabaseUnavailableError, NotAuthenticatedError, NotFoundError
from models import ApiKey
from tests.patience import until

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BOTH = frozenset({Scope.INGEST, Scope.READ})


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Away:
    """A collection whose server does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    async def find_one(self, *_: Any, **__: Any) -> None:
        self.asked += 1
        raise AutoReconnect("away")

    def find(self, *_: Any, **__: Any) -> None:
        self.asked += 1
        raise AutoReconnect("away")

    insert_one = update_one = bulk_write = find_one


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(database: Database, clock: Clock) -> KeyRing:
    return KeyRing(database, clock)


async def create(ring: KeyRing, client: str = "acme", **facts: Any) -> tuple[ApiKey, str]:
    known: dict[str, Any] = {"scopes": BOTH, "name": "shop", "expires_at": None, "created_by": "me"}
    return await ring.create(client=client, **{**known, **facts})


async def refused(ring: KeyRing, text: str, why: str) -> None:
    with pytest.raises(NotAuthenticatedError, match=why) as error:
        await ring.principal(text)
    assert text not in error.value.detail


def test_a_keys_text_has_a_public_part_and_a_secret_of_256_bits() -> None:
    key = new_key()

    assert re.fullmatch(r"tm_[A-Za-z0-9]{12}_[A-Za-z0-9_-]{43}", key.text)
    assert id_of(key.text) == key.key_id
    assert new_key().text != key.text


@pytest.mark.parametrize(
    "text", ["tm_", "tm_a_b", "tm_" + "a" * 12 + "_" + "b" * 42, "tm_" + "é" * 12 + "_" + "b" * 43]
)
def test_what_cannot_be_a_key_has_no_public_part(text: str) -> None:
    assert id_of(text) is None
    assert id_of(new_key().text + "\n") is None


async def test_a_key_stands_for_its_client_and_scopes(ring: KeyRing, database: Database, clock: Clock) -> None:
    key, text = await create(ring)

    for each in (ring, KeyRing(database, clock)):
        assert await each.principal(text) == Principal(f"key:{key.key_id}", BOTH, "acme", None, key_id=key.key_id)


async def test_only_a_hash_is_kept(ring: KeyRing, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = CapturingLogger()
    monkeypatch.setattr(api_keys, "log", logger)
    key, text = await create(ring)
    await ring.principal(text)
    await ring.revoke(key.key_id, None)

    (stored,) = await database.writes["api_keys"].find().to_list(None)
    secret = text.rpartition(key.key_id)[2].removeprefix("_")
    assert stored["hash"] == hashed(text)
    assert (len(secret), [call.args for call in logger.calls]) == (43, [("api_key.created",), ("api_key.revoked",)])
    assert all(secret not in repr(place) for place in (stored, key, logger.calls, vars(ring)))
    assert set(await database.writes["api_keys"].index_information()) == {"_id_", "key", "client"}


async def test_another_secret_for_a_known_key_is_refused(ring: KeyRing) -> None:
    key, text = await create(ring)
    await ring.principal(text)

    await refused(ring, f"tm_{key.key_id}_{'x' * 43}", "is not valid here")
    await refused(ring, new_key().text, "is not valid here")
    await refused(ring, "tm_nothing", "is not valid here")


async def test_a_key_ends_at_its_moment(ring: KeyRing, clock: Clock) -> None:
    _, text = await create(ring, expires_at=NOW + timedelta(seconds=1))

    clock.now = NOW + timedelta(milliseconds=999)
    await ring.principal(text)
    clock.now = NOW + timedelta(seconds=1)

    await refused(ring, text, "has expired")


async def test_a_revoked_key_is_refused_at_once_here_and_at_the_next_look_elsewhere(
    ring: KeyRing, database: Database, clock: Clock
) -> None:
    other = KeyRing(database, clock)
    key, text = await create(ring)
    for each in (ring, other):
        await each.principal(text)

    revoked = await ring.revoke(key.key_id, None)

    await refused(ring, text, "has been revoked")
    await other.principal(text)
    await other.refresh()
    await refused(other, text, "has been revoked")
    await refused(KeyRing(database, clock), text, "has been revoked")
    assert revoked.revoked_at == NOW


async def test_the_looks_are_close_enough_for_five_seconds() -> None:
    looks = 2 * (api_keys.REFRESH_SECONDS + api_keys.QUERY_SECONDS)

    assert looks <= 5


async def test_other_processes_look_by_themselves(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "REFRESH_SECONDS", 0.01)
    async with open_key_ring(database) as one, open_key_ring(database) as two:
        key, text = await create(one)
        await two.principal(text)
        await one.revoke(key.key_id, None)
        await until(lambda: two._known[key.key_id].revoked_at is not None)
        await refused(two, text, "has been revoked")


async def test_a_look_that_began_before_a_revocation_does_not_undo_it(ring: KeyRing) -> None:
    key, text = await create(ring)
    await ring.principal(text)
    await ring.revoke(key.key_id, None)

    ring._renew(key.key_id, key.model_copy(update={"revoked_at": None}))

    await refused(ring, text, "has been revoked")


async def test_a_deleted_key_is_refused_at_the_next_look(ring: KeyRing, database: Database) -> None:
    _, text = await create(ring)
    await ring.principal(text)
    await database.writes["api_keys"].delete_many({})
    await ring.refresh()

    await refused(ring, text, "is not valid here")


async def test_a_key_edited_by_hand_opens_nothing_and_holds_up_no_other(ring: KeyRing, database: Database) -> None:
    edited, broken = await create(ring)
    other, good = await create(ring)
    for text in (broken, good):
        await ring.principal(text)
    await database.writes["api_keys"].update_one({"keyId": edited.key_id}, {"$set": {"revokedAt": "now"}})
    await ring.refresh()

    await refused(ring, broken, "is not valid here")
    await refused(KeyRing(database), broken, "is not valid here")
    assert (await ring.principal(good)).subject == f"key:{other.key_id}"
    assert [key.key_id for key in await ring.all(None)] == [other.key_id]


async def test_revoking_twice_keeps_the_first_moment(ring: KeyRing, clock: Clock) -> None:
    key, _ = await create(ring)
    await ring.revoke(key.key_id, "acme")
    clock.now += timedelta(hours=1)

    assert (await ring.revoke(key.key_id, None)).revoked_at == NOW


async def test_a_client_lists_and_revokes_its_own_keys_alone(ring: KeyRing) -> None:
    mine, _ = await create(ring)
    theirs, _ = await create(ring, "umbrella")

    assert [key.key_id for key in await ring.all("acme")] == [mine.key_id]
    assert {key.key_id for key in await ring.all(None)} == {mine.key_id, theirs.key_id}
    for unknown in (theirs.key_id, "nothing", "$ne"):
        with pytest.raises(NotFoundError, match="there is no key"):
            await ring.revoke(unknown, "acme")
    assert (await ring.all("umbrella"))[0].revoked_at is None


async def test_the_last_use_is_written_at_most_once_a_minute_and_never_goes_back(
    ring: KeyRing, database: Database, clock: Clock
) -> None:
    key, text = await create(ring)

    async def used_at(seconds: float) -> datetime | None:
        clock.now = NOW + timedelta(seconds=seconds)
        await ring.principal(text)
        await ring.refresh()
        (stored,) = await ring.all(None)
        return stored.last_used_at

    assert key.last_used_at is None
    assert await used_at(0) == NOW
    assert await used_at(59) == NOW
    assert await used_at(60) == NOW + timedelta(seconds=60)
    behind = KeyRing(database, Clock())
    await behind.principal(text)
    behind._uses[key.key_id] = NOW - timedelta(days=1)
    await behind.close()
    assert await used_at(61) == NOW + timedelta(seconds=60)


async def test_a_use_noted_while_a_clock_was_ahead_does_not_stay(ring: KeyRing, clock: Clock) -> None:
    clock.now = datetime.now(UTC) + timedelta(days=400)
    key, text = await create(ring)
    await ring.principal(text)
    await ring.refresh()
    clock.now = right = datetime.now(UTC).replace(microsecond=0)
    await ring.principal(text)
    await ring.refresh()

    assert [each.last_used_at for each in await ring.all(None) if each.key_id == key.key_id] == [right]


async def test_a_refused_key_is_not_used(ring: KeyRing, clock: Clock) -> None:
    key, text = await create(ring, expires_at=NOW)
    await refused(ring, text, "has expired")
    await refused(ring, f"tm_{key.key_id}_{'x' * 43}", "is not valid here")
    clock.now += timedelta(hours=1)
    await ring.refresh()

    assert (await ring.all(None))[0].last_used_at is None


async def test_while_mongodb_is_away_known_keys_hold_and_others_cannot_be_told(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, known = await create(ring)
    _, unknown = await create(ring)
    await ring.principal(known)
    away = Away()
    monkeypatch.setattr(ring, "_keys", away)
    monkeypatch.setattr(api_keys, "REFRESH_SECONDS", 0)

    logger = CapturingLogger()
    monkeypatch.setattr(following, "log", logger)

    refreshing = asyncio.create_task(ring.keep_fresh())
    await until(lambda: away.asked >= 5)
    refreshing.cancel()

    assert [call.args for call in logger.calls] == [("api_keys.not_refreshed",)]
    assert (await ring.principal(known)).client == "acme"
    with pytest.raises(DatabaseUnavailableError) as unavailable:
        await ring.principal(unknown)
    assert unavailable.value.status == 503
    with pytest.raises(DatabaseUnavailableError):
        await create(ring)


async def test_a_use_that_could_not_be_written_is_written_later(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    _, text = await create(ring)
    await ring.principal(text)
    with monkeypatch.context() as patched:
        patched.setattr(ring, "_keys", Away())
        with pytest.raises(AutoReconnect):
            await ring.refresh()
        await ring.close()
    await ring.close()

    assert (await ring.all(None))[0].last_used_at == NOW


async def test_made_up_keys_are_not_looked_up_again_at_once(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    text = new_key().text
    await refused(ring, text, "is not valid here")
    away = Away()
    monkeypatch.setattr(ring, "_keys", away)

    await refused(ring, text, "is not valid here")

    assert away.asked == 0


async def test_memory_holds_a_bounded_number_of_keys(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_KNOWN", 2)
    made = [await create(ring) for _ in range(3)]
    for _, text in (made[0], made[1], made[0], made[2]):
        await ring.principal(text)

    assert set(ring._known) == {made[0][0].key_id, made[2][0].key_id}
    assert (await ring.principal(made[1][1])).client == "acme"


async def test_a_scope_that_this_version_does_not_know_grants_nothing(ring: KeyRing, database: Database) -> None:
    _, text = await create(ring)
    await database.writes["api_keys"].update_one({}, {"$set": {"scopes": ["read", "everything"]}})

    assert (await ring.principal(text)).scopes == {Scope.READ}
