"""Metrics of several worker processes: each writes files of its own in one folder, and any of them can read all.

The files belong to a worker's number, not to its process: a replacement continues them, so that no count ever falls.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

from prometheus_client import CollectorRegistry, Metric, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_KINDS = ("counter", "histogram", "gauge_livemax", "gauge_livesum")
_BYTES = 65_536
"""Of a file at first: several times what our metrics take."""


class Worker(NamedTuple):
    """One of several processes that serve together."""

    number: int
    """From 1 on; a replacement has that of its predecessor."""
    folder: Path
    """What they share, for as long as their supervisor lives."""

    @classmethod
    def joined(cls, number: int, folder: Path) -> Self:
        """Make a worker of this process: the metrics that it makes from now on are shared."""
        for kind in _KINDS:
            _prepare(folder / f"{kind}_{number}.db")
        os.environ[_FOLDER] = str(folder)
        values.ValueClass = values.MultiProcessValue(lambda: number)
        return cls(number, folder)

    def registry(self) -> CollectorRegistry:
        """A registry of all workers' metrics together."""
        together = CollectorRegistry()
        MultiProcessCollector(together, str(self.folder))
        return together

    def each(self) -> Iterable[Iterable[Metric]]:
        """The metrics of every live worker, apart, in the order of their numbers."""
        numbers = {int(path.stem.rpartition("_")[2]) for path in self.folder.glob("gauge_live*.db")}
        for number in sorted(numbers):
            yield MultiProcessCollector.merge([str(path) for path in self.folder.glob(f"*_{number}.db")])


def _prepare(file: Path) -> None:
    """Make a file of zeros at once: a reader never finds half of one, and a full disk cannot end a writer later."""
    if not file.exists():
        draft = file.with_suffix(".new")
        draft.write_bytes(bytes(_BYTES))
        draft.rename(file)


def forget(number: int, folder: Path) -> None:
    """Remove the gauges of a worker that has ended. Its counts stay."""
    mark_process_dead(number, str(folder))
