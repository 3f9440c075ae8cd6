"""An application that reports calls by one library, for the Python of the environment that has it:

    VENV/bin/python reporting_app.py LIBRARY ADDRESS KEY CALLS.json PER_S FLUSH

With PER_S, so many calls a second, in bursts; with 0 as fast as it goes, flushing after FLUSH calls, since what does
not fit into a queue is dropped. Prints what importing the library and reporting took of this process. Imports nothing
of the project.
"""

# nothing else before the library: what both need would be none of its own
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

BURST = 50
"""Calls one right after the other, as in a busy application."""
WARM_UP = 100
"""Calls that are reported, but not measured: they make threads and connections."""


class Reporter(NamedTuple):
    report: Callable[[dict[str, Any]], object]
    flush: Callable[[], object]
    counts: Callable[[], dict[str, int]] = dict
    """What the library itself says became of the calls."""


Connect = Callable[[str, str], Reporter]
"""Makes a reporter for an address and a key."""
FIELDS = ("user_id", "conversation_id", "content_type", "model", "provider", "input_tokens", "output_tokens")


def of_twinmeter() -> Connect:
    import twinmeter

    def connect(address: str, key: str) -> Reporter:
        twinmeter.configure(url=address, key=key)
        return Reporter(report, lambda: twinmeter.flush(60), lambda: twinmeter.counts()._asdict())

    def report(call: dict[str, Any]) -> None:
        twinmeter.track(request_duration=call["request_duration"], **{name: call[name] for name in FIELDS})

    return connect


def of_langfuse() -> Connect:
    from langfuse import Langfuse, propagate_attributes  # type: ignore[import-not-found]

    def connect(address: str, _: str) -> Reporter:
        client = Langfuse(public_key="pk-bench", secret_key="sk-bench", base_url=address)  # noqa: S106 - nobody checks it

        def report(call: dict[str, Any]) -> None:
            with propagate_attributes(user_id=call["user_id"], session_id=call["conversation_id"]):
                usage = {"input": call["input_tokens"], "output": call["output_tokens"]}
                client.start_observation(
                    name=call["content_type"], as_type="generation", model=call["model"], usage_details=usage
                ).end()

        return Reporter(report, client.flush)

    return connect


def of_posthog() -> Connect:
    from posthog import Posthog  # type: ignore[import-not-found]

    def connect(address: str, _: str) -> Reporter:
        client = Posthog("phc_bench", host=address)

        def report(call: dict[str, Any]) -> None:
            properties = {
                "$ai_trace_id": call["conversation_id"],
                "$ai_model": call["model"],
                "$ai_provider": call["provider"],
                "$ai_input_tokens": call["input_tokens"],
                "$ai_output_tokens": call["output_tokens"],
                "$ai_latency": call["request_duration"] / 1000,
                "content_type": call["content_type"],
            }
            client.capture("$ai_generation", distinct_id=call["user_id"], properties=properties)

        return Reporter(report, client.flush)

    return connect


def of_openmeter() -> Connect:
    import uuid
    from datetime import UTC, datetime

    from openmeter import Client  # type: ignore[import-not-found]
    from openmeter.models import Event  # type: ignore[import-not-found]

    def connect(address: str, key: str) -> Reporter:
        client = Client(endpoint=address, token=key)

        def report(call: dict[str, Any]) -> None:
            event = Event(
                id=str(uuid.uuid4()),
                source="bench",
                specversion="1.0",
                type="tokens",
                subject=call["user_id"],
                time=datetime.now(UTC),
                data={name: call[name] for name in FIELDS},
            )
            client.events.ingest_event(event)

        return Reporter(report, lambda: None)

    return connect


LIBRARIES = {"twinmeter": of_twinmeter, "langfuse": of_langfuse, "posthog": of_posthog, "openmeter": of_openmeter}


def main() -> None:
    name, address, key, path, per_s, flush = sys.argv[1:]
    before, began_cpu = _mb("VmRSS"), time.process_time()
    connect = LIBRARIES[name]()
    import_cpu_ms, import_mb = 1000 * (time.process_time() - began_cpu), _mb("VmRSS") - before

    import json

    with open(path) as file:  # noqa: PTH123 - as above
        calls = json.load(file)
    reporter = connect(address, key)
    _report(reporter, calls[:WARM_UP], 0, WARM_UP)
    began, began_cpu = time.perf_counter(), time.process_time()
    times_us = _report(reporter, calls[WARM_UP:], float(per_s), int(flush))
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    figures = {
        "import_cpu_ms": import_cpu_ms,
        "import_mb": import_mb,
        "most_mb": _mb("VmHWM") - before,
        "times_us": times_us,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "counts": reporter.counts(),
    }
    sys.stdout.write(json.dumps(figures))


def _report(reporter: Reporter, calls: list[dict[str, Any]], per_s: float, flush: int) -> list[float]:
    """µs that each call took of its caller. Returns when all are delivered."""
    times, clock, began = [], time.perf_counter, time.perf_counter()
    for number, call in enumerate(calls):
        if per_s and number % BURST == 0:
            time.sleep(max(0.0, began + number / per_s - clock()))
        elif not per_s and number and number % flush == 0:
            reporter.flush()
        started = clock()
        reporter.report(call)
        times.append(1e6 * (clock() - started))
    reporter.flush()
    return times


def _mb(name: str) -> float:
    """Resident memory, now or at most (proc(5)); `getrusage` knows that of the parent, too. On Linux only."""
    with open("/proc/self/status") as file:  # noqa: PTH123 - as above
        kb = next(line.split()[1] for line in file if line.startswith(name))
    return float(kb) * 1024 / 1e6


main()
