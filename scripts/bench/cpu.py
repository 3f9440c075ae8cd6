"""CPU time of this process and of MongoDB, which what else the machine does changes less than a rate."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.database import Database

_TICKS = os.sysconf("SC_CLK_TCK")
_NAME_ENDS = ") "
_USER = 11
"""The place of `utime` behind the name of the process in /proc/PID/stat; `stime` follows (proc(5))."""


@dataclass(frozen=True)
class CpuTimes:
    """Seconds of CPU up to a moment."""

    database: Database
    pid: int
    """That of MongoDB."""
    own: float
    mongod: float

    @classmethod
    async def start(cls, database: Database) -> Self:
        pid = int((await database.writes.command("serverStatus", repl=0, metrics=0, tcmalloc=0))["pid"])
        return cls(database, pid, time.process_time(), seconds_of(pid, "mongod"))

    async def per_call(self, calls: int) -> dict[str, float]:
        """µs of a call since then, of this process and of a MongoDB on this machine (else 0)."""
        later = await self.start(self.database)
        microseconds = 1e6 / calls
        return {
            "python_us": (later.own - self.own) * microseconds,
            "mongod_us": (later.mongod - self.mongod) * microseconds,
        }


def seconds_of(pid: int, name: str = "") -> float:
    """Seconds of CPU of a process; 0 where it is not here, or another process has its number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    found, _, rest = stat.rpartition(_NAME_ENDS)
    if not found.endswith(name):
        return 0
    fields = rest.split()
    return sum(map(int, fields[_USER : _USER + 2])) / _TICKS
