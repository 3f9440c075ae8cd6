"""Plans. What a version gives never changes: a change is another version, and subscriptions keep theirs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.database import Session
from app.database.outages import answering
from app.errors import ConflictError, NotFoundError
from app.limits.defining.changes import CHANGE_SECONDS
from app.limits.defining.storage import MAX_ID, Storage, changed, made
from app.limits.plans import DEMO
from app.limits.stored_definitions import read
from models.documents import Document
from models.moments import moment_now
from models.plans import DEMO_PLAN, PLANS, SUBSCRIPTIONS, PlanVersion, Status


class PlanBook(Storage[PlanVersion]):
    """The stored plans, and the demo plan, which is built in."""

    shape, collection, what = PlanVersion, PLANS, "plan"

    async def newest(self, *, after: str | None, size: int, ended: bool | None = None) -> list[PlanVersion]:
        """The newest version of each plan, by name. Raises DatabaseUnavailableError."""
        stages: list[dict[str, Any]] = [
            {"$match": {} if after is None else {"plan": {"$gt": after}}},
            {"$sort": {"plan": 1, "version": -1}},
            {"$group": {"_id": "$plan", "newest": {"$first": "$$ROOT"}}},
            {"$replaceWith": "$newest"},
            {"$match": {} if ended is None else {"endedAt": {"$ne" if ended else "$eq": None}}},
            {"$sort": {"plan": 1}},
            {"$limit": size},
        ]
        with answering(CHANGE_SECONDS):
            found = [read(PlanVersion, stored) async for stored in self._stored.aggregate(stages)]
        return [one for one in found if one is not None]

    async def versions(self, plan: str) -> list[PlanVersion]:
        """Every version of a plan, the newest first. Raises NotFoundError and DatabaseUnavailableError."""
        if plan == DEMO_PLAN:
            return [await self.demo()]
        with answering(CHANGE_SECONDS):
            found = await self._stored.find({"plan": {"$eq": plan}}).sort("version", -1).to_list(None)
        versions = [one for stored in found if (one := read(PlanVersion, stored)) is not None]
        if not versions:
            raise _unknown(plan)
        return versions

    async def demo(self) -> PlanVersion:
        """The built-in plan: the default one, unless another is."""
        default = await self.default()
        return DEMO.model_copy(update={"default": default.plan == DEMO_PLAN})

    async def default(self) -> PlanVersion:
        """The plan of whoever has no subscription."""
        await self._definitions.refresh()
        return self._definitions.default

    async def subscribers(self, plan: str, now: datetime, client: str | None = None) -> dict[int, int]:
        """How many subscriptions have a plan, by version; of one client alone, where it is named. Raises
        DatabaseUnavailableError.
        """
        begun = {"$filter": {"input": "$terms", "cond": {"$lte": ["$$this.since", now]}}}
        stages: list[dict[str, Any]] = [
            {
                "$match": {
                    "terms.plan": {"$eq": plan},
                    "status": Status.ACTIVE,
                    "endedAt": {"$not": {"$lte": now}},
                    **({} if client is None else {"client": {"$eq": client}}),
                }
            },
            {"$set": {"term": {"$ifNull": [{"$last": begun}, {"$first": "$terms"}]}}},
            {"$match": {"term.plan": {"$eq": plan}}},
            {"$group": {"_id": "$term.version", "subscribers": {"$sum": 1}}},
        ]
        with answering(CHANGE_SECONDS):
            found = self.database.writes[SUBSCRIPTIONS].aggregate(stages)
            return {row["_id"]: row["subscribers"] async for row in found}

    async def add(self, fields: Mapping[str, Any], *, by: str) -> PlanVersion:
        """A plan's first version. Raises ConflictError where there is one of that name."""
        plan = made(PlanVersion, {**fields, "version": 1, "created_at": moment_now(), "created_by": by})
        if plan.plan == DEMO_PLAN:
            raise ConflictError(f"{DEMO_PLAN} is built in, and has no limits: choose another name")

        async def insert(session: Session | None, version: int) -> None:
            if await self._newest(plan.plan, session) is not None:
                raise ConflictError(f"there is a plan {plan.plan}: PATCH /api/admin/plans/{plan.plan} makes a version")
            await self._keep(plan, version, session)
            await self._record("created", plan, None, plan.stored(), session)

        await self._change(insert)
        return plan

    async def change(self, plan: str, changes: Mapping[str, Any], *, by: str) -> PlanVersion:
        """Another version, with what is changed; to be the default, or not to be it, needs none.

        Raises NotFoundError, InvalidRequestError, and ConflictError where it has ended.
        """
        after: list[PlanVersion] = []

        async def update(session: Session | None, version: int) -> None:
            before = await self._found(plan, session)
            if before.ended_at is not None:
                raise ConflictError(f"plan {plan} has ended: make another one")
            newest = changed(before, changes)
            if changes.keys() <= {"default"}:
                await self._replace(newest, version, session)
                await self._only_default(newest, version, session)
            else:
                made_now = {"version": before.version + 1, "created_at": moment_now(), "created_by": by}
                newest = newest.model_copy(update=made_now)
                await self._keep(newest, version, session)
                await self._record("changed", newest, before.stored(), newest.stored(), session)
            after[:] = [newest]

        await self._change(update)
        return after[0]

    async def end(self, plan: str) -> PlanVersion:
        """From now on nobody subscribes to it; who has, keeps it. Raises NotFoundError and ConflictError."""
        after: list[PlanVersion] = []

        async def update(session: Session | None, version: int) -> None:
            newest = await self._found(plan, session)
            if newest.default:
                raise ConflictError(f"{plan} is the default plan: make another one the default first")
            if newest.ended_at is None:
                ended = {"endedAt": moment_now(), "changed": version}
                await self._stored.update_many({"plan": plan, "endedAt": None}, {"$set": ended}, session=session)
                before, newest = newest, newest.model_copy(update={"ended_at": ended["endedAt"]})
                await self._record("ended", newest, before.stored(), newest.stored(), session)
            after[:] = [newest]

        await self._change(update)
        return after[0]

    async def offered(self, plan: str, number: int | None, session: Session | None) -> PlanVersion:
        """The version (the newest) to which somebody subscribes now. Raises NotFoundError and ConflictError."""
        if plan == DEMO_PLAN:
            return DEMO
        if number is None:
            found = await self._found(plan, session)
        else:
            one = await self.version(plan, number, session)
            if one is None:
                raise NotFoundError(f"plan {plan[:MAX_ID]} has no version {number}")
            found = one
        if found.ended_at is not None:
            raise ConflictError(f"plan {plan} has ended: who has it keeps it, and nobody subscribes to it any more")
        return found

    async def version(self, plan: str, number: int, session: Session | None) -> PlanVersion | None:
        """One version, also of a plan that has ended."""
        stored = await self._stored.find_one({"_id": {"$eq": f"{plan}@{number}"}}, session=session)
        return None if stored is None else read(PlanVersion, stored)

    async def _keep(self, newest: PlanVersion, version: int, session: Session | None) -> None:
        await self._stored.insert_one({**newest.stored(), "changed": version}, session=session)
        await self._only_default(newest, version, session)

    async def _only_default(self, newest: PlanVersion, version: int, session: Session | None) -> None:
        if newest.default:
            others = {"default": True, "plan": {"$ne": newest.plan}}
            await self._stored.update_many(others, {"$set": {"default": False, "changed": version}}, session=session)

    async def _record(
        self, done: str, one: PlanVersion, before: Document | None, after: Document, session: Session | None
    ) -> None:
        """Of the plan, not of one of its versions."""
        await super()._record(done, one, before, {**after, "_id": one.plan}, session)

    async def _newest(self, plan: str, session: Session | None) -> PlanVersion | None:
        stored = await self._stored.find_one({"plan": {"$eq": plan}}, sort=[("version", -1)], session=session)
        return None if stored is None else read(PlanVersion, stored)

    async def _found(self, plan: str, session: Session | None) -> PlanVersion:
        found = await self._newest(plan, session)
        if found is None:
            if plan == DEMO_PLAN:
                raise ConflictError(
                    f"{DEMO_PLAN} is built in, and stays as it is: make a plan, and let it be the default"
                )
            raise _unknown(plan)
        return found


def _unknown(plan: str) -> NotFoundError:
    return NotFoundError(f"there is no plan {plan[:MAX_ID]}; GET /api/admin/plans lists them")
