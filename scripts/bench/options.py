"""What each benchmark can be told on the command line."""

import argparse
from pathlib import Path

from scripts.bench import callers
from scripts.toolkit import command

VENVS = """
The environments are made once, by the Python that is to be measured:

  make client
  for each in twinmeter langfuse posthog openmeter; do python3 -m venv VENVS/$each; done
  VENVS/twinmeter/bin/pip install dist/twinmeter_client-*.whl
  VENVS/langfuse/bin/pip install langfuse
  VENVS/posthog/bin/pip install posthog
  VENVS/openmeter/bin/pip install --pre "openmeter<2"
"""


_PLAIN = {
    "forecast": "how far forecasts are off, and how often their band holds, held out",
    "formats": "what the gateway reads of requests and streams, in CPU time",
    "pricing": "pricing a call, against genai_prices.calc_price",
}
"""Benchmarks without options of their own."""


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """One that knows every benchmark."""
    parser = command.parser("bench", description)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    writes = benchmarks.add_parser("write", help="reporting calls, against plain inserts and the bare driver")
    writes.add_argument("--calls", type=int, default=40_000, help="calls per round (default: 40,000)")
    calling = benchmarks.add_parser("callers", help="reporting calls, by few and by very many callers at once")
    calling.add_argument("--calls", type=int, default=20_000, help="calls of each number at least (default: 20,000)")
    calling.add_argument("--callers", type=_numbers, default=callers.CALLERS, help="such as 64,512,10000")
    installed = benchmarks.add_parser(
        "client",
        help="what the Python client costs an application and the server",
        epilog=VENVS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    installed.add_argument("--calls", type=int, default=20_000, help="calls of each pace (default: 20,000)")
    installed.add_argument(
        "--peers", type=Path, metavar="VENVS", help="instead: beside other libraries, each in an environment of its own"
    )
    for name, what in _PLAIN.items():
        benchmarks.add_parser(name, help=what)
    _ledgers(benchmarks)
    entering = benchmarks.add_parser("doors", help="calls over HTTP and with wait=False, against a no-op handler")
    entering.add_argument(
        "--calls", type=int, default=20_000, help="calls per round and ingest channel (default: 20,000)"
    )
    instead = entering.add_mutually_exclusive_group()
    instead.add_argument("--workers", type=int, help="instead: single calls with one process, and with so many workers")
    instead.add_argument(
        "--senders", type=_numbers, help="instead: single calls, batches and OTLP with so many senders, as 1,4,16,64"
    )
    growing = benchmarks.add_parser("memory", help="the resident memory of a process that reports")
    growing.add_argument("--no-merges", action="store_true", help="run no compactor: the memory of tracking alone")
    growing.add_argument("--calls", type=int, default=1_000_000, help="calls in total (default: 1,000,000)")
    filling = benchmarks.add_parser("backfill", help="creating the ledger entries of events that have none")
    filling.add_argument("--events", type=int, default=100_000, help="events without an entry (default: 100,000)")
    entries = benchmarks.add_parser("import", help="importing an export into an empty database")
    entries.add_argument("--rows", type=int, default=100_000, help="rows of the export (default: 100,000)")
    entries.add_argument("--format", choices=("jsonl", "csv", "parquet"), default="jsonl", help="default: jsonl")
    lagging = benchmarks.add_parser("lag", help="the event loop's lag under the worst that each route can be sent")
    lagging.add_argument("--batches", type=int, default=20, help="batches of 1,000 calls beforehand (default: 20)")
    benchmarks.add_parser("start", help="from the start of a process to its first answer")
    flooding = benchmarks.add_parser("fairness", help="a client's calls alone, and beside another one's flood")
    flooding.add_argument("--calls", type=int, default=20_000, help="to find what the door carries (default: 20,000)")
    alerting = benchmarks.add_parser("alerts", help="from the call that passes a threshold to the webhook about it")
    alerting.add_argument("--users", dest="calls", type=int, default=200, help="who pass one, per round (default: 200)")
    comparing = benchmarks.add_parser("peers", help="other systems and this one, each from an environment of its own")
    comparing.add_argument("--calls", type=int, default=4_000, help="calls per round (default: 4,000)")
    peer = comparing.add_mutually_exclusive_group(required=True)
    for name, of in (("phoenix", "Arize Phoenix"), ("langfuse-sdk", "Langfuse's SDK"), ("litellm", "LiteLLM")):
        peer.add_argument(f"--{name}", type=Path, metavar="VENV", help=f"an environment that has {of}")
    bounding = benchmarks.add_parser("limits", help="asking first, and reports while limits count them")
    bounding.add_argument("--calls", type=int, default=20_000, help="calls per round (default: 20,000)")
    bounding.add_argument("--litellm", type=Path, metavar="PYTHON", help="beside LiteLLM's budget, by this interpreter")
    bounding.add_argument("--senders", type=_numbers, help="instead: over HTTP, with so many senders, as 1,16,64")
    passing = _gateway(benchmarks)
    _judged(benchmarks)
    for benchmark in (writes, calling, installed, entering, flooding, alerting, bounding, comparing, passing):
        benchmark.add_argument("--rounds", type=int, default=3, help="of which the median counts (default: 3)")
    for benchmark in benchmarks.choices.values():
        benchmark.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def _judged(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What judges, over what was generated so that the truth is known."""
    judging = benchmarks.add_parser("spending", help="alerts about unusual costs, over generated years of businesses")
    judging.add_argument("--years", type=int, default=3, help="of each business (default: 3)")
    parser = benchmarks.add_parser("experiments", help="statistics of experiments whose truth is known")
    parser.add_argument("--users", type=int, default=4_000, help="of each experiment (default: 4,000)")
    parser.add_argument("--rounds", type=int, default=1_000, help="experiments of each kind (default: 1,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: 1)")


def _ledgers(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What is asked beside a ledger of any size."""
    reading = benchmarks.add_parser(
        "reads", help="administrators' reports beside a live writer, against raw aggregation"
    )
    reading.add_argument("--events", type=int, default=100_000, help="calls in the ledger (default: 100,000)")
    reading.add_argument("--uniform", action="store_true", help="users and conversations uniform instead of Zipf")
    reading.add_argument("--keep", metavar="DATABASE", help="fill this database once and reuse it")
    reading.add_argument("--no-raw", action="store_true", help="without the same reports from the ledger")
    parser = benchmarks.add_parser(
        "finance", help="what finance answers beside a ledger, with three years of subscriptions and their revenue"
    )
    parser.add_argument("--events", type=int, default=100_000, help="calls in the ledger (default: 100,000)")
    parser.add_argument("--subscriptions", type=int, default=20_000, help="one of each user (default: 20,000)")
    parser.add_argument("--keep", metavar="DATABASE", help="a ledger that `reads --keep` has filled, or is to be")
    parser.add_argument("--live", action="store_true", help="beside writers that report 1,000 calls a second")


def _gateway(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    parser = benchmarks.add_parser("gateway", help="chats through the gateway, beside other gateways")
    parser.add_argument("--connections", type=_numbers, default=(32, 256), help="flat out (default: 32,256)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each step (default: 3)")
    for name, of in (("litellm", "LiteLLM's proxy"), ("tensorzero", "TensorZero's gateway")):
        parser.add_argument(f"--{name}", type=Path, metavar="PYTHON", help=f"beside {of}, by this interpreter")
    parser.set_defaults(calls=0)
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))
