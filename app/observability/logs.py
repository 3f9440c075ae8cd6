"""The log of this process. A line that cannot be written is counted, and delays nobody.

The server and its commands have it written by structlog, to stderr. In somebody else's process nobody configures that:
there it goes to the logger `twinmeter` of the standard library, and an application's structlog is left alone.
"""

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


class _Way:
    """How this process logs."""

    by_structlog = False
    level = logging.INFO
    """Of what goes to the standard library; less is not even offered to it."""


def follow_level(level: str) -> None:
    """Offer the standard library what is of this level, or above. Its own configuration decides after that."""
    _Way.level = logging.getLevelNamesMapping()[level.upper()]


def configure_logging(level: str) -> None:
    """Of a process of our own. One event per line: JSON for machines, colours on a terminal."""
    _Way.by_structlog = True
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


class _Standard:
    """Writes events to the standard library, as structlog's loggers are called."""

    def debug(self, event: str, **facts: Any) -> None:
        self._write(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._write(logging.ERROR, event, facts)

    def exception(self, event: str, **facts: Any) -> None:
        self._write(logging.ERROR, event, {"exc_info": True, **facts})

    @staticmethod
    def _write(level: int, event: str, facts: dict[str, Any]) -> None:
        if level >= _Way.level and _logger.isEnabledFor(level):
            error = facts.pop("exc_info", None)
            said = "".join(f" {name}={value!s}" for name, value in facts.items())
            _logger.log(level, "%s%s", event, said, exc_info=error)


_logger = logging.getLogger("twinmeter")
_standard = _Standard()


class Log:
    """Structured events. Never raises into its caller.

    A log is written between a call and its receipt, so that a closed stderr would otherwise end the commits.
    """

    def __init__(self, name: str, *, bound: bool = False) -> None:
        """`bound`: permanently, as logging is configured now. A disabled level then costs next to nothing."""
        self._name = name
        self._bound = self._way() if bound else None

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
            getattr(self._bound or self._way(), level)(event, **facts)
        except Exception:  # noqa: BLE001 - there is nowhere left to say it but the counter
            unwritten().inc()

    def _way(self) -> Any:
        return structlog.get_logger(self._name).bind() if _Way.by_structlog else _standard
