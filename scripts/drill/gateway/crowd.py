"""Callers that stream and ask all the while; what each of them has seen is kept, to be compared with the ledger."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from scripts.drill.gateway.asking import Asking, Heard, Leave, Manner
from scripts.drill.gateway.questions import WAYS, Question
from scripts.drill.gateway.site import Site

SHORT_CALLERS = 6
RETRY_SECONDS = 0.02
EACH_USER = 30
"""Questions, after which there is another user with limits of their own."""
DRAIN_SECONDS = 35.0
"""For so long a server reads on for a client that has left."""
SLOW_MS = 120
"""Between the events of a stream that is to be open for some seconds."""
LONG_WORDS = 40
LIMITED, LEAVES, BREAKS, FAILS = 0.4, 0.25, 0.2, 0.1
"""Shares: users with hard limits, clients that leave, upstreams that break off, and those that fail."""
_AT_ITS_BEGINNING = ("cut=-1", "rst=-1")
_ERRORS = {"error=500": 500, "error=503": 503, "rate_limit=1": 429, "html=502": 502}


class Seen(NamedTuple):
    """What became of a question, as its client knows it."""

    question: Question
    heard: Heard
    blow: str
    """What befell the server meanwhile, or so soon afterwards that it may have been at it still; empty: nothing."""
    at: float
    """When it was over for its client, by time.monotonic()."""
    seconds: float = 0.0
    """How long that took."""

    @property
    def complete(self) -> bool:
        """Whether its client has a whole answer."""
        heard, way = self.heard, WAYS[self.question.way]
        return heard.status == 200 and (heard.ended or bool(way.mark and way.mark in heard.body))  # noqa: PLR2004


class Crowd:
    """All callers."""

    def __init__(self, site: Site, seed: int) -> None:
        self.seen: list[Seen] = []
        self.outcomes: Counter[str] = Counter()
        self.lasting = False
        """Whether streams shall last for some seconds, and no client leave: until something befalls all of them."""
        self._site = site
        self._rng = random.Random(seed)
        self._numbers = itertools.count()
        self._open: set[Asking] = set()
        self._blows = 0
        self._blow = ""
        self._stopping = False
        self._callers: list[asyncio.Task[None]] = []

    @property
    def open(self) -> int:
        """How many streams have begun and not ended."""
        return sum(asking.begun.is_set() for asking in self._open)

    def start(self, streams: int) -> None:
        self._stopping = False
        callers = [self._streams] * streams + [self._short] * SHORT_CALLERS
        self._callers = [asyncio.create_task(self._calls(make)) for make in callers]

    async def stop(self) -> None:
        """Let everybody hear the end of what they have asked. Raises what went wrong."""
        self._stopping = True
        await asyncio.gather(*self._callers)

    async def cancel(self) -> None:
        for caller in self._callers:
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)

    def struck(self, blow: str) -> None:
        """Something befalls the server: whoever is waiting may not get a whole answer."""
        self._blows += 1
        self._blow = blow
        since = time.monotonic() - DRAIN_SECONDS
        for place, seen in enumerate(self.seen):
            if seen.heard.left and seen.at > since and not seen.blow:
                self.seen[place] = seen._replace(blow=blow)

    def check(self) -> None:
        """Raises what went wrong in a caller."""
        for caller in self._callers:
            if caller.done() and caller.exception():
                caller.result()

    async def put(self, question: Question, *, pause: float = 0.0, after: float | None = None) -> Seen:
        """Ask, and keep what came."""
        way, leaves = WAYS[question.way], question.leaves
        if after is None:
            after = self._rng.uniform(0, 0.2) if leaves is Leave.BEFORE_HEAD else self._rng.randint(1, 2_000)
        asking = Asking(Manner(leaves, after, way.mark, pause))
        before, started = self._blows, time.monotonic()
        if way.streams:
            self._open.add(asking)
        try:
            heard = await asking.ask(self._site.server.address, question.request(self._site.keys[question.key]))
        finally:
            self._open.discard(asking)
        ended = time.monotonic()
        seen = Seen(question, heard, self._blow if self._blows != before else "", ended, ended - started)
        self.seen.append(seen)
        self.outcomes[_outcome(seen)] += 1
        return seen

    def question(self, way: str, words: int, **more: object) -> Question:
        """The next one, of anybody."""
        number, rng = next(self._numbers), self._rng
        user = f"limited-{number // EACH_USER % self._site.users}" if rng.random() < LIMITED else f"free-{number % 50}"
        key = rng.choice(tuple(self._site.keys))
        asked = Question(number, way, words, user, key, canary=self._site.canary)
        return asked._replace(**more)  # type: ignore[arg-type]

    async def _calls(self, make: Callable[[], Question]) -> None:
        while not self._stopping:
            await self._site.server.answering.wait()
            seen = await self.put(make())
            if seen.heard.status != 200 and not seen.heard.left:  # noqa: PLR2004
                await asyncio.sleep(RETRY_SECONDS)

    def _streams(self) -> Question:
        way = self._rng.choice([name for name, each in WAYS.items() if each.streams and not each.is_alias])
        if self.lasting:
            user = f"free-{self._rng.randrange(50)}"
            return self.question(way, LONG_WORDS, fault=f"slow={SLOW_MS}", user=user)
        return self._anyhow(self.question(way, self._rng.randint(1, 30), fault=f"slow={self._rng.choice((2, 10, 40))}"))

    def _short(self) -> Question:
        question = self.question(self._rng.choice(tuple(WAYS)), self._rng.randint(1, 8))
        return question if self.lasting else self._anyhow(question)

    def _anyhow(self, question: Question) -> Question:
        """The client leaves, or the upstream breaks off or fails, now and then."""
        chance = self._rng.random()
        if WAYS[question.way].is_alias:
            chance *= LEAVES * 2  # nothing else can become of it
            return self._leaving(question._replace(fault="")) if chance < LEAVES else question._replace(fault="")
        if chance < LEAVES:
            return self._leaving(question)
        if chance < LEAVES + BREAKS:
            return self._breaking(question)
        if chance < LEAVES + BREAKS + FAILS:
            fault, status = self._rng.choice(list(_ERRORS.items()))
            return question._replace(fault=fault, fails=status)
        return question

    def _leaving(self, question: Question) -> Question:
        leaves = self._rng.choice([each for each in Leave if each is not Leave.NEVER])
        if WAYS[question.way].is_alias:
            return question._replace(leaves=leaves)
        late = f"{question.fault}--late=100" if leaves is Leave.BEFORE_HEAD else question.fault
        return question._replace(leaves=leaves, fault=late.removeprefix("--"))

    def _breaking(self, question: Question) -> Question:
        """In the middle, before anything, or when it has said what was used and not that this is the end."""
        way = WAYS[question.way]
        how = self._rng.choice(("cut", "rst"))
        if not way.streams:
            faults = [f"{how}=40", f"{how}=-1", "broken_json"]
        else:
            faults = [f"{how}=3", f"{how}={question.words}"]
            if way.after_usage:
                faults.append(f"{how}={question.tokens[1] + way.around - way.after_usage}")
            faults.append(self._rng.choice(_AT_ITS_BEGINNING))
        return question._replace(fault=f"{question.fault}--{self._rng.choice(faults)}".removeprefix("--"), breaks=True)


def _outcome(seen: Seen) -> str:
    if seen.heard.left:
        return f"clients that left {seen.question.leaves}"
    if seen.complete:
        return "answers that were complete"
    if seen.blow:
        return f"answers that ended with {seen.blow}"
    if seen.heard.status == 200:  # noqa: PLR2004
        return "answers that broke off"
    ours = seen.heard.headers.get("x-twinmeter-error")
    return f"refused: {ours}" if ours else f"errors of the upstream: {seen.heard.status}"
