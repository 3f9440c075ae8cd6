"""Policies of keys: known to every process within two seconds, and never older than a change that was made here."""

from typing import Any

import pytest

from app.auth import api_keys, seen_key
from app.auth.api_keys import KeyRing, open_key_ring
from app.auth.principals import Scope
from app.auth.refused import RefusedError
from app.database import Database
from models import ApiKey
from models.key_policy import KeyPolicy, OnDisconnect
from scripts.diagnosis import damage
from tests.auth.test_api_keys import clock, create, ring  # noqa: F401 - fixtures
from tests.patience import until

GATEWAY: dict[str, Any] = {"scopes": {Scope.GATEWAY}}
ONE = KeyPolicy(models=("gpt-4o*",), cache=True, on_disconnect=OnDisconnect.CANCEL, content_type="support")


async def policy_of(ring: KeyRing, text: str) -> KeyPolicy | None:  # noqa: F811
    return (await ring.principal(text)).policy


async def test_a_policy_is_read_as_it_was_stored(ring: KeyRing, database: Database) -> None:  # noqa: F811
    _, text = await create(ring, policy=ONE, **GATEWAY)

    assert await policy_of(KeyRing(database), text) == ONE == await policy_of(ring, text)


async def test_only_keys_of_the_gateway_have_one(ring: KeyRing) -> None:  # noqa: F811
    _, of_gateway = await create(ring, **GATEWAY)
    _, of_others = await create(ring, policy=ONE)

    assert (await policy_of(ring, of_gateway), await policy_of(ring, of_others)) == (KeyPolicy(), None)


def test_two_looks_at_the_keys_take_two_seconds_at_most() -> None:
    assert api_keys.REFRESH_SECONDS + api_keys.QUERY_SECONDS <= 2


async def test_a_change_is_known_here_at_once_and_elsewhere_with_the_next_look(
    ring: KeyRing,  # noqa: F811
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, text = await create(ring, policy=ONE, **GATEWAY)
    await ring.principal(text)
    monkeypatch.setattr(api_keys, "REFRESH_SECONDS", 0.01)
    async with open_key_ring(database) as elsewhere:
        await elsewhere.principal(text)

        await ring.change(key.key_id, {"models": ("claude-*",)}, None)

        changed = ONE.model_copy(update={"models": ("claude-*",)})
        assert await policy_of(ring, text) == changed
        await until(lambda: elsewhere.known(text).policy == changed)  # type: ignore[union-attr]


async def test_what_was_read_before_a_change_does_not_undo_it(
    ring: KeyRing,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, text = await create(ring, policy=ONE, **GATEWAY)
    await ring.principal(text)
    read = seen_key.read

    def late(stored: dict[str, Any]) -> Any:
        ring._renew_here(read({**stored, "policy": {}}))  # type: ignore[arg-type]
        return read(stored)

    monkeypatch.setattr(api_keys, "read", late)
    await ring.refresh()

    assert await policy_of(ring, text) == KeyPolicy()
    assert key.policy == ONE


async def test_who_watches_is_told_of_keys_that_hold_no_longer(
    ring: KeyRing,  # noqa: F811
    database: Database,
) -> None:
    elsewhere = KeyRing(database)
    told: list[str] = []
    ring.on_revoked = elsewhere.on_revoked = told.append
    kept, revoked, deleted = [await create(ring, **GATEWAY) for _ in range(3)]
    for _, text in (kept, revoked, deleted):
        await elsewhere.principal(text)

    await ring.revoke(revoked[0].key_id, None)
    assert told == [revoked[0].key_id]
    await database.writes["api_keys"].delete_one({"keyId": deleted[0].key_id})
    await elsewhere.refresh()

    assert set(told) == {revoked[0].key_id, deleted[0].key_id}


async def test_a_policy_that_cannot_be_read_grants_nothing(ring: KeyRing, database: Database) -> None:  # noqa: F811
    """A field that is not known may be one that forbids."""
    key, text = await create(ring, **GATEWAY)
    await database.writes["api_keys"].update_one({"keyId": key.key_id}, {"$set": {"policy.onlyOnMondays": True}})

    with pytest.raises(RefusedError):
        await KeyRing(database).principal(text)
    stored = await database.writes["api_keys"].find_one({"keyId": key.key_id})
    assert stored is not None
    found = damage._unreadable(ApiKey, stored)
    assert found is not None
    assert (found.collection, found.fields) == ("api_keys", ["policy"])
