"""What is defined for subjects, as a process knows it.

What is defined for clients, keys, campaigns, features and everyone is kept whole; what is defined for users, of whom
there may be millions, is read when one of them is met, and forgotten when it changes.
"""

import asyncio
from collections.abc import Iterable
from itertools import islice
from zoneinfo import ZoneInfo

import pymongo

from app.limits.plans import KnownPlans
from app.limits.rules import SubjectRules
from app.limits.stored_definitions import OF_OTHERS, Changed, OfSubject, StoredDefinitions
from models.subjects import user_subject

QUERY_SECONDS = 1.0
USER = "user:"
"""How subjects begin that are users."""
MOST_USERS = 100_000
MOST_DEFAULTS = 20_000
"""Of whom is kept what the default plan gives them, some kilobytes of each."""

Rules = dict[str, SubjectRules]
"""By subject."""


class KnownSubjects:
    """Of one process, on its event loop."""

    def __init__(self, stored: StoredDefinitions, plans: KnownPlans, zone: ZoneInfo) -> None:
        """`zone`: that of limits without one."""
        self._stored, self._plans, self._zone = stored, plans, zone
        self._others: Rules = {}
        self._users: Rules = {}
        self._defaults: Rules = {}
        self._users_defined = False
        self._changes = 0
        self._looking = asyncio.Lock()
        self._wanted: set[str] = set()

    @property
    def none(self) -> bool:
        """Whether nothing is defined for any."""
        return not self._others and not self._users_defined

    def get(self, subject: str) -> SubjectRules | None:
        """The rules of one; None where there are none, or it is a user who is not known yet."""
        return self._users.get(subject) or self._others.get(subject)

    def knows(self, users: Iterable[str]) -> bool:
        """Whether everything is known of these users."""
        return not self._users_defined or all(user in self._users for user in users)

    def default_of(self, user_id: str) -> SubjectRules:
        """What the default plan gives a user."""
        subject = user_subject(user_id)
        if subject not in self._defaults:
            if len(self._defaults) >= MOST_DEFAULTS:
                self._defaults.clear()
            known = self._users.get(subject)
            self._defaults[subject] = SubjectRules(
                subject,
                self._zone,
                self._plans.allowed,
                subscription=self._plans.stand_in,
                grants=known.grants if known else (),
                by_default=True,
            )
        return self._defaults[subject]

    async def others(self, changed: Changed | None) -> Rules:
        """Read what is new of those that are no users, or all of them. Raises PyMongoError."""
        if changed is None:
            return self._built(await self._stored.of(OF_OTHERS))
        ours = {subject for subject in changed.subjects if not subject.startswith(USER)}
        found = self._built(await self._stored.of(ours)) if ours else {}
        return {subject: rules for subject, rules in self._others.items() if subject not in ours} | found

    def take_in(self, others: Rules, changed: Changed | None, *, users_defined: bool) -> None:
        """Know `others`, forget the users that have changed. `users_defined`: whether anything is defined for users."""
        self._others, self._users_defined = others, users_defined
        if changed is None or not users_defined:
            self._users.clear()
        else:
            for subject in changed.subjects:
                self._users.pop(subject, None)
        self._defaults.clear()
        self._changes += 1

    async def look_up(self, users: set[str]) -> None:
        """Know these users: one query for all who are not known yet, whoever asks meanwhile. Raises PyMongoError."""
        self._wanted |= users
        async with self._looking:  # those who wait here are looked up together
            while self._users_defined and not users <= self._users.keys():
                wanted, self._wanted = (self._wanted | users) - self._users.keys(), set()
                changes = self._changes
                with pymongo.timeout(QUERY_SECONDS):
                    found = await self._stored.of(wanted)
                if changes != self._changes:
                    continue  # it may be older than the change that was taken in meanwhile
                self._make_room(len(wanted))
                nothing = {user: SubjectRules(user, self._zone, self._plans.allowed) for user in wanted - found.keys()}
                self._users |= nothing | self._built(found)
            self._wanted -= users

    async def read(self, subject: str) -> SubjectRules | None:
        """The rules of one, a user met or not. Raises PyMongoError."""
        if subject.startswith(USER):
            await self.look_up({subject})
        return self.get(subject)

    async def reread(self, subject: str) -> None:
        """Take in what was just settled of one. Raises PyMongoError."""
        if subject in self._users:
            del self._users[subject]
            await self.look_up({subject})
        else:
            with pymongo.timeout(QUERY_SECONDS):
                self._others |= self._built(await self._stored.of([subject]))
        self._defaults.pop(subject, None)

    def _make_room(self, more: int) -> None:
        """Forget those who were met first."""
        if len(self._users) + more > MOST_USERS:
            for user in list(islice(self._users, max(more, MOST_USERS // 2))):
                del self._users[user]
            self._defaults.clear()

    def _built(self, found: dict[str, OfSubject]) -> Rules:
        return {
            subject: SubjectRules(
                subject,
                self._zone,
                self._plans.allowed,
                limits=of.limits,
                subscription=of.subscriptions[0] if of.subscriptions else None,
                grants=of.grants,
            )
            for subject, of in found.items()
        }
