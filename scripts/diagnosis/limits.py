"""Limits and alerts: do counters agree with the ledger, is everything counted, and are alerts delivered?"""

from datetime import timedelta
from zoneinfo import ZoneInfo

from app.maintenance.reconcile.counters import UNHELD, CounterCheck
from app.rollups.state import STATE_KEY
from models.alerts import DELIVERIES
from models.counters import UNCOUNTED
from models.rollups import STATE
from scripts.diagnosis import words
from scripts.diagnosis.finding import START, Check, Deployment, Finding, Group, notice, ok, problem

SAMPLED = 300
RECONCILE = "python -m scripts.reconcile"
LATE = timedelta(minutes=10)
"""After which a delivery that is due should have been tried."""
RECENT = timedelta(days=7)


async def counting(deployment: Deployment) -> Finding:
    """Whether calls are counted at all."""
    found = await (await _check(deployment)).stuck()
    if found:
        return problem(found[0].said, f"start a server, which counts them: {START}; its log says what is in the way")
    waiting = await deployment.database.reads[UNCOUNTED].count_documents({})
    return ok(f"{words.counted(waiting, 'transaction')} to be counted" if waiting else "every call is counted")


async def counters(deployment: Deployment) -> Finding:
    """Some counters, by chance, against a recount; and holds against reservations."""
    check = await _check(deployment)
    found, looked = await check.sample(SAMPLED)
    if not looked:
        return ok("there is none")
    found += await check.without_holds()
    if not found:
        return ok(f"{words.counted(looked, 'counter')} as the ledger says, to the digit, and as reservations do")
    said = f"{words.counted(len(found), 'difference')} in {words.counted(looked, 'counter')}"
    first = f"{found[0].kind} {found[0].id}: {found[0].said}"
    if all(each.kind == UNHELD for each in found):
        return notice(f"{said}; the first: {first}", "look again in ten minutes")
    return problem(f"{said}; the first: {first}", f"{RECONCILE} shows them all; with --execute it mends them")


async def alerts(deployment: Deployment) -> Finding:
    """Messages that nobody sends, or that nobody takes."""
    deliveries, now = deployment.database.reads[DELIVERIES], deployment.clock()
    if late := await deliveries.count_documents({"state": "pending", "dueAt": {"$lt": now - LATE}}):
        said = f"{words.counted(late, 'delivery', 'deliveries')} of alerts should have been sent ten minutes ago"
        return problem(said, f"start a server, which sends them: {START}")
    failed = await deliveries.count_documents({"state": "failed", "createdAt": {"$gte": now - RECENT}})
    if failed:
        said = f"{words.counted(failed, 'delivery', 'deliveries')} of alerts failed for good in {RECENT.days} days"
        return notice(said, "look at /admin, Alerts: mend the endpoint, and send them again")
    return ok("no delivery is late, and none has failed")


async def _check(deployment: Deployment) -> CounterCheck:
    """By the zone of the rollups, whose days retention counts."""
    state = await deployment.database.reads[STATE].find_one(STATE_KEY) or {}
    zone = ZoneInfo(state.get("timezone", deployment.settings.timezone))
    return CounterCheck(deployment.database, zone)


GROUP = Group(
    "limits",
    (
        Check("counting", counting),
        Check("counters", counters),
        Check("alerts", alerts),
    ),
)
