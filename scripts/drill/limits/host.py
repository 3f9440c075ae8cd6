"""An application that enforces limits in its own process, and what a drill hears of it.

    python -m scripts.drill.limits.host FOLDER

The file `cohort` in its folder says whose calls it makes, and `end` that it is to end. It says of each call when it
begins to report it, and when that was acknowledged; so what it had done is known when it is killed.
"""

import asyncio
import random
import re
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

from app.errors import AppError
from app.settings import Settings
from app.tracking import QuotaExceededError, reserve_ai_call, track_ai_request, tracking
from scripts.drill.limits.callers import FORGOTTEN, REFUSED_SECONDS, RELEASED, TTL_SECONDS, Told
from scripts.drill.limits.kinds import KINDS, asked, used
from scripts.drill.load import ACKNOWLEDGED
from scripts.drill.server import DrillError, Server

CALLERS = 4
STARTS = 5
"""While MongoDB has no primary it does not start, and is started again."""
BEGUN, ACKED, REFUSED = "begun", "acknowledged", "refused"
READY, END = "ready", "end"
IN_TIME = frozenset({"settled", "already_settled", "None"})
"""What a receipt says of a reservation that was open, or while the call waits on the disk."""
LOOK_SECONDS = 0.1
_CAPITAL = re.compile("([A-Z])")


class Host(Server):
    """It has the kinds of blows that servers have, and no address."""

    def __init__(self, folder: Path, uri: str, secret: str, told: Told) -> None:
        folder.mkdir()
        super().__init__(folder, uri, secret=secret)
        self._told = told
        self._hearing: asyncio.Task[None] | None = None
        self.paused = False
        self.cohort("")

    def cohort(self, name: str) -> None:
        (self.folder / "cohort").write_text(name)

    async def start(self) -> None:
        """Start it, and hear what it says. Raises DrillError."""
        for attempt in range(1, STARTS + 1):
            self.spawn("scripts.drill.limits.host", str(self.folder))
            try:
                await self.answers()
            except DrillError:
                await self.ended()
                if attempt == STARTS:
                    raise
            else:
                break
        self._hearing = asyncio.create_task(self._hear())

    async def pause(self, seconds: float) -> None:
        """Let it stand still for so long."""
        self.paused = True
        self.process.send_signal(SIGSTOP)
        await asyncio.sleep(seconds)
        self.process.send_signal(SIGCONT)
        self.paused = False

    async def kill(self) -> None:
        """As kill -9 does. What it said before that is heard."""
        self.answering.clear()
        self.process.kill()
        if self._hearing is not None:
            await self._hearing
        await self._end()

    async def ends(self) -> None:
        """Have it deliver all that it has, and end. Raises DrillError."""
        self.cohort(END)
        assert self._hearing is not None  # noqa: S101 - it was started
        await self._hearing
        if status := await self._end():
            raise DrillError(f"an application ended with exit status {status}; see {self.folder / 'server.log'}")

    async def _hear(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - see Server.spawn
        while said := await asyncio.to_thread(self.process.stdout.readline):
            what, *call = said.split()
            self._told.outcomes[f"in process {what}"] += 1
            if what == BEGUN:
                self._told.begun.add((call[0], call[1]))
            elif what == ACKED:
                self._told.acknowledged.add((call[0], call[1]))
                self._told.outcomes[f"in process {call[2]}"] += 1
                if call[2] not in IN_TIME:
                    self._told.late.add((call[0], call[1]))


def main() -> int:
    asyncio.run(_live(Path(sys.argv[1])))
    return 0


async def _live(folder: Path) -> None:
    async with tracking(Settings()) as tracker:
        _say(READY, "-")
        await asyncio.gather(*(_caller(folder / "cohort", seed) for seed in range(CALLERS)))
        while tracker.spool_waits:  # noqa: ASYNC110 - another task's work
            await asyncio.sleep(LOOK_SECONDS)


async def _caller(file: Path, seed: int) -> None:
    rng = random.Random(seed)
    while (cohort := file.read_text()) != END:  # noqa: ASYNC240 - a few bytes
        if not cohort:
            await asyncio.sleep(LOOK_SECONDS)
            continue
        try:
            await _call(cohort, rng)
        except QuotaExceededError:
            _say(REFUSED)
            await asyncio.sleep(REFUSED_SECONDS)
        except AppError:  # limits cannot be asked now
            await asyncio.sleep(LOOK_SECONDS)


async def _call(cohort: str, rng: random.Random) -> None:
    name, kind = rng.choice([(name, kind) for name, kind in KINDS.items() if not kind.loose])
    whose = {"user_id": f"{name}-{cohort}", "client_id": f"client-{cohort}"}
    ttl = timedelta(seconds=TTL_SECONDS)
    async with reserve_ai_call(**whose, **_snake(asked(kind)), ttl=ttl):
        if rng.random() < FORGOTTEN + RELEASED:  # what a block does not report, it releases
            return
        call = {**whose, **_snake(used(kind, rng)), "request_id": uuid.uuid4().hex}
        _say(BEGUN, call["client_id"], call["request_id"])
        while (receipt := await track_ai_request(**call)).status not in ACKNOWLEDGED:  # noqa: ASYNC110 - asked each time
            await asyncio.sleep(LOOK_SECONDS)
        _say(ACKED, call["client_id"], call["request_id"], str(receipt.reservation))


def _snake(fields: dict[str, Any]) -> dict[str, Any]:
    return {_CAPITAL.sub(r"_\1", name).lower(): value for name, value in fields.items()}


def _say(*words: str) -> None:
    sys.stdout.write(f"{' '.join(words)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
