"""What limits cost: reservations of one hot subject and of many, reports with limits and without, grants from memory.
Beside it, LiteLLM's check of a budget, where an environment has that.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from app.database import Database, Session
from app.errors import DatabaseUnavailableError
from app.limits import Limits, open_limits
from app.limits.answers import Held, LimitsUnavailableError
from app.limits.defining.changes import change_definitions
from app.limits.meters import Asked, Caller, Purpose
from app.settings import Settings
from app.tracking import Tracker
from models.counters import COUNTERS
from models.limits import LIMITS, Allowance, Limit, LimitScope, Unit, Window
from models.plans import PLANS, PlanVersion
from scripts.bench.cpu import CpuTimes
from scripts.bench.in_process import CALLERS, at_once, tracked, until_merged
from scripts.bench.load import USERS, calls
from scripts.bench.results import Results, waits
from scripts.bench.setup import Run, bench_settings, bench_tracker

PEER = Path(__file__).parent / "peers" / "litellm_budget.py"
CHAT = Purpose("chat", "chat", "gpt-4o", "openai")
ASKED = Asked(1, 300, Decimal("0.0015"))
PLENTY = Decimal(1_000_000_000)
WARM_UP = 2_000
PATIENCE = 30.0
"""Seconds that a caller waits: on a busy machine none is to be told to come again."""
GRANTS = 20_000
"""From memory."""
COST = Decimal("0.001")
AFFORDED = 1_000
"""Calls that the budget of the comparison pays for."""


class Ground(NamedTuple):
    """A deployment with limits, in this process."""

    database: Database
    tracker: Tracker
    limits: Limits


@asynccontextmanager
async def ground(settings: Settings, uri: str) -> AsyncIterator[Ground]:
    async with (
        bench_tracker(settings, uri) as (database, tracker),
        open_limits(database, settings.zone) as limits,
    ):
        tracker.enforce(limits)
        yield Ground(database, tracker, limits)


async def measure(run: Run, peer: Path | None) -> Results:
    """Reservations per second, ms of waiting and µs of CPU; shares and ratios as figures."""
    results = Results()
    with bench_settings(run.settings) as own:
        for seed in range(run.rounds):
            async with ground(own, run.uri) as made:
                await _reservations(made, run.calls, results)
                await _exactly(made, run.calls, results)
                await _from_memory(made, results)
            await _reports(own, run, seed, results)
            if peer is not None:
                await _beside(own, run, peer, results)
            run.advance(1)
    return results


async def define(database: Database, limits: Limits, *defined: Limit | PlanVersion) -> None:
    """Have these in force in this process."""

    async def insert(session: Session | None, version: int) -> None:
        for each in defined:
            collection = database.writes[LIMITS if isinstance(each, Limit) else PLANS]
            await collection.insert_one({**each.stored(), "changed": version}, session=session)

    await change_definitions(database, insert)
    await limits.changed()


_ids = count()


def limit(scope: LimitScope, unit: Unit, amount: Decimal | int) -> Limit:
    more: dict[str, Any] = {"created_at": datetime.now(UTC), "created_by": "bench"}
    id_ = f"limit-{next(_ids)}"
    return Limit(id=id_, scope=scope, unit=unit, window=Window.MONTH, amount=Decimal(amount), **more)


def plan_of_all() -> PlanVersion:
    """Every user may make so many requests a month, for so much money."""
    allowances = [Allowance(unit=unit, window=Window.MONTH, amount=PLENTY) for unit in (Unit.REQUESTS, Unit.USD)]
    more: dict[str, Any] = {"created_at": datetime.now(UTC), "created_by": "bench", "default": True}
    return PlanVersion(plan="all", version=1, name="All", allowances=tuple(allowances), **more)


def caller(user: str, client: str = "default") -> Caller:
    return Caller(user, client)


async def _reservations(made: Ground, many: int, results: Results) -> None:
    """Held and released again, by 512 at once: of one user, of one client that all users share, and of 20,000 users."""
    database, _, limits = made
    hot, shared = LimitScope(user_id="hot"), LimitScope(client_id="shared")
    await define(database, limits, *(limit(scope, Unit.REQUESTS, PLENTY) for scope in (hot, shared)))
    await _row("one user", made, [caller("hot")] * many, results)
    await _row("one client", made, [caller(f"user-{n % USERS}", "shared") for n in range(many)], results)
    await define(database, limits, plan_of_all())
    users = [caller(f"user-{n % USERS:05}") for n in range(max(many, USERS))]
    await _held(limits, users[:USERS])  # counters are made with the first call of each
    await _row("20,000 users", made, users, results)


async def _row(name: str, made: Ground, callers: list[Caller], results: Results) -> None:
    await _held(made.limits, callers[:WARM_UP])
    before = await CpuTimes.start(made.database)
    seconds, asks, unavailable = await _held(made.limits, callers)
    cpu = await before.per_call(len(callers))
    results.add_row(name, {"per_s": len(asks) / seconds, **waits(asks), **cpu, "unavailable": unavailable})
    sys.stderr.write(f"{name}: {len(asks) / seconds:,.0f} reservations/s\n")


async def _held(limits: Limits, callers: Sequence[Caller]) -> tuple[float, list[float], int]:
    """Each reserves and releases, 512 at once. Returns the seconds of all, those that each waited for its reservation,
    and how many reservations or releases were told to come again, as MongoDB did not answer in time.
    """
    asks, unavailable = list[float](), 0

    async def hold(of: Caller) -> None:
        nonlocal unavailable
        began = time.perf_counter()
        try:
            held = limits.reserve_at_once(of, CHAT, ASKED, principal=of.client_id)
            answer = held or await limits.reserve(of, CHAT, ASKED, principal=of.client_id, seconds=PATIENCE)
            asks.append(time.perf_counter() - began)
            if not isinstance(answer, Held):
                raise TypeError(f"refused: {answer}")
            await limits.release(answer.id, of.client_id)
        except (DatabaseUnavailableError, LimitsUnavailableError):
            unavailable += 1

    seconds, _ = await at_once(list(callers), hold)
    return seconds, asks, unavailable


async def _exactly(made: Ground, many: int, results: Results) -> None:
    """512 at once ask for twice of what there is: no more than that is granted."""
    half = many // 2
    await define(made.database, made.limits, limit(LimitScope(client_id="half"), Unit.REQUESTS, half))
    granted = 0

    async def ask(of: Caller) -> None:
        nonlocal granted
        with suppress(LimitsUnavailableError):
            held = made.limits.reserve_at_once(of, CHAT, ASKED, principal="half")
            answer = held or await made.limits.reserve(of, CHAT, ASKED, principal="half", seconds=PATIENCE)
            granted += isinstance(answer, Held)

    await at_once([caller(f"user-{n}", "half") for n in range(many)], ask)
    results.add_figure("granted_over_the_limit", granted - half)


async def _from_memory(made: Ground, results: Results) -> None:
    """µs of a grant from a lease, one after the other, with a turn of the loop now and then."""
    of, times, misses = caller("user-1", "shared"), list[float](), 0
    for number in range(GRANTS):
        began = time.perf_counter()
        held = made.limits.reserve_at_once(of, CHAT, ASKED, principal="shared")
        taken = time.perf_counter() - began
        if held is None:
            misses += 1
            await made.limits.reserve(of, CHAT, ASKED, principal="shared")
            continue
        times.append(taken)
        await made.limits.release(held.id, "shared")
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    results.add_figure("grants_from_memory_percent", 100 * (1 - misses / GRANTS))
    if times:
        results.add_figure("grant_from_memory_p50_us", 1e6 * median(times))
        results.add_figure("grant_from_memory_p99_us", 1000 * waits(times)["p99_ms"])


async def _reports(own: Settings, run: Run, seed: int, results: Results) -> None:
    """Calls of 20,000 users, and of one, reported with limits and without, in turns on fresh databases."""
    hot = {"user_id": "hot", "client_id": "client-0"}
    for name, change in (("20,000 users", {}), ("one user", hot)):
        reported = [call | change for call in calls(run.calls, seed=seed)]
        cpu: dict[bool, dict[str, float]] = {}
        for limited in (False, True) if seed % 2 else (True, False):
            async with ground(own, run.uri) as made:
                if limited:
                    everyone = limit(LimitScope(everyone=True), Unit.USD, PLENTY)
                    await define(made.database, made.limits, plan_of_all(), everyone)
                await tracked(made.tracker, made.database, reported, CALLERS)  # counters are made with the first calls
                await until_merged(made.database)
                before = await CpuTimes.start(made.database)
                row = f"track, {name}, {'limits' if limited else 'no limits'}"
                results.add(row, await tracked(made.tracker, made.database, reported, CALLERS))
                cpu[limited] = await before.per_call(len(reported))
                results.rows[row][-1].update(cpu[limited])
                if limited and not await made.database.writes[COUNTERS].count_documents({}):
                    results.faults.append("no call was counted")
        with_, without = (results.last(f"track, {name}, {kind}", "per_s") for kind in ("limits", "no limits"))
        results.add_figure(f"track_with_limits_percent, {name}", 100 * with_ / without)
        totals = {limited: sum(figures.values()) for limited, figures in cpu.items()}
        results.add_figure(f"cpu_with_limits_times, {name}", totals[True] / totals[False])


async def _beside(own: Settings, run: Run, peer: Path, results: Results) -> None:
    """A budget for a thousand of so many calls, by 512 at once: what asking takes, and how many pass."""
    theirs = await _of_litellm(peer, run.calls)
    for name in ("checks_us", "additions_us"):
        for figure, value in theirs[name].items():
            results.add_figure(f"litellm_{name}_{figure}", value)
    results.add_figure("litellm_passed_of_1000", theirs["passed"])
    async with ground(own, run.uri) as made:
        budget = limit(LimitScope(user_id="one"), Unit.USD, COST * AFFORDED)
        await define(made.database, made.limits, budget)
        asks, passed = list[float](), 0

        async def spend(_: int) -> None:
            nonlocal passed
            began = time.perf_counter()
            asked = Asked(1, 300, COST)
            answer = await made.limits.reserve(caller("one"), CHAT, asked, principal="default", seconds=PATIENCE)
            asks.append(time.perf_counter() - began)
            if isinstance(answer, Held):
                passed += 1
                await asyncio.sleep(0)
                call = {"user_id": "one", "content_type": "chat", "model": "gpt-4o", "cost": COST}
                await made.tracker.track(**call, reservation_id=answer.id)

        before = await CpuTimes.start(made.database)
        await at_once(list(range(run.calls)), spend)
        cpu = await before.per_call(run.calls)
    results.add_figure("ours_passed_of_1000", passed)
    results.add_figure("ours_ask_p50_us", 1000 * waits(asks)["p50_ms"])
    results.add_figure("ours_cpu_us", cpu["python_us"])
    results.add_figure("litellm_cpu_us", theirs["cpu_us"])


async def _of_litellm(python: Path, many: int) -> dict[str, Any]:
    """What its process measured."""
    arguments = [str(PEER), str(many), str(CALLERS), str(COST), str(AFFORDED)]
    process = await asyncio.create_subprocess_exec(
        python, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{python} ended with exit status {process.returncode}")
    found: dict[str, Any] = json.loads(said)
    return found
