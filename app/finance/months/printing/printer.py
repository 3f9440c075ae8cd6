"""Page and PDF of a report: charts and PDFs are made by processes of their own, one at a time."""

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64encode
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cachetools import LRUCache
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.errors import PrintingFailedError
from app.finance.months.printing import process
from app.finance.months.printing.charts import Spec, charts
from app.finance.months.printing.layout import laid_out
from app.finance.months.report import MonthReport
from app.observability.logs import Log

SECONDS = 30.0
"""How long one process may take; of usual reports each takes about one."""
WAIT_SECONDS = 60.0
AT_ONCE = 1
MOST_CHARTS = 100
"""Drawn charts that a process remembers, of some ten thousand bytes each."""
ENVIRONMENT = ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What of its environment a process is given: no secrets."""

log = Log(__name__)


class Printer:
    """One per process."""

    def __init__(self, deployment: str | None = None) -> None:
        """`deployment`: the address of its pages, which reports name."""
        self._deployment = deployment
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._drawn: LRUCache[str, str] = LRUCache(MOST_CHARTS)
        here = Path(__file__).parent
        loader = FileSystemLoader(here)
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
        self._style = (here / "month.css").read_text()

    async def pdf(self, report: MonthReport) -> bytes:
        """The report as PDF, the same for the same report. Raises PrintingFailedError."""
        layout, specs = await asyncio.to_thread(self._prepared, report)
        known, new = self._known(specs)
        made = int(report.generated_at.timestamp())
        return await self._asked({"layout": layout, "svgs": known, "charts": new, "made": made})

    async def page(self, report: MonthReport) -> tuple[str, str]:
        """The report as a page, and the style in it, whose hash its policy names. Raises PrintingFailedError."""
        layout, specs = await asyncio.to_thread(self._prepared, report)
        known, new = self._known(specs)
        if new:
            drawn: dict[str, str] = json.loads(
                await self._asked({"layout": None, "svgs": {}, "charts": new, "made": 0})
            )
            for name, svg in drawn.items():
                self._drawn[_key(specs[name])] = svg
            known |= drawn
        template = self._templates.get_template("month.html")
        images = {name: f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}" for name, svg in known.items()}
        page = await asyncio.to_thread(template.render, report=layout, charts=images, style=Markup(self._style))  # noqa: S704 - ours
        return page, self._style

    def _prepared(self, report: MonthReport) -> tuple[dict[str, Any], dict[str, Spec]]:
        return asdict(laid_out(report, self._deployment)), charts(report)

    def _known(self, specs: dict[str, Spec]) -> tuple[dict[str, str], dict[str, Spec]]:
        """The charts that were drawn before, and those that were not."""
        known = {name: svg for name, spec in specs.items() if (svg := self._drawn.get(_key(spec))) is not None}
        return known, {name: spec for name, spec in specs.items() if name not in known}

    async def _asked(self, request: dict[str, Any]) -> bytes:
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._turn:
                return await asyncio.to_thread(_answered, request)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise PrintingFailedError("this report was not printed in time; try again, or take its CSV") from error


def _answered(request: dict[str, Any]) -> bytes:
    """The answer of a process, for a thread: asyncio would copy the memory map of this process to start another one,
    and the event loop waits for that.
    """
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    try:
        ended = subprocess.run(  # noqa: S603 - our own file
            [sys.executable, "-I", process.__file__],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=SECONDS,
            cwd=process.HERE,
            env=environment,
            check=False,
        )
    except OSError as error:
        raise PrintingFailedError(f"no process could be started: {error.strerror}") from error
    if ended.returncode != 0:
        log.error("months.not_printed", status=ended.returncode, said=ended.stderr.decode(errors="replace")[-500:])
        raise PrintingFailedError("this report cannot be printed; the server's log has the details")
    return ended.stdout


def _key(spec: Spec) -> str:
    return json.dumps(spec, sort_keys=True)
