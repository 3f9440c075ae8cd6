"""What benchmarks print: rates and waits, and what became of every call."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from app.tracking import ReceiptStatus

LEAST_COMMITTED = 0.99
"""The share of the calls that must be committed. With more in the spool it is the disk's rate that was measured."""
_SOME = 2

Row = dict[str, float]
"""Figures by name."""


@dataclass(frozen=True)
class Measured:
    """Calls that were reported in one go."""

    sent: int
    seconds: float
    """From the first one to the answer to the last one."""
    times: Sequence[float]
    """Seconds that each caller, or sender of a request, waited until its calls were taken."""
    statuses: Mapping[str, int]
    """Calls by receipt status, as answered."""
    refused: int = 0
    """Calls that were told to come again or were dropped; each time counts."""
    stored: int | None = None
    """Calls in the ledger when the last answer came; None where it was not asked."""
    delivered_seconds: float | None = None
    """From the first one until all were in the ledger, those of the spool, too; None as above."""
    lost: int = 0
    """Calls that were told to be safe, and are not in the ledger though nothing is on its way any more."""

    @property
    def committed(self) -> int:
        return self.statuses.get(ReceiptStatus.COMMITTED, 0)

    @property
    def fault(self) -> str | None:
        """Why this is no measurement of committed calls, in a sentence."""
        if self.stored is not None and self.stored < self.committed:
            return f"{self.committed:,} calls were answered as committed, but only {self.stored:,} are in the ledger"
        if self.lost:
            return f"{self.lost:,} of {self.sent:,} calls were taken, and did not come to the ledger"
        if self.committed >= LEAST_COMMITTED * self.sent:
            return None
        missing = self.sent - self.committed
        return (
            f"{missing:,} of {self.sent:,} calls ({100 * missing / self.sent:.0f} %) were not committed: {self._others}"
        )

    @property
    def row(self) -> Row:
        """Committed calls per second, ms of waiting, and calls."""
        return {
            "per_s": self.committed / self.seconds,
            **waits(self.times or [0.0]),
            "longest_ms": 1000 * max(self.times, default=0.0),
            "sent": self.sent,
            "committed": self.committed,
            "spooled": self._count(ReceiptStatus.SPOOLED),
            "unknown": self._count(ReceiptStatus.UNKNOWN),
            "refused": self.refused,
            **({} if self.stored is None else {"stored": self.stored}),
            **({} if self.delivered_seconds is None else {"delivered_per_s": self.sent / self.delivered_seconds}),
        }

    def __str__(self) -> str:
        rate, longest = self.committed / self.seconds, 1000 * max(self.times, default=0.0)
        committed = f"{self.committed:,} of {self.sent:,} committed, {self._others}"
        return f"{rate:,.0f} calls/s, {committed}, longest wait {longest:,.0f} ms"

    @property
    def _others(self) -> str:
        spooled, unknown = self._count(ReceiptStatus.SPOOLED), self._count(ReceiptStatus.UNKNOWN)
        return f"{spooled:,} spooled, {unknown:,} unknown, {self.refused:,} refused"

    def _count(self, status: ReceiptStatus) -> int:
        return self.statuses.get(status, 0)


def waits(seconds: Sequence[float]) -> Row:
    """Median and 99th percentile in ms."""
    percentiles = quantiles(seconds, n=100, method="inclusive") if len(seconds) >= _SOME else [seconds[0]] * 99
    return {"p50_ms": 1000 * percentiles[49], "p99_ms": 1000 * percentiles[98]}


@dataclass
class Results:
    """The figures of a benchmark over its rounds."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    """By what was measured: a row for each round."""
    figures: dict[str, list[float]] = field(default_factory=dict)
    """What belongs to no row, such as ratios: one for each round."""
    faults: list[str] = field(default_factory=list)
    """Sentences on what makes them worthless."""

    def add(self, name: str, measured: Measured) -> None:
        """Each step is said at once: a run of minutes that is cut off, or fails, has told what it measured."""
        sys.stderr.write(f"{name}: {measured}\n")
        self.rows.setdefault(name, []).append(measured.row)
        if measured.fault is not None:
            self.faults.append(f"{name}: {measured.fault}")

    def add_row(self, name: str, row: Row) -> None:
        self.rows.setdefault(name, []).append(row)

    def add_figure(self, name: str, figure: float) -> None:
        self.figures.setdefault(name, []).append(figure)

    def last(self, name: str, column: str) -> float:
        """A figure of the present round."""
        return self.rows[name][-1][column]

    def compare_with_best(self, names: Iterable[str]) -> None:
        """Give the rows of this round their share of the best rate among them, in percent."""
        rows = [self.rows[name][-1] for name in names]
        best = max(row["per_s"] for row in rows)
        for row in rows:
            row["of_best_percent"] = 100 * row["per_s"] / best if best else 0

    @property
    def table(self) -> dict[str, Row]:
        """Medians of the rounds, sums of what is counted, and the longest wait of all."""
        return {name: {column: _over(column, rounds) for column in rounds[0]} for name, rounds in self.rows.items()}

    @property
    def medians(self) -> Row:
        return {name: round(median(found), 2) for name, found in self.figures.items()}

    @property
    def flat(self) -> Row:
        """All of it in one object, as `ROW_COLUMN`."""
        return dict(_flat(self.table)) | self.medians


def _over(column: str, rounds: Iterable[Row]) -> float:
    found = [row[column] for row in rounds]
    if column in _COUNTS:
        return sum(found)
    return round(max(found) if column == "longest_ms" else median(found), 2)


_COUNTS = frozenset({"sent", "committed", "spooled", "unknown", "refused", "stored", "shown", "arrived"})


def _flat(table: Mapping[str, Row]) -> Iterator[tuple[str, float]]:
    for name, row in table.items():
        for column, figure in row.items():
            yield f"{name}_{column}".replace(" ", "_"), figure
