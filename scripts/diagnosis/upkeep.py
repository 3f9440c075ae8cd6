"""What needs maintenance: keys that expire or are not used, and commands that were interrupted."""

from datetime import timedelta

from app.auth.api_keys import KeyRing
from models import ApiKey
from models.rollups import ERASURES
from scripts.diagnosis import words
from scripts.diagnosis.finding import Check, Deployment, Finding, Group, notice, ok, problem
from scripts.toolkit.job import CHECKPOINTS

SOON = timedelta(days=14)
UNUSED = timedelta(days=30)
IN_USE = timedelta(days=1)
"""A key that was used so shortly before its end was still needed."""
AT_WORK = timedelta(minutes=2)
NEW_KEY = "create a new one (python -m scripts.create_api_key), and revoke the old: POST /api/admin/keys/ID/revoke"
REVOKE = "revoke what nobody needs: POST /api/admin/keys/ID/revoke"


async def expiry(deployment: Deployment) -> Finding:
    keys, now = await _keys(deployment), deployment.clock()
    if not keys:
        return ok("no API keys")
    ended = [key for key in keys if key.expires_at is not None and key.expires_at <= now]
    cut_off = [
        key for key in ended if key.last_used_at and key.expires_at and key.expires_at - key.last_used_at < IN_USE
    ]
    soon = [key for key in keys if key.expires_at is not None and now < key.expires_at <= now + SOON]
    said = f"of {words.counted(len(keys), 'API key')}, "
    if cut_off:
        return problem(f"{said}{len(cut_off):,} expired while in use: {_ends(cut_off)}", NEW_KEY)
    if soon:
        return notice(f"{said}{len(soon):,} will expire within {SOON.days} days: {_ends(soon)}", NEW_KEY)
    if ended:
        return notice(f"{said}{len(ended):,} have expired: {_ends(ended)}", REVOKE)
    return ok(f"{said}none has expired or will within {SOON.days} days")


async def use(deployment: Deployment) -> Finding:
    keys, now = await _keys(deployment), deployment.clock()
    idle = [key for key in keys if key.last_used_at is None and key.created_at <= now - UNUSED]
    if not idle:
        return ok(f"no API key older than {UNUSED.days} days was never used")
    names = words.some(f"{_name(key)}, created {key.created_at:%Y-%m-%d}" for key in idle)
    return notice(f"{len(idle):,} of {words.counted(len(keys), 'API key')} were never used: {names}", REVOKE)


async def runs(deployment: Deployment) -> Finding:
    now = deployment.clock()
    # neither long ago nor, after a clock was set back, ahead of now
    at_work = {"at": {"$gte": now - AT_WORK, "$lte": now + AT_WORK}}
    found = await deployment.database.reads[CHECKPOINTS].find({"$nor": [at_work]}).to_list(None)
    if not found:
        return ok("no command was interrupted")
    names = words.some(
        f"scripts.{run['_id']['script']} at {run['at']:%Y-%m-%d %H:%M} UTC after {run['done']:,}" for run in found
    )
    return notice(
        f"{words.counted(len(found), 'interrupted run')}: {names}", "start each again with the same arguments"
    )


async def erasures(deployment: Deployment) -> Finding:
    if not (count := await deployment.database.reads[ERASURES].count_documents({})):
        return ok("none is running")
    said = f"{words.counted(count, 'erasure')} not finished: the id of a person stays in the collection {ERASURES}"
    return notice(said, "if none is running, start it again: python -m scripts.erase_user USER --execute")


async def _keys(deployment: Deployment) -> list[ApiKey]:
    """Those that were not revoked."""
    return [key for key in await KeyRing(deployment.database).all(None) if key.revoked_at is None]


def _ends(keys: list[ApiKey]) -> str:
    return words.some(f"{_name(key)}, {key.expires_at:%Y-%m-%d}" for key in keys)


def _name(key: ApiKey) -> str:
    return f"{key.key_id} ({key.name} of {key.client_id})"


GROUP = Group(
    "upkeep",
    (
        Check("key expiry", expiry),
        Check("unused keys", use),
        Check("interrupted runs", runs),
        Check("erasures", erasures),
    ),
)
