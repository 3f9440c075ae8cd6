"""The stored definitions of campaigns, each with the limit that is its budget: both change in one transaction."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError

from app import audit
from app.database import Database, Session
from app.database.listing import After, following, newest_first
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError, NotFoundError
from app.limits.defining.limits import LimitBook
from app.limits.defining.storage import changed, made, new_id
from app.observability.logs import Log
from models.audit import Target
from models.campaigns import CAMPAIGNS, Campaign
from models.faults import fields_at_fault, shortened
from models.limits import Allowance, Kind, Limit, LimitScope, Unit, Window
from models.moments import moment_now

log = Log(__name__)

QUERY_SECONDS = 10.0
FIXED = ("campaignId", "clientId")
"""What calls name, and whose they are: another of these is another campaign."""


class CampaignBook:
    """`client` is the only client whose campaigns are seen and changed; None for all, and for those over all."""

    def __init__(self, database: Database, limits: LimitBook) -> None:
        self._database, self._stored = database, database.writes[CAMPAIGNS]
        self._limits = limits

    async def page(self, client: str | None, *, after: After | None, size: int) -> list[Campaign]:
        """The newest first. Raises DatabaseUnavailableError."""
        with answering(QUERY_SECONDS):
            cursor = self._stored.find(_of(client) | following("createdAt", after))
            found = await cursor.sort(newest_first("createdAt")).limit(size).to_list(None)
        return [one for stored in found if (one := _read(stored)) is not None]

    async def known(self, client: str | None) -> set[tuple[str, str | None]]:
        """By what calls name them, and their client: those that hold for a client, or all. Raises
        DatabaseUnavailableError.
        """
        mine: dict[str, Any] = {} if client is None else {"clientId": {"$in": [client, None]}}
        with answering(QUERY_SECONDS):
            found = await self._stored.find(mine, {"campaignId": 1, "clientId": 1}).to_list(None)
        return {(each["campaignId"], each.get("clientId")) for each in found}

    async def find(self, name: str, client: str | None) -> Campaign | None:
        """The one that calls name so, or of this id; of several, that over all clients.

        Raises ConflictError where the client has to be named, and DatabaseUnavailableError.
        """
        either = {"$or": [{"campaignId": {"$eq": name}}, {"_id": {"$eq": name}}]}
        with answering(QUERY_SECONDS):
            stored = await self._stored.find({**either, **_of(client)}).to_list(None)
        found = [one for each in stored if (one := _read(each)) is not None]
        over_all = [one for one in found if one.client_id is None]
        if len(found) > 1 and not over_all:
            raise ConflictError(f"{len(found)} clients have a campaign of this name: give clientId, too")
        return next(iter(over_all or found), None)

    async def one(self, name: str, client: str | None) -> Campaign:
        """The same. Raises NotFoundError too, for another client's as well."""
        if (found := await self.find(name, client)) is None:
            raise NotFoundError(f"there is no campaign {shortened(name)}: define it first, by POST")
        return found

    async def add(self, fields: Mapping[str, Any], *, client: str | None, by: str) -> Campaign:
        """Define one. Raises InvalidRequestError, ConflictError where it is there, and DatabaseUnavailableError."""
        own = {"id": new_id(), "client_id": client, "created_at": moment_now(), "created_by": by}
        campaign = made(Campaign, {**fields, **own})
        if campaign.budget is None:
            with answering(QUERY_SECONDS):
                await transact(self._database, partial(self._insert, campaign, None))
            return campaign
        limit = await self._set_budget(campaign, by, self._insert)
        return campaign.model_copy(update={"limit": limit.id})

    async def change(self, name: str, changes: Mapping[str, Any], *, client: str | None, by: str) -> Campaign:
        """The same with other values of some fields. Raises NotFoundError, InvalidRequestError, ConflictError where
        somebody else changes it at the same time, and DatabaseUnavailableError.
        """
        before = await self.one(name, client)
        after = changed(before, {**changes, "revision": before.revision + 1})
        limit = await self._running_limit(before)
        if after.budget is None and limit is not None:
            after = after.model_copy(update={"limit": None})
            await self._limits.end(limit.id, client=None, beside=partial(self._replace_beside, after))
        elif after.budget is None:
            with answering(QUERY_SECONDS):
                await transact(self._database, partial(self._replace, after.model_copy(update={"limit": None})))
        elif limit is None:
            limit = await self._set_budget(after, by, self._replace_with)
            after = after.model_copy(update={"limit": limit.id})
        else:
            amount = {"amount": after.budget, "name": _limit_name(after)}
            await self._limits.change(limit.id, amount, client=None, beside=partial(self._replace_beside, after))
        return after

    async def _running_limit(self, campaign: Campaign) -> Limit | None:
        """An administrator may have ended it beside the campaign: a budget is then another one."""
        if campaign.limit is None:
            return None
        try:
            limit = await self._limits.one(campaign.limit, None)
        except NotFoundError:
            return None
        return limit if limit.ended_at is None else None

    async def _set_budget(self, campaign: Campaign, by: str, store: Any) -> Limit:
        assert campaign.budget is not None  # noqa: S101 - see its callers
        scope = LimitScope(campaign_id=campaign.campaign_id, client_id=campaign.client_id)
        allowance = Allowance(
            name=_limit_name(campaign),
            unit=Unit.USD,
            window=Window.LIFETIME,
            amount=campaign.budget,
            kind=Kind.SOFT,
        )

        async def beside(session: Session | None, limit: Limit) -> None:
            await store(campaign, limit, session)

        return await self._limits.add(scope, allowance, client=None, by=by, beside=beside)

    async def _insert(self, campaign: Campaign, limit: Limit | None, session: Session | None) -> None:
        stored = campaign.model_copy(update={"limit": limit and limit.id}).stored()
        try:
            with answering(QUERY_SECONDS):
                await self._stored.insert_one(stored, session=session)
                await audit.record(self._database, session, "campaign.created", _target(campaign), after=stored)
        except DuplicateKeyError as error:
            message = f"campaign {shortened(campaign.campaign_id)} is there already: change it by PATCH"
            raise ConflictError(message) from error

    async def _replace_with(self, campaign: Campaign, limit: Limit, session: Session | None) -> None:
        await self._replace(campaign.model_copy(update={"limit": limit.id}), session)

    async def _replace_beside(self, campaign: Campaign, session: Session | None, limit: Limit) -> None:  # noqa: ARG002
        await self._replace(campaign, session)

    async def _replace(self, campaign: Campaign, session: Session | None) -> None:
        as_it_was = {"_id": campaign.id, "revision": campaign.revision - 1}
        with answering(QUERY_SECONDS):
            before = await self._stored.find_one_and_replace(as_it_was, campaign.stored(), session=session)
        if before is None:
            name = shortened(campaign.campaign_id)
            raise ConflictError(f"campaign {name} was changed by somebody else meanwhile: look again")
        await audit.record(
            self._database, session, "campaign.changed", _target(campaign), before=before, after=campaign
        )


def _target(campaign: Campaign) -> Target:
    return Target(kind="campaign", id=campaign.campaign_id, client_id=campaign.client_id, name=campaign.name)


def _limit_name(campaign: Campaign) -> str:
    return f"budget of {campaign.name}"[:256]


def _of(client: str | None) -> dict[str, Any]:
    return {} if client is None else {"clientId": {"$eq": client}}


def _read(stored: dict[str, Any]) -> Campaign | None:
    try:
        return Campaign.read(stored)
    except ValidationError as error:
        log.warning("campaigns.damaged", id=str(stored.get("_id")), fields=fields_at_fault(error))
        return None
