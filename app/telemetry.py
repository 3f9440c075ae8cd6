"""Structured logs and the counters of one process."""

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter


def configure_logging(level: str) -> None:
    """One event a line: JSON for machines, colours on a terminal."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class Counters:
    """What this process did with the calls reported to it, since it started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "twinmeter_calls",
            "AI calls by what became of them",
            ["status"],
            registry=self.registry,
        )

    def count(self, status: str, calls: int = 1) -> None:
        self.calls.labels(status).inc(calls)

    def snapshot(self) -> dict[str, int]:
        """Calls by status."""
        return {
            sample.labels["status"]: int(sample.value)
            for metric in self.calls.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }
