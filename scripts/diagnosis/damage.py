"""Documents that were damaged by hand, or by a disk: each is named, with what is wrong and the way out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from app.database.damaged import Damaged, find_damaged
from models import AIUsage, Analytics, ApiKey, PriceOverride
from models.faults import fields_at_fault
from models.rollups import DELTAS, STATE
from models.stored_shapes import SHAPES
from scripts.diagnosis import words
from scripts.diagnosis.finding import Check, Deployment, Finding, Group, notice, ok, problem

DAYS = 30
"""Of calls and events; scripts.reconcile looks at every day."""
SHARE = 0.9
"""Of the time of the check."""
CALLS = (AIUsage.Settings.name, Analytics.Settings.name)
CELLS = tuple(name for name in SHAPES if name not in {*CALLS, DELTAS})
WAYS_OUT = {
    STATE: "the state: delete it, start a server, and run python -m scripts.rebuild_rollups",
    ApiKey.Settings.name: "a key grants nothing: correct it by hand, or delete it and create another",
    PriceOverride.Settings.name: "a price applies to nothing: correct it by hand, or delete it and set it again",
    **dict.fromkeys(CALLS, "calls: correct them by hand, or delete entry and event; then scripts.reconcile --execute"),
}
OTHERWISE = "delete it (db.COLLECTION.deleteOne({_id: ...})); then python -m scripts.reconcile --execute counts it anew"


async def documents(deployment: Deployment) -> Finding:
    """Of every collection but the deltas, which have a check of their own."""
    found: list[Damaged] = []
    whole = False
    try:
        async with asyncio.timeout(deployment.seconds * SHARE):
            async for each in _damaged(deployment):
                found += each
        whole = True
    except TimeoutError:
        pass
    if found:
        ways = dict.fromkeys(WAYS_OUT.get(each.collection, OTHERWISE) for each in found)
        return problem(f"{'; '.join(map(str, found))}", "; ".join(ways))
    if not whole:
        return notice(f"not all could be looked at within {deployment.seconds:g} s", "give it more time: --seconds 60")
    return ok(f"none in any collection, among calls in the last {DAYS} days")


async def _damaged(deployment: Deployment) -> AsyncIterator[list[Damaged]]:
    database = deployment.database.reads
    for model in (ApiKey, PriceOverride):
        yield [one async for stored in database[model.Settings.name].find() if (one := _unreadable(model, stored))]
    for name in CELLS:
        yield await find_damaged(database, name, most=words.SHOWN)
    recent = {"createdAt": {"$gte": deployment.clock() - timedelta(days=DAYS)}}
    for name in CALLS:
        yield await find_damaged(database, name, recent, most=words.SHOWN)


def _unreadable(model: type[ApiKey] | type[PriceOverride], stored: dict[str, Any]) -> Damaged | None:
    try:
        model.model_validate(stored)
    except ValidationError as error:
        return Damaged(model.Settings.name, stored.get("_id"), fields_at_fault(error))
    return None


GROUP = Group("damage", (Check("damaged documents", documents),))
