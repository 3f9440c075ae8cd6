"""Reservations over HTTP: what is held for calls, and the reports that settle it, by few senders and by many."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from app.ledger.twins import twin_id
from models.base import camel
from models.counters import RESERVATIONS
from scripts.bench.door import CLIENT, SINGLE, Server, server
from scripts.bench.http_load import Fires, Plan, client, request
from scripts.bench.in_process import until_merged
from scripts.bench.load import calls
from scripts.bench.results import LEAST_COMMITTED, Results, waits
from scripts.bench.setup import Run, bench_settings

PLAN = {
    "plan": "all",
    "name": "All",
    "default": True,
    "allowances": [{"unit": unit, "window": "month", "amount": 1_000_000_000} for unit in ("requests", "usd")],
}
"""Two limits of each user, which none reaches."""
WHOSE: dict[str, dict[str, str]] = {"one user": {"user_id": "hot"}, "20,000 users": {}}
WARM_UP = 2_000
WARM_UP_SENDERS = 16


class Step(NamedTuple):
    """Calls that are reserved first, and then reported."""

    whose: str
    senders: int
    reported: Sequence[dict[str, Any]]


async def measure(run: Run, numbers: Sequence[int]) -> Results:
    """For each number of senders: reservations that are stored per second, ms of waiting, and the reports of them."""
    results = Results()
    with bench_settings(run.settings) as own:
        async with client() as load:
            for seed in range(run.rounds):
                async with server(own, run.uri) as served:
                    (await served.admin.post("/api/admin/plans", json=PLAN)).raise_for_status()
                    for whose, change in WHOSE.items():
                        warming = [call | change for call in calls(WARM_UP, seed=-1)]
                        await take(served, load, Step(whose, WARM_UP_SENDERS, warming), Results())
                        for number in numbers:
                            reported = [call | change for call in calls(run.calls, seed=seed + number)]
                            await take(served, load, Step(whose, number, reported), results)
                            run.advance(1)
    return results


async def take(served: Server, load: Fires, step: Step, results: Results) -> None:
    """What is held of the calls of a step, and what became of them when they were reported."""
    whose, senders, reported = step
    name, count = f"{whose}, {senders} senders", len(reported)
    asks, reports = zip(*_bodies(reported, uuid.uuid4().hex[:8]), strict=True)
    await until_merged(served.database)
    held, settled = await _stored(served, "open"), await _stored(served, "settled")
    done = await load.fire(_plan(served, "/api/ai/reservations", asks, senders))
    held = await _stored(served, "open") - held
    counts = {"sent": count, "committed": held, "refused": done.refused}
    results.add_row(f"reserve, {name}", {"per_s": held / done.seconds, **waits(done.times), **counts})
    if held < LEAST_COMMITTED * count:
        results.faults.append(f"reserve, {name}: {held:,} of {count:,} are held")
    row = f"report, {name}"
    results.add(row, await served.take(load, SINGLE, _plan(served, "/api/ai/track", reports, senders), count))
    if (settled := await _stored(served, "settled") - settled) != held:
        results.faults.append(f"{row}: {settled:,} reservations of {held:,} are settled")


def _bodies(reported: Sequence[dict[str, Any]], prefix: str) -> Iterator[tuple[bytes, bytes]]:
    """Of each call what is asked, and what is reported."""
    for number, call in enumerate(reported):
        id_ = f"{prefix}-{number}"
        whose = {
            "requestId": id_,
            **{camel(name): call[name] for name in ("user_id", "content_type", "model", "provider")},
        }
        bounds = {"inputTokens": call["input_tokens"], "maxOutputTokens": call["output_tokens"]}
        used = {"inputTokens": call["input_tokens"], "outputTokens": call["output_tokens"]}
        # a named request's reservation has the id that its entry will have
        reservation = str(twin_id(CLIENT, id_))
        yield (
            msgspec.json.encode(whose | bounds),
            msgspec.json.encode(whose | used | {"reservationId": reservation, "success": call["success"]}),
        )


def _plan(served: Server, path: str, bodies: Sequence[bytes], senders: int) -> Plan:
    bearer = served.bearers[CLIENT]
    requests = [request(path, body, bearer, "Content-Type: application/json") for body in bodies]
    return Plan(served.host, served.port, requests, senders)


async def _stored(served: Server, state: str) -> int:
    return await served.database.writes[RESERVATIONS].count_documents({"state": state})
