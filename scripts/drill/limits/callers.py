"""Callers that ask, call and report; or release, or forget. Each goes to whichever server answers."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx

from scripts.drill.limits.cohorts import Cohort, User, encode, may_be_gone
from scripts.drill.limits.kinds import asked, used
from scripts.drill.load import ACKNOWLEDGED, BUSY, LIMIT_SECONDS, RETRY_SECONDS
from scripts.drill.server import LOCAL, DrillError, Server

CALLERS = 8
ANSWER_SECONDS = 20.0
TTL_SECONDS = 5
"""How long a reservation holds, where nothing becomes of it."""
REFUSED_SECONDS = 0.05
"""The pause after a refusal."""
FORGOTTEN, RELEASED, TWICE = 0.05, 0.1, 0.05
"""Shares of what becomes of reservations."""
UNASKED, LATE = 0.3, 0.1
"""Likewise, of loose users alone: calls reported without having asked, and after the reservation has ended."""

RESERVATIONS, TRACK = "/api/ai/reservations", "/api/ai/track"
_numbers = itertools.count()


class Told:
    """What callers were told."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.acknowledged: set[tuple[str, str]] = set()
        """Clients and request ids of calls."""
        self.begun: set[tuple[str, str]] = set()
        """Of those that an application in process was about to report, which may have been killed then."""
        self.late: set[tuple[str, str]] = set()
        """Calls of which its receipt said that what it had in hand for them had ended."""
        self.faults: list[str] = []
        self.slowest = 0.0
        """The longest a reservation was waited for, in seconds, of those that were answered."""


class Crowd:
    """Callers, all of the present cohort."""

    def __init__(self, servers: Sequence[Server], told: Told) -> None:
        self._servers = servers
        self._told = told
        self._stopping = False
        self._callers: list[asyncio.Task[None]] = []
        self.cohort: Cohort | None = None

    def start(self, callers: int = CALLERS) -> None:
        self._callers = [asyncio.create_task(self._caller(seed)) for seed in range(callers)]

    async def stop(self) -> None:
        """Ask for nothing new, and wait until all that was reported is acknowledged. Raises DrillError."""
        self._stopping = True
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await asyncio.gather(*self._callers)
        except TimeoutError:
            raise DrillError("callers could not get their last calls acknowledged") from None

    def check(self) -> None:
        """Raises what stopped a caller."""
        for caller in self._callers:
            if caller.done() and (error := caller.exception()) is not None:
                raise error

    async def cancel(self) -> None:
        for caller in self._callers:
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)

    async def _caller(self, seed: int) -> None:
        rng = random.Random(seed)
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False, verify=LOCAL) as http:
            while not self._stopping:
                assert self.cohort is not None  # noqa: S101 - given before the start
                await _Turn(self._servers, self._told, self.cohort, http, rng).run()


class _Turn:
    """One call of one user, from the question to the receipt."""

    def __init__(
        self, servers: Sequence[Server], told: Told, cohort: Cohort, http: httpx.AsyncClient, rng: random.Random
    ) -> None:
        self._servers = servers
        self._told = told
        self._cohort = cohort
        self._http = http
        self._rng = rng
        self._user: User = cohort.any(rng)

    async def run(self) -> None:
        chance, rng = self._user.kind.loose, self._rng
        if chance and rng.random() < UNASKED:
            self._note("unasked")
            await self._report(None)
            return
        if (reservation := await self._reserve()) is None:
            await asyncio.sleep(REFUSED_SECONDS)
            return
        if (draw := rng.random()) < FORGOTTEN:
            self._note("forgotten")
        elif draw < FORGOTTEN + RELEASED:
            await self._release(reservation)
        elif draw < FORGOTTEN + RELEASED + TWICE:
            # the same call, by two at once
            body = self._call(reservation)
            await asyncio.gather(self._send(body), self._send(body))
        else:
            if chance and rng.random() < LATE:
                self._note("late")
                await asyncio.sleep(TTL_SECONDS * 2)
            await self._report(reservation)

    async def _reserve(self) -> str | None:
        """The id of a reservation, where there was one to have."""
        wanted = {"userId": self._user.id, **asked(self._user.kind), "ttlSeconds": TTL_SECONDS}
        if self._rng.random() < 1 / 2:
            wanted["requestId"] = f"ask-{next(_numbers)}"  # asked again after a kill, it is the same reservation
        while True:
            started = time.monotonic()
            answer = await self._ask("POST", RESERVATIONS, wanted)
            if answer is None or answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                self._note("no answer" if answer is None else "unavailable")
                await asyncio.sleep(RETRY_SECONDS)
                if "requestId" not in wanted:
                    return None  # it may be held all the same, and is forgotten then
                continue
            self._told.slowest = max(self._told.slowest, time.monotonic() - started)
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                self._note("refused")
                return None
            if answer.status_code == HTTPStatus.CONFLICT and "requestId" in wanted:
                self._note("asked again, and in doubt")  # a server was killed while it made the reservation
                return None
            if answer.status_code != HTTPStatus.CREATED:
                raise DrillError(f"{RESERVATIONS} answered {answer.status_code}: {answer.text[:500]}")
            self._note("reserved")
            found: str = answer.json()["id"]
            return found

    async def _release(self, reservation: str) -> None:
        answer = None
        while answer is None or answer.status_code in BUSY:
            answer = await self._ask("DELETE", f"{RESERVATIONS}/{reservation}", None)
        if answer.status_code not in {HTTPStatus.NO_CONTENT, HTTPStatus.CONFLICT}:
            self._told.faults.append(f"a release was answered with {answer.status_code}: {answer.text[:200]}")
        self._note("released")

    async def _report(self, reservation: str | None) -> None:
        await self._send(self._call(reservation))

    def _call(self, reservation: str | None) -> dict[str, Any]:
        call = {"userId": self._user.id, "requestId": f"drill-{next(_numbers)}", **used(self._user.kind, self._rng)}
        return call if reservation is None else call | {"reservationId": reservation}

    async def _send(self, call: dict[str, Any]) -> None:
        """Until it is acknowledged."""
        while True:
            answer = await self._ask("POST", TRACK, call)
            if answer is None or answer.status_code in BUSY:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if not answer.is_success:
                raise DrillError(f"{TRACK} answered {answer.status_code}: {answer.text[:500]}")
            status = answer.json()["status"]
            self._note(f"receipt {status}")
            if status in ACKNOWLEDGED:
                self._told.acknowledged.add((self._user.client, call["requestId"]))
                return

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response | None:
        """An answer; None where the server ended meanwhile."""
        url, headers = (await self._answering()).address + path, self._cohort.headers[self._user.client]
        with may_be_gone():
            return await self._http.request(
                method, url, content=None if body is None else encode(body), headers=headers
            )
        await asyncio.sleep(RETRY_SECONDS)
        return None

    async def _answering(self) -> Server:
        while not (there := [server for server in self._servers if server.answering.is_set()]):  # noqa: ASYNC110 - one of several
            await asyncio.sleep(RETRY_SECONDS)
        return self._rng.choice(there)

    def _note(self, outcome: str) -> None:
        self._told.outcomes[outcome] += 1
