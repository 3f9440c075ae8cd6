"""The rollups: are they in this time zone, are they fresh, and do they agree with the ledger?"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pymongo
from pymongo.errors import PyMongoError

from app.database.damaged import find_damaged, shown_id
from app.maintenance.reconcile.days import DayCheck, DayFindings, Difference
from app.maintenance.reconcile.sheets import SheetCheck
from app.maintenance.reconcile.trailing import TrailingCheck
from app.reports.windows import midnight
from app.rollups.lease import LEASE_SECONDS
from app.rollups.set_aside import WAY_OUT
from app.rollups.state import REBUILD, STATE_KEY
from models.rollups import DAYS, DELTAS, EVERYONE, SET_ASIDE, STATE, in_other_zone, is_tagged, is_timed
from scripts.diagnosis import server, words
from scripts.diagnosis.finding import START, Check, Deployment, Finding, Group, notice, ok, problem, unchecked

LAG_SECONDS = 15.0
"""Figures wait a second or two, users and conversations about five."""
RECENT_DAYS = 3
OLDER_DAYS = 2
"""Of the ledger, and as many of the cells."""
SHEET_DAYS = 2
"""The latest, whose sheets of users are compared with their cells."""
SHARE = 0.9
"""Of the time of the check, that days may be begun and read in."""
RECONCILE = "python -m scripts.reconcile"
NOT_STARTED = "no rollups: nothing has been started on this database yet"

Document = dict[str, Any]


async def zone(deployment: Deployment) -> Finding:
    state, configured = await _state(deployment), deployment.settings.timezone
    if state is None:
        return notice(NOT_STARTED, f"start the server: {START}")
    if (counted := state["timezone"]) != configured:
        said = f"days are counted in {counted}, but TWINMETER_TIMEZONE is {configured}: every report answers 503"
        return problem(said, f"set it back, or rebuild the rollups: {REBUILD}")
    if strange := await deployment.database.reads[DELTAS].count_documents(in_other_zone(counted)):
        said = f"{words.counted(strange, 'waiting delta')} counted in another zone than {counted}"
        return notice(said, f"look again in a minute; if they stay: {REBUILD}")
    return ok(f"days are counted in {counted}, as TWINMETER_TIMEZONE says")


async def completeness(deployment: Deployment) -> Finding:
    state = await _state(deployment)
    if state is None:
        return notice(NOT_STARTED, f"start the server: {START}")
    if not state["complete"]:
        return problem("the ledger is older than its rollups: every report answers 503", f"build them: {REBUILD}")
    if not is_tagged(state):
        said = "campaigns and experiments are counted anew, as after an upgrade: meanwhile reports read the ledger"
        return notice(said, "a running server does it; where one of an earlier release runs as well, stop that")
    if not is_timed(state):
        left = state.get("filling", {}).get("timed", {}).get("from", "today")
        said = f"speeds of models are counted anew, as after an upgrade, newest days first, and are at {left}"
        return notice(said, "a running server does it; until then latency by model or feature is not known")
    since = f"; raw calls are kept from {state['wholeFrom']} on" if "wholeFrom" in state else ""
    return ok(f"the rollups hold the whole ledger{since}")


async def freshness(deployment: Deployment) -> Finding:
    """What waits to be merged, and who merges."""
    deltas, now = deployment.database.reads[DELTAS], (await server.admin(deployment, "hello"))["localTime"]
    waiting = await deltas.count_documents({})
    oldest = await deltas.find_one({}, {"at": 1}, sort=[("at", 1)])
    lease = await deployment.database.reads[STATE].find_one({"_id": "compactor"})
    lag = 0.0 if oldest is None else (now - oldest["at"]).total_seconds()
    return freshness_of(waiting, lag, *_holder(lease, now))


def freshness_of(waiting: int, lag: float, alive: bool, holder: str) -> Finding:
    """`lag` is the age of the oldest delta in seconds; `holder` says who merges."""
    what = (
        f"{words.counted(waiting, 'delta')} wait{'s' if waiting == 1 else ''} to be merged"
        if waiting
        else "no delta waits"
    )
    said = f"{what}, the oldest for {words.span(max(lag, 0.0))}; {holder}" if waiting else f"{what}; {holder}"
    if waiting == 0 or lag <= LAG_SECONDS:
        return ok(said)
    if alive:
        return notice(said, "its log says why: compactor.failed, compactor.merged. Reports stay exact meanwhile")
    return problem(said, f"start a server, which merges: {START}. Reports stay exact meanwhile, and get slower")


async def unread(deployment: Deployment) -> Finding:
    """Deltas that cannot be read: those that wait, and those that a server has set aside."""
    database = deployment.database.reads
    if waiting := await find_damaged(database, DELTAS):
        said = f"waiting deltas that cannot be read, so reports may lack their calls: {words.some(map(str, waiting))}"
        return problem(said, f"a server sets them aside: {START}; then {WAY_OUT}")
    if not (count := await database[SET_ASIDE].count_documents({})):
        return ok("every delta can be read")
    kept = await database[SET_ASIDE].find().sort("at", 1).limit(words.SHOWN).to_list(None)
    each = ", ".join(f"{shown_id(one['_id'])} ({', '.join(one['fields'])})" for one in kept)
    said = f"{words.counted(count, 'delta')} could not be read and {'was' if count == 1 else 'were'} set aside: {each}"
    return problem(f"{said}; reports may lack their calls", WAY_OUT)


async def sample(deployment: Deployment) -> Finding:
    """Every invariant of the last days, and of random older ones, as far as there is time for them."""
    state = await _state(deployment)
    if state is None:
        return ok("no day to check yet")
    if not state["complete"]:
        return unchecked("the ledger is older than its rollups")
    home = ZoneInfo(state["timezone"])  # whatever the setting says, cells are of these days
    if not (days := await _days(deployment, home)):
        return ok("no day to check yet")
    checked = await _checked(deployment, days, home)
    entries, cells = sum(found.entries for found in checked.values()), sum(found.cells for found in checked.values())
    looked = f"{words.counted(entries, 'entry', 'entries')} and {words.counted(cells, 'cell')}"
    said = f"{len(checked)} of {words.counted(len(days), 'sampled day')} ({looked})"
    if differences := [difference for found in checked.values() for difference in found.differences]:
        return _differ(differences, said)
    if not checked:
        return notice(f"{said} could be read within {deployment.seconds:g} s", f"--seconds 60, or {RECONCILE}")
    return ok(f"{said} agree to the digit: {', '.join(map(str, sorted(checked)))}")


async def _checked(deployment: Deployment, days: Sequence[date], home: ZoneInfo) -> dict[date, DayFindings]:
    """What was found on those days that there was time for."""
    check = DayCheck(deployment.database, home)
    deadline = time.monotonic() + deployment.seconds * SHARE
    checked: dict[date, DayFindings] = {}
    for day in days:
        left = max(deadline - time.monotonic(), 0.001)
        first = (day.year, day.month) not in {(other.year, other.month) for other in checked}
        try:
            async with asyncio.timeout(left):
                with pymongo.timeout(left):
                    checked[day] = await check.day(day, first=first)
        except TimeoutError:
            break
        except PyMongoError as error:
            if not error.timeout:
                raise
            break
    return checked


async def trailing(deployment: Deployment) -> Finding:
    found = await TrailingCheck(deployment.database).differences()
    found += await SheetCheck(deployment.database).differences(SHEET_DAYS)
    if found:
        return _differ(found, "in the totals of the last days")
    return ok("totals of the last 7, 30, 60 and 90 days, where kept, are what the days sum to")


def _differ(found: list[Difference], where: str) -> Finding:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(Counter(each.kind for each in found).items()))
    first = f"{found[0].day} {found[0].kind} {found[0].id}: {found[0].said}"
    days = sorted({each.day for each in found})
    said = f"{words.counted(len(found), 'difference')} on {words.counted(len(days), 'day')} ({kinds}), in {where}"
    span = f"{RECONCILE} --from {days[0]} --to {days[-1]}"
    return problem(f"{said}; the first: {first}", f"{span} shows them all; with --execute it repairs them")


async def _days(deployment: Deployment, home: ZoneInfo) -> Sequence[date]:
    """Recent days first, those with nothing left out; then random ones before them."""
    today = deployment.clock().astimezone(home).date()
    recent = [today - timedelta(days=ago) for ago in range(RECENT_DAYS)]
    counted = await deployment.database.reads[DAYS].distinct("_id.day", {"_id.scope": EVERYONE})
    cells = [date.fromisoformat(day) for day in counted]
    older = [day for day in cells if day < recent[-1]]
    chosen = deployment.chance.sample(older, min(OLDER_DAYS, len(older)))
    chosen += await _ledger_days(deployment, recent[-1], home)
    known = set(cells)
    filled = [day for day in recent if day in known or await _ledger_day(deployment, day, home)]
    ahead = sorted(day for day in known if day > today)
    return list(dict.fromkeys([*filled, *chosen, *ahead[:OLDER_DAYS]]))


async def _ledger_days(deployment: Deployment, before: date, home: ZoneInfo) -> list[date]:
    """Of entries at random moments before a day."""
    past = {"$lt": midnight(before, home)}
    ends = [await _created(deployment, {"createdAt": past}, order) for order in (1, -1)]
    if ends[0] is None or ends[1] is None:
        return []
    days = []
    for _ in range(OLDER_DAYS):
        moment = ends[0] + (ends[1] - ends[0]) * deployment.chance.random()
        if (found := await _created(deployment, {"createdAt": past | {"$gte": moment}}, 1)) is not None:
            days.append(found.astimezone(home).date())
    return days


async def _ledger_day(deployment: Deployment, day: date, home: ZoneInfo) -> bool:
    moments = {"$gte": midnight(day, home), "$lt": midnight(day + timedelta(days=1), home)}
    return await _created(deployment, {"createdAt": moments}, 1) is not None


async def _created(deployment: Deployment, condition: Document, order: int) -> datetime | None:
    found = await deployment.database.ledger.find_one(condition, {"createdAt": 1}, sort=[("createdAt", order)])
    return None if found is None else found["createdAt"]


async def _state(deployment: Deployment) -> Document | None:
    return await deployment.database.reads[STATE].find_one(STATE_KEY)


def _holder(lease: Document | None, now: datetime) -> tuple[bool, str]:
    """Whether somebody merges, and who."""
    if lease is None:
        return False, "no process merges now"
    ago = (now - lease["until"]).total_seconds() + LEASE_SECONDS
    alive = now < lease["until"]
    who = f"a process (lease {lease['holder'][:8]}) {'merges' if alive else 'merged'}"
    return alive, f"{who}, seen {words.span(max(ago, 0.0))} ago"


GROUP = Group(
    "rollups",
    (
        Check("time zone", zone),
        Check("completeness", completeness),
        Check("freshness", freshness),
        Check("unread deltas", unread),
        Check("invariants", sample),
        Check("trailing totals", trailing),
    ),
)
