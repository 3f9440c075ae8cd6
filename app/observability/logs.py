"""The log of this process. A line that cannot be written is counted, and delays nobody."""

import logging
import sys
from functools import cache
from typing import Any

import structlog
from prometheus_client import Counter


@cache
def unwritten() -> Counter:
    """Of this process, from its first use on: by then it is known whether workers share their metrics."""
    name, what = (
        "twinmeter_unwritten_log_lines",
        "Log lines that could not be written, as to a closed pipe or a full disk",
    )
    return Counter(name, what, registry=None)


def configure_logging(level: str) -> None:
    """One event per line: JSON for machines, colours on a terminal."""
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


class Log:
    """Structured events, through structlog as the process has configured it. Never raises into its caller.

    A log is written between a call and its receipt, so that a closed stderr would otherwise end the commits.
    """

    def __init__(self, name: str, *, bound: bool = False) -> None:
        """`bound`: permanently, as logging is configured now. A disabled level then costs next to nothing."""
        logger = structlog.get_logger(name)
        self._log = logger.bind() if bound else logger

    def debug(self, event: str, **facts: Any) -> None:
        self._write("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._write("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._write("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._write("error", event, facts)

    def exception(self, event: str, **facts: Any) -> None:
        """An error with the exception that is being handled."""
        self._write("exception", event, facts)

    def _write(self, level: str, event: str, facts: dict[str, Any]) -> None:
        try:
            getattr(self._log, level)(event, **facts)
        except Exception:  # noqa: BLE001 - there is nowhere left to say it but the counter
            unwritten().inc()
