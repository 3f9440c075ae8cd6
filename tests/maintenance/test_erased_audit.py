"""Erasure in the audit trail: what was changed stays, the user does not."""

from datetime import UTC, datetime

from app.audit import Actor, How, Target, acting_as, record
from app.database import Database
from app.maintenance.erasure.audit import ErasedAudit
from app.maintenance.erasure.pseudonyms import Rename
from models.audit import AUDIT

ADMIN = Actor(subject="admin", how=How.TOKEN)


async def test_the_pseudonym_takes_the_users_place_for_one_client_alone(database: Database) -> None:
    with acting_as(ADMIN):
        for client in ("acme", "other", None):
            target = Target(kind="limit", id=f"l-{client}", client_id=client, name="user u_42")
            after = {"scope": {"userId": "u_42"}, "at": datetime(2026, 11, 1, tzinfo=UTC), "note": "not u_421"}
            await record(database, None, "limit.created", target, after=after)
    erased = ErasedAudit(database, rename := Rename.fresh("u_42", "acme"))

    assert (await erased.count(), await erased.erase(), await erased.count()) == (2, 2, 0)

    found = {each["target"]["id"]: each async for each in database.reads[AUDIT].find()}
    mine, theirs = found["l-acme"], found["l-other"]
    assert (mine["target"]["name"], mine["after"]["scope"]) == (
        f"user {rename.pseudonym}",
        {"userId": rename.pseudonym},
    )
    assert (mine["after"]["note"], theirs["after"]["scope"]) == ("not u_421", {"userId": "u_42"})
