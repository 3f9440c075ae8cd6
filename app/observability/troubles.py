"""What is wrong in this process and not over yet: the one place that chores report to and that operators look at.

A trouble is in the log when it begins, again when its reason changes, and when it is gone; not at each retry. `/ready`,
`/metrics`, the doctor and the dashboard show those that are there.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.observability.logs import Log

QUIET_SECONDS = 60.0
"""What comes and goes for the same reason is in the log once in so many seconds."""

log = Log(__name__)


class Code(StrEnum):
    """What is in trouble."""

    COMMIT = "commit"
    """Reported calls cannot be committed, though MongoDB is there; they go to the spool."""
    DELIVERY = "delivery"
    """Calls of the spool cannot be committed, though MongoDB is there; they stay, and are tried again."""
    OVERDUE = "overdue"
    """An acknowledged call waits for more than a minute."""
    SPOOL = "spool"
    """The spool cannot be read or written."""
    SETTLE = "settle"
    """What was delivered cannot be removed from the spool."""
    REFUSED = "refused"
    """Calls that MongoDB will not accept are set aside."""
    UNREADABLE = "unreadable"
    """Rows of the spool that cannot be read are set aside."""
    DAMAGED = "damaged"
    """Damaged spools are set aside."""
    COMPACTOR = "compactor"
    """Deltas cannot be merged into the cells."""
    DELTAS = "deltas"
    """Deltas are set aside because they are damaged, or one is not merged, whatever the compactor does."""
    REFUSALS = "refusals"
    """Counts of refused calls cannot be written."""
    ENDPOINTS = "endpoints"
    """Endpoints of alerts were switched off, because they answered that they want no more."""
    GATEWAY = "gateway"
    """The gateway's file cannot be used as it is now; the one before still is."""
    STRIPE = "stripe"
    """Money that came in at Stripe cannot be booked yet, or a subscription there gives no plan here."""
    REVENUE = "revenue"
    """What came due of subscriptions cannot be booked."""
    MONTH_REPORT = "month_report"
    """The report of the last month could not be sent to everyone."""
    CHORE = "chore"
    """A background task ended by a fault of ours, and was started again."""


ADVICE = {
    Code.COMMIT: "the log has the fault; the calls are in the spool, and none is lost",
    Code.DELIVERY: "the log has the fault; the calls stay in the spool, and are tried again",
    Code.OVERDUE: "bring MongoDB back if it is away, else see the other troubles and the log",
    Code.SPOOL: "make room on the disk of the data folder, or mend it",
    Code.SETTLE: "make room on the disk of the data folder: what was delivered is then removed",
    Code.REFUSED: "python -m scripts.spool says which and why, and tries them again or drops them",
    Code.UNREADABLE: "python -m scripts.spool says which and why, and tries them again or drops them",
    Code.DAMAGED: "python -m scripts.spool says what was saved of them, and drops them",
    Code.COMPACTOR: "the log has the fault; reports stay exact meanwhile",
    Code.DELTAS: "python -m scripts.doctor names them; python -m scripts.reconcile --execute recounts what they held",
    Code.REFUSALS: "the log has the fault; the counts wait in memory",
    Code.ENDPOINTS: "the page Alerts names them: end them, or switch them on again",
    Code.GATEWAY: "python -m scripts.gateway check says what is wrong, as does the log; what was read before is used",
    Code.STRIPE: "GET /api/admin/billing/stripe names them, and what each waits for",
    Code.REVENUE: "the log says of which subscriptions, and why; a rate is added by POST /api/admin/revenue/rates",
    Code.MONTH_REPORT: "see TWINMETER_SMTP_* and TWINMETER_MONTH_REPORT_TO; python -m scripts.month_report sends it",
    Code.CHORE: "the log has the fault",
}
"""What an operator does about each."""


@dataclass
class Trouble:
    """One of them."""

    code: Code
    reason: str
    """For anybody: no document, user or topology is in it, and no figure that moves."""
    since: datetime
    count: int | None = None
    """Of how many calls, rows, files or deltas."""
    told: bool = False
    """Whether it is in the log."""


class Troubles:
    """Those of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._there: dict[Code, Trouble] = {}
        self._told: dict[Code, tuple[str, float]] = {}
        """The reason that was last logged, and when."""
        self._gauge = Gauge(
            "twinmeter_trouble",
            "1 while something is wrong",
            ["code"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._met = Counter("twinmeter_troubles", "How often something was found wrong", ["code"], registry=registry)
        for code in Code:
            self._gauge.labels(code)
            self._met.labels(code)

    @property
    def current(self) -> list[Trouble]:
        """Those that are there, the oldest first."""
        return sorted(self._there.values(), key=lambda trouble: trouble.since)

    def report(self, code: Code, reason: str, *, count: int | None = None, error: BaseException | None = None) -> None:
        """Something is wrong. `error` is for the log alone, which has it with its trace."""
        trouble = self._there.get(code)
        if trouble is None or trouble.reason != reason:
            since = datetime.now(UTC) if trouble is None else trouble.since
            trouble = self._there[code] = Trouble(code, reason, since, told=self._tell(code, reason, count, error))
        trouble.count = count
        self._gauge.labels(code).set(1)
        self._met.labels(code).inc()

    def gone(self, code: Code) -> None:
        """It is well."""
        if (trouble := self._there.pop(code, None)) is None:
            return
        self._gauge.labels(code).set(0)
        if trouble.told:
            seconds = round((datetime.now(UTC) - trouble.since).total_seconds(), 1)
            log.warning("trouble.gone", code=code, reason=trouble.reason, seconds=seconds)

    def show(self, code: Code, count: int, reason: str) -> None:
        """What a look has found: so many of something, which is well only when there are none."""
        if count:
            self.report(code, reason, count=count)
        else:
            self.gone(code)

    def _tell(self, code: Code, reason: str, count: int | None, error: BaseException | None) -> bool:
        now = time.monotonic()
        last, at = self._told.get(code, ("", 0.0))
        if last == reason and now - at < QUIET_SECONDS:
            return False
        self._told[code] = reason, now
        log.error("trouble", code=code, reason=reason, count=count, exc_info=error)
        return True
