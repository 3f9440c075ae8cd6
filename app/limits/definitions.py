"""Which limits apply to a call: plans, subscriptions, limits and grants, the same in every process within two seconds.

While nothing changes a user who was met costs no query.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pymongo

from app.database import Database
from app.database.following import follow
from app.limits.grant_settlement import Before, Settling
from app.limits.meters import Applied, Caller, Purpose
from app.limits.plans import DEMO, KnownPlans
from app.limits.rules import Rule, SubjectRules
from app.limits.stored_definitions import StoredDefinitions
from app.limits.subjects import QUERY_SECONDS, KnownSubjects
from models.limits import NEVER, Limit, LimitScope
from models.plans import PlanVersion, Subscription
from models.subjects import subject_of, user_subject

REFRESH_SECONDS = 1.0
"""With `QUERY_SECONDS`: a change is in force everywhere within two seconds."""
READ_SECONDS = 20.0
"""How long reading what has changed may take, which is everything at start: what was read last applies meanwhile."""
CERTAIN_SECONDS = 3.0
"""How long a look at them counts."""
MOST_ANSWERS = 20_000
"""What is kept of callers, some kilobytes of each; who comes again is worked out again."""
MOST_CHANGED = 10_000
"""Changed documents from which on everything is read again."""


class _Answer(NamedTuple):
    """What applies from a moment up to another one."""

    start: datetime
    end: datetime
    applied: tuple[Applied, ...]


class Definitions:
    """What operators have defined, as this process knows it."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        """`zone`: that of limits without one, and of periods of the default plan."""
        self.zone = zone
        self._stored = StoredDefinitions(database)
        self.version = -1
        """Raised with every change."""
        self._looked_at = 0.0
        self._refreshing = asyncio.Lock()
        self.begun = asyncio.Event()
        """Set when anything has ever been defined."""
        self._plans = KnownPlans(zone)
        self._subjects = KnownSubjects(self._stored, self._plans, zone)
        self._answers: dict[tuple[Caller, Purpose | None], _Answer] = {}
        self._settling = Settling(self._stored, database)
        self.on_changed: Callable[[set[str]], None] = lambda _: None
        """Told the subjects of which something new is known."""

    @property
    def before_settling(self) -> Before:
        """Has all that was recorded counted, before it is fixed what grants have given."""
        return self._settling.before

    @before_settling.setter
    def before_settling(self, count: Before) -> None:
        self._settling.before = count

    @property
    def never_any(self) -> bool:
        """Whether nothing was ever defined here, as far as this process has just looked."""
        return self.version == 0 and time.monotonic() - self._looked_at < CERTAIN_SECONDS

    @property
    def none(self) -> bool:
        """Whether no limit applies to any call."""
        return self._subjects.none and not self.default.allowances

    @property
    def default(self) -> PlanVersion:
        """The plan of whoever has no subscription."""
        return self._plans.default

    # -- what applies

    def applying(self, caller: Caller, purpose: Purpose | None, at: datetime) -> Sequence[Applied] | None:
        """The limits of a call at a moment; those of every call of `caller` where no purpose is given, without those of
        features. None where this caller must be learned first: see `learn`.
        """
        answer = self._answers.get((caller, purpose))
        if answer is None or not answer.start <= at < answer.end:
            answer = self._answered(caller, purpose, at)
            if answer is None:
                return None
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            self._answers[caller, purpose] = answer
        return answer.applied

    def plan_of(self, caller: Caller, at: datetime | None = None) -> tuple[PlanVersion, Subscription | None]:
        """The plan of a caller that was learned: the user's, else the client's, else the default one, which has no
        subscription.
        """
        at = at or datetime.now(UTC)
        for rules in self._subscribers(caller):
            if (term := rules.term(at)) is not None:
                return self.version_of(term.plan, term.version) or DEMO, rules.subscription
        return self.default, None

    def plan_after(self, caller: Caller, at: datetime) -> tuple[PlanVersion, datetime] | None:
        """The plan that follows by itself the one of a moment, and when: by a change that is scheduled, or because the
        subscription ends.
        """
        _, subscription = self.plan_of(caller, at)
        if subscription is None:
            return None
        term, end = subscription.next_after(at), subscription.ended_at
        if end is not None and (term is None or end <= term.since):
            return self.plan_of(caller, end)[0], end
        return None if term is None else (self.version_of(term.plan, term.version) or DEMO, term.since)

    def version_of(self, plan: str, version: int) -> PlanVersion | None:
        """A version of a plan."""
        return self._plans.version_of(plan, version)

    def _answered(self, caller: Caller, purpose: Purpose | None, at: datetime) -> _Answer | None:
        binding = self._binding(caller, purpose, at)
        if binding is None:
            return None
        start, end = datetime.min.replace(tzinfo=UTC), NEVER
        found: list[Applied] = []
        for rules in binding:
            bound = rules.at(at)
            start, end = max(start, bound.start), min(end, bound.end)
            for rule in bound.rules:
                if purpose is not None and not rule.counts(purpose):
                    continue
                if (applied := rule.applied(at)) is None:
                    return None
                found.append(applied)
                start, end = max(start, applied.counter.period.start), min(end, applied.counter.period.end)
        return _Answer(start, end, tuple(found))

    def _binding(self, caller: Caller, purpose: Purpose | None, at: datetime) -> list[SubjectRules] | None:
        """Everything that a caller is bound by; None where it must be learned."""
        users = list(_users_of(caller))
        if self.version < 0 or not self._subjects.knows(users):
            return None
        names = [name for name in caller.subjects("" if purpose is None else purpose.feature) if name not in users]
        found = [rules for name in (*users, *names) if (rules := self._subjects.get(name)) is not None]
        # else a client that is learned later would change what has been answered
        subscribed = [rules.term(at) for rules in self._subscribers(caller)]
        if users and self.default.allowances and not any(subscribed):
            found.append(self._subjects.default_of(caller.user_id))
        return found

    def _subscribers(self, caller: Caller) -> list[SubjectRules]:
        """Of whose subscription the caller's plan may be, the nearest first."""
        names = (*reversed(list(_users_of(caller))), subject_of("client", caller.client_id))
        return [rules for name in names if (rules := self._subjects.get(name)) is not None]

    async def rules_of(self, subject: str, scope: LimitScope, at: datetime) -> Sequence[Rule]:
        """The rules of one subject at a moment, among them those of the default plan where it is a user's. `scope` is
        one that has this subject. Raises PyMongoError.
        """
        if self.version < 0:
            await self.refresh()
        known = await self._subjects.read(subject)
        rules = list(known.at(at).rules) if known else []
        if scope.user_id is not None and scope.client_id is None and not (known and known.term(at)):
            rules += self._subjects.default_of(scope.user_id).at(at).rules
        return rules

    async def applied_of(self, limit: Limit, subject: str, at: datetime) -> Applied | None:
        """A limit in the period of a moment; None where it does not hold then. Raises PyMongoError."""
        for settled in (False, True):
            for rule in await self.rules_of(subject, limit.scope, at):
                if rule.limit.id == limit.id and (applied := rule.applied(at)) is not None:
                    return applied
            known = self._subjects.get(subject)
            if settled or known is None or not await self._settling.settled(known, at):
                return None
            await self._reread(subject)
        return None

    async def applied_to(self, subject: str, at: datetime) -> list[Applied]:
        """The limits of one subject in the periods of a moment, but those whose grants are yet to be settled. Raises
        PyMongoError.
        """
        known = await self._subjects.read(subject)
        rules = known.at(at).rules if known else ()
        return [applied for rule in rules if (applied := rule.applied(at)) is not None]

    # -- following changes

    async def refresh(self) -> None:
        """Reread what has changed. Raises PyMongoError."""
        async with self._refreshing:  # one that has read less must not end after one that has read more
            await self._refresh()

    async def _refresh(self) -> None:
        looked_at = time.monotonic()
        with pymongo.timeout(QUERY_SECONDS if self.version >= 0 else READ_SECONDS):
            version = await self._stored.version()
        if version == self.version:
            self._looked_at = looked_at
            return
        with pymongo.timeout(READ_SECONDS):
            changed = await self._stored.changed(self.version, MOST_CHANGED) if self.version >= 0 else None
            if changed is not None and not (changed.subjects or changed.plans):
                changed = None  # something was changed by hand
            plans = await self._stored.plans() if changed is None or changed.plans else None
            users_defined = await self._stored.users()
            others = await self._subjects.others(changed)
        # from here on nothing waits: what is asked meanwhile sees all of the old state, or all of the new one
        if plans is not None:
            self._plans.take_in(plans)
        self._subjects.take_in(others, changed, users_defined=users_defined)
        self._answers.clear()
        self.version = version
        self._looked_at = looked_at
        if version > 0:
            self.begun.set()
        if changed is not None:
            self.on_changed(changed.subjects)

    async def since(self) -> datetime | None:
        """When anything was defined for the first time; None where nothing ever was. Raises PyMongoError."""
        return await self._stored.since()

    async def keep_fresh(self) -> None:
        """Follow changes until cancelled. While MongoDB is away, what was read last applies."""
        await follow(self.refresh, what="limits", every=REFRESH_SECONDS)

    async def learn(self, callers: Iterable[Caller], at: datetime | None = None) -> None:
        """Have at hand what applies to `callers` at a moment (now): one query for all who are not known yet, whoever
        asks meanwhile; and grants settled up to then. Raises PyMongoError.
        """
        at = at or datetime.now(UTC)
        callers = list(callers)
        if self.version < 0:
            await self.refresh()
        await self._subjects.look_up({user for caller in callers for user in _users_of(caller)})
        for caller in callers:
            for rules in self._binding(caller, None, at) or ():
                if await self._settling.settled(rules, at):
                    await self._reread(rules.subject)

    async def _reread(self, subject: str) -> None:
        await self._subjects.reread(subject)
        self._answers.clear()


def _users_of(caller: Caller) -> Iterator[str]:
    """The subjects of a caller that are users; none for a key without a user."""
    if caller.user_id:
        yield user_subject(caller.user_id)
        yield user_subject(caller.user_id, caller.client_id)
