"""Give users or clients a plan: one, a list, or all who have another plan.

PLAN is a plan's name, or PLAN@VERSION; its newest version otherwise. Who has no subscription gets one, whose periods
are counted from today; who has one is changed: at once, or from the next period on where anything gets less, unless
--effective says when. What is used and held stays. Who has it already, or will have it, is left alone, so it can be
repeated. Without --execute it only says what would be done. It runs beside the server; interrupted, it resumes.

    python -m scripts.assign_plan pro --user u_42                                 dry run
    python -m scripts.assign_plan pro --user u_42 --user u_43 --execute
    python -m scripts.assign_plan team --client acme --timezone Europe/Berlin --execute
    python -m scripts.assign_plan pro --users users.txt --effective now --execute
    python -m scripts.assign_plan pro --having basic --execute                    all who have any version of basic
    python -m scripts.assign_plan basic --having basic --execute                  to its newest version
"""

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from app.database import Database
from app.errors import AppError
from app.limits.defining.plans import PlanBook
from app.limits.defining.subscriptions import SubscriptionBook
from app.limits.defining.terms import Effective
from app.limits.definitions import Definitions
from app.settings import Settings
from models.limits import LimitScope
from models.plans import SUBSCRIPTIONS, PlanVersion, Status, Subscription
from scripts.toolkit import command, job
from scripts.toolkit.job import Job, Page, Summary

PAGE = 100
SHOWN = 10
NEW, CHANGED, KNOWN, FAILED = "new", "changed", "left alone", "failed"
ASSIGNED_BY = "scripts.assign_plan"


class AssignPlan(Job[LimitScope]):
    """Assigns a plan to subjects. A page may be done again: who has the plan is left alone."""

    name = "assign_plan"
    what = "subjects"
    counts = (NEW, CHANGED, KNOWN, FAILED)
    worth_a_look = (FAILED,)

    def __init__(self, database: Database, settings: Settings, arguments: argparse.Namespace) -> None:
        definitions = Definitions(database, settings.zone)
        self._stored = database.reads[SUBSCRIPTIONS]
        self._plans = PlanBook(database, definitions)
        self._book = SubscriptionBook(database, definitions)
        self._arguments = arguments
        self._scopes: list[LimitScope] = arguments.scopes
        self._offered: PlanVersion | None = None
        self._notes: list[str] = []

    def key(self) -> dict[str, Any]:
        given = self._arguments
        told = [given.plan, given.having, given.effective, *(repr(scope) for scope in self._scopes)]
        return {"arguments": hashlib.sha256("\n".join(map(str, told)).encode()).hexdigest()}

    async def total(self) -> int:
        self._offered = await self._plans.offered(self._arguments.plan, self._arguments.version, None)
        return len(self._scopes) if self._arguments.having is None else await self._stored.count_documents(self._having)

    @property
    def _having(self) -> dict[str, Any]:
        return {"terms.plan": {"$eq": self._arguments.having}, "status": Status.ACTIVE.value}

    async def pages(self, after: Any) -> AsyncGenerator[Page[LimitScope], None]:
        if self._arguments.having is None:
            for first in range(after or 0, len(self._scopes), PAGE):
                yield Page(self._scopes[first : first + PAGE], first + PAGE)
            return
        while True:
            further = {} if after is None else {"_id": {"$gt": after}}
            found = await self._stored.find({**self._having, **further}).sort("_id").limit(PAGE).to_list(None)
            if not found:
                return
            after = found[-1]["_id"]
            now = datetime.now(UTC)
            subscriptions = [Subscription.read(stored) for stored in found]
            active = [one for one in subscriptions if not one.is_over(now)]
            has = [one.scope for one in active if one.term_at(now).plan == self._arguments.having]
            yield Page(has, after, len(found))

    async def do(self, page: Page[LimitScope], *, execute: bool) -> Counter[str]:
        counts: Counter[str] = Counter()
        for scope in page.items:
            try:
                counts[await self._assign(scope, execute=execute)] += 1
            except AppError as error:
                counts[FAILED] += 1
                if len(self._notes) < SHOWN:
                    self._notes.append(f"{scope.subject}: {error.detail}")
        return counts

    async def _assign(self, scope: LimitScope, *, execute: bool) -> str:
        offered, given = self._offered, self._arguments
        if offered is None:
            raise AssertionError("unreachable: the plan is looked up first")
        there = await self._book.of(scope)
        if there is None:
            if execute:
                more: dict[str, Any] = {}
                names = {"plan": offered.plan, "number": offered.version, "timezone": given.timezone}
                await self._book.add(scope, **names, more=more, client=None, by=ASSIGNED_BY)
            return NEW
        if (there.terms[-1].plan, there.terms[-1].version) == (offered.plan, offered.version):
            return KNOWN
        if execute:
            names = {"plan": offered.plan, "number": offered.version, "effective": given.effective}
            await self._book.change(there.id, **names, more={}, client=None)
        return CHANGED

    async def finish(self, summary: Summary) -> None:
        summary.notes += self._notes


def main() -> int:
    parser = command.parser("assign_plan", __doc__)
    parser.add_argument("plan", metavar="PLAN[@VERSION]")
    parser.add_argument("--user", action="append", default=[], metavar="ID", help="a user; with --client, only there")
    parser.add_argument("--users", type=Path, metavar="FILE", help="users, one in a line")
    parser.add_argument("--client", metavar="ID", help="a client; with users, theirs there")
    parser.add_argument("--having", metavar="PLAN", help="all who subscribe to it now, not by default")
    parser.add_argument("--effective", type=Effective, choices=list(Effective), help="when another plan holds")
    parser.add_argument("--timezone", metavar="ZONE", help="of new subscriptions (default: the deployment's)")
    job.add_arguments(parser)
    arguments = parser.parse_args()
    try:
        arguments.plan, arguments.version = _named(arguments.plan)
        arguments.scopes = list(_scopes(arguments))
        if arguments.timezone is not None:
            ZoneInfo(arguments.timezone)
    except ValidationError as error:
        parser.error("; ".join(str(fault["msg"]) for fault in error.errors()))
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        parser.error(str(error))
    if bool(arguments.scopes) == (arguments.having is not None):
        parser.error("name users, a client, or --having PLAN")
    return job.run(arguments, lambda database, settings: AssignPlan(database, settings, arguments))


def _named(text: str) -> tuple[str, int | None]:
    plan, sign, number = text.partition("@")
    if sign and not number.isdecimal():
        raise ValueError(f"{text}: a version is a number, such as {plan}@2")
    return plan, int(number) if sign else None


def _scopes(arguments: argparse.Namespace) -> Iterator[LimitScope]:
    """Whom the arguments name, each once. Raises ValidationError, and OSError for a file that cannot be read."""
    lines = arguments.users.read_text().splitlines() if arguments.users is not None else []
    users = dict.fromkeys([*arguments.user, *(line.strip() for line in lines if line.strip())])
    for user in users:
        yield LimitScope(user_id=user, client_id=arguments.client)
    if not users and arguments.client is not None:
        yield LimitScope(client_id=arguments.client)


if __name__ == "__main__":
    sys.exit(main())
