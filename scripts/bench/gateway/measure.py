"""The same chats to the stand-in directly and through each gateway, by turns within a round."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from scripts.bench.door import Server
from scripts.bench.gateway.ours import CLIENTS, ours
from scripts.bench.gateway.spent import Answered, Before
from scripts.bench.gateway.stand_in import EVENTS, PACE_S
from scripts.bench.gateway.stream_load import Streamed, Streams, carry_out
from scripts.bench.gateway.systems import System, litellm, stand_in, tensorzero
from scripts.bench.http_load import Client, Load, Plan, client
from scripts.bench.in_process import until_merged
from scripts.bench.memory import resident_mb
from scripts.bench.results import Results
from scripts.bench.setup import Run, bench_settings

DIRECT = "direct"
MOST_PER_S = 80_000
"""More than the stand-in answers: no plan runs out of requests."""
STREAMS = 32
"""At once."""
STREAM_SECONDS = EVENTS * PACE_S
PACED = 64
"""Connections of whoever sends at a pace: enough that none has to wait for one."""
WARM_UP = 200
WARM_UP_CONNECTIONS = 8


class Asked(NamedTuple):
    """What is measured, and beside whom."""

    connections: Sequence[int]
    seconds: float
    """Of each step."""
    litellm: Path | None = None
    tensorzero: Path | None = None
    """The interpreters of environments that have them."""


class Bench(NamedTuple):
    """What every step needs."""

    asked: Asked
    load: Client
    served: Server
    results: Results


def steps(asked: Asked | Namespace) -> int:
    """The systems that are measured in a round."""
    return 3 + bool(asked.litellm) + bool(asked.tensorzero)


async def measure(run: Run, asked: Asked) -> Results:
    """Requests per second, ms, µs of CPU of a request and of an event of a stream, and ratios within a round."""
    results = Results()
    with bench_settings(run.settings) as own:
        async with AsyncExitStack() as stack:
            load, provider = await stack.enter_async_context(client()), await stack.enter_async_context(stand_in())
            gateway = await stack.enter_async_context(ours(own, run.uri, provider))
            systems = [provider, *gateway.systems]
            if asked.tensorzero:
                systems.append(await stack.enter_async_context(tensorzero(asked.tensorzero, provider)))
            if asked.litellm:
                systems.append(await stack.enter_async_context(litellm(asked.litellm, provider)))
            bench = Bench(asked, load, gateway.served, results)
            for system in systems:
                await _warm_up(bench, system)
            for number in range(run.rounds):
                for system in systems if number % 2 == 0 else reversed(systems):
                    await take(bench, system, provider)
                    await until_merged(bench.served.database)
                    run.advance(1)
                compare(bench, systems)
    return results


async def take(bench: Bench, system: System, provider: System) -> None:
    """All steps of one system in a round."""
    await _flat_out(bench, system)
    await _at_half_load(bench, system, provider)
    await _streams(bench, system)


async def _warm_up(bench: Bench, system: System) -> None:
    """What is made with the first requests, and for each user, is not measured."""
    count = WARM_UP + len(system.users)
    await bench.load.fire(Plan(system.host, system.port, system.requests(count), WARM_UP_CONNECTIONS))
    await bench.load.have(carry_out, _of_streams(system, WARM_UP_CONNECTIONS))
    await until_merged(bench.served.database)


async def _flat_out(bench: Bench, system: System) -> None:
    for connections in (1, *bench.asked.connections):
        await _fire(bench, f"{system.name}, {connections}", system, _plan(bench, system, connections))


async def _at_half_load(bench: Bench, system: System, provider: System) -> None:
    """Half of what it carried in this round, and the stand-in alone at the same pace."""
    if system is provider:
        return
    names = [f"{system.name}, {connections}" for connections in bench.asked.connections]
    pace = max(bench.results.last(name, "per_s") for name in names) / 2
    for name, asked in ((f"{DIRECT}, at the pace of {system.name}", provider), (f"{system.name}, half load", system)):
        await _fire(bench, name, asked, _plan(bench, asked, PACED, pace))


def _plan(bench: Bench, system: System, connections: int, per_s: float | None = None) -> Plan:
    seconds = bench.asked.seconds
    requests = system.requests(round(MOST_PER_S * seconds))
    return Plan(system.host, system.port, requests, connections, per_s, seconds=seconds)


async def _fire(bench: Bench, name: str, system: System, plan: Plan) -> None:
    before = await Before.of(bench.served, system)
    done: Load = await bench.load.fire(plan)
    await before.add_row(bench.results, name, Answered(done.seconds, done.times, done.refused))


async def _streams(bench: Bench, system: System) -> None:
    """Times are those of the first byte. What streams cost more than as many whole answers in the same time, their
    events do.
    """
    name, whole = f"{system.name}, streams", f"{system.name}, as many whole"
    count = STREAMS * max(1, round(bench.asked.seconds / STREAM_SECONDS))
    before = await Before.of(bench.served, system)
    done: Streamed = await bench.load.have(carry_out, _of_streams(system, count))
    await before.add_row(bench.results, name, Answered(done.seconds, done.first))
    plan = Plan(system.host, system.port, system.requests(count), STREAMS, count / done.seconds)
    await _fire(bench, whole, system, plan)
    row = bench.results.rows[name][-1]
    of_events = row["cpu_us"] - bench.results.last(whole, "cpu_us")
    row |= {"event_us": of_events / EVENTS, "cut": done.cut, "rss_mb": resident_mb(system.pid)}
    if done.cut:
        bench.results.faults.append(f"{name}: {done.cut} of {count} had no proper end")


def _of_streams(system: System, count: int) -> Streams:
    requests = system.requests(count, stream=True)
    return Streams(system.host, system.port, requests, min(count, STREAMS), STREAM_SECONDS)


def compare(bench: Bench, systems: Sequence[System]) -> None:
    """Ratios and differences within the round."""
    results = bench.results
    for system in systems[1:]:
        name = system.name
        for column in ("p50_ms", "p99_ms"):
            for row, beside in (
                ("1", f"{DIRECT}, 1"),
                ("half load", f"{DIRECT}, at the pace of {name}"),
                ("streams", f"{DIRECT}, streams"),
            ):
                added = results.last(f"{name}, {row}", column) - results.last(beside, column)
                results.add_figure(f"{name}, {row}: added {column}", added)
        if name in CLIENTS:
            for peer in (each.name for each in systems[1:] if each.name not in CLIENTS):
                for connections in bench.asked.connections:
                    rates = (results.last(f"{each}, {connections}", "per_s") for each in (name, peer))
                    results.add_figure(f"{name}, {connections}: times {peer}", next(rates) / next(rates))
