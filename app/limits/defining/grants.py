"""Grants: more of an allowance, once, at each renewal, or for some periods."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from app.database import Session
from app.errors import ConflictError, InvalidRequestError, NotFoundError, invalid
from app.limits.defining.limits import LimitBook
from app.limits.defining.owners import own_scope, owner_of
from app.limits.defining.storage import Storage, changed, made, new_id, told
from app.limits.grant_settlement import periods_from
from app.limits.rules import Rule, is_allowance
from models.limits import LimitFilter, LimitScope, Unit, Window, fault_of_amount
from models.moments import moment_now
from models.plans import GRANTS, Grant, GrantKind

MOST_PERIODS = 1_000
_SHORT = {Window.MINUTE, Window.HOUR}


class Begin(StrEnum):
    """With which period an override begins."""

    NOW = "now"
    NEXT = "next"


class Target(NamedTuple):
    """What is granted more of: a limit by its id, or the allowance of a plan that counts this for a subject."""

    limit: str | None
    scope: LimitScope | None
    unit: Unit | None
    window: Window | None
    filter: LimitFilter


class GrantBook(Storage[Grant]):
    """The stored grants."""

    shape, collection, what = Grant, GRANTS, "grant"

    async def add(
        self,
        kind: GrantKind,
        target: Target,
        amount: Decimal,
        *,
        expires_at: datetime | None,
        periods: int,
        begin: Begin,
        note: str | None,
        client: str | None,
        by: str,
    ) -> Grant:
        """Grant something. `periods` and `begin` are an override's.

        Raises InvalidRequestError where nothing counts what the target says, NotFoundError, ConflictError where a
        carry-over is there already, and NotAllowedError.
        """
        now = moment_now()
        rule = await self._rule(target, client, now)
        _check(kind, rule, amount, expires_at, now)
        period = rule.period(now)
        starts_at = now
        if kind is GrantKind.OVERRIDE:
            starts_at = period.start if begin is Begin.NOW else period.end
            expires_at = next(islice(periods_from(starts_at, rule.period), periods - 1, None)).end
        scope = _subject_scope(rule, target)
        fields = {
            "id": new_id(),
            "kind": kind,
            "scope": scope,
            "limit": None if is_allowance(rule.limit) else rule.limit.id,
            "filter": rule.limit.filter,
            "unit": rule.limit.unit,
            "window": rule.limit.window,
            "amount": amount,
            "starts_at": starts_at,
            "expires_at": expires_at,
            "note": note,
            "created_at": now,
            "created_by": by,
            "settled_to": period.start,
        }
        grant = made(Grant, fields)
        owner = await owner_of(self.database, scope, client)

        async def insert(session: Session | None, version: int) -> None:
            if kind is GrantKind.CARRY_OVER:
                await self._refuse_second(grant, owner.subject, now, session)
            await self._insert(grant, owner._replace(subject=rule.meter.subject), version, session)

        await self._change(insert)
        return grant

    async def change(self, id_: str, changes: Mapping[str, Any], *, client: str | None) -> Grant:
        """Another note, or another end. Raises NotFoundError, InvalidRequestError and ConflictError."""
        after: list[Grant] = []

        async def update(session: Session | None, version: int) -> None:
            before = await self.one(id_, client, session)
            if before.ended_at is not None:
                raise ConflictError(f"grant {before.id} has ended: make another one")
            if "expires_at" in changes and before.kind is GrantKind.OVERRIDE:
                raise invalid("expiresAt", "of an override cannot change: end it, and make another one")
            grant = changed(before, changes)
            if "expires_at" in changes:
                _check_expiry(grant.expires_at, grant.window, moment_now())
            await self._replace(grant, version, session)
            after[:] = [grant]

        await self._change(update)
        return after[0]

    async def end(self, id_: str, *, client: str | None) -> Grant:
        """From now on it gives nothing. Repeating it changes nothing. Raises NotFoundError."""
        after: list[Grant] = []

        async def update(session: Session | None, version: int) -> None:
            grant = await self.one(id_, client, session)
            if grant.ended_at is None:
                grant = grant.model_copy(update={"ended_at": moment_now()})
                await self._replace(grant, version, session)
            after[:] = [grant]

        await self._change(update)
        return after[0]

    async def _rule(self, target: Target, client: str | None, now: datetime) -> Rule:
        """What counts what is granted more of."""
        if target.limit is not None:
            limit = await LimitBook(self.database, self._definitions).one(target.limit, client)
            owner = await owner_of(self.database, limit.scope, client)
            rules = await self._definitions.rules_of(owner.subject, limit.scope, now)
            found = next((rule for rule in rules if rule.limit.id == limit.id), None)
            if found is None:
                raise ConflictError(f"limit {limit.id} has ended: there is nothing to grant more of")
            return found
        if target.scope is None or target.unit is None or target.window is None:
            message = "or scope, unit and window must be given: what is granted more of"
            raise invalid("limitId", message)
        scope = own_scope(target.scope, client)
        if scope.user_id is None and scope.client_id is None:
            raise invalid("scope", "must name the user or the client of a subscription; for other limits give limitId")
        rules = await self._definitions.rules_of(scope.subject or "", scope, now)
        allowances = [rule for rule in rules if is_allowance(rule.limit)]
        wanted = (target.unit, target.filter, target.window)
        for rule in allowances:
            if (rule.limit.unit, rule.limit.filter, rule.limit.window) == wanted:
                return rule
        there = ", ".join(f"{rule.limit.unit} by {rule.limit.window}" for rule in allowances) or "nothing"
        message = f"the plan of {told(scope)} counts {there}, and not this; for a limit beside the plan give limitId"
        raise InvalidRequestError(message, errors=[{"field": "unit", "message": message}])

    async def _refuse_second(self, grant: Grant, subject: str, now: datetime, session: Session | None) -> None:
        same = {"kind": grant.kind.value, "unit": grant.unit.value, "window": grant.window.value}
        theirs = self._stored.find({"subject": subject, **same, "endedAt": None}, session=session)
        for other in [Grant.read(stored) async for stored in theirs]:
            open_end = other.expires_at is None or other.expires_at > now
            if open_end and (other.limit, other.filter) == (grant.limit, grant.filter):
                raise ConflictError(f"carry-over {other.id} is for the same allowance: end it first")


def _subject_scope(rule: Rule, target: Target) -> LimitScope:
    """The scope of the subject itself, not that of the subscription by which it was found."""
    if target.limit is not None:
        return rule.limit.scope
    if target.scope is None:
        raise NotFoundError("nothing is granted more of")
    return target.scope


def _check(kind: GrantKind, rule: Rule, amount: Decimal, expires_at: datetime | None, now: datetime) -> None:
    """Raises InvalidRequestError where such a grant would mean nothing."""
    unit, window = rule.limit.unit, rule.limit.window
    if unit is Unit.CONCURRENT:
        raise invalid("unit", "concurrent has no periods and nothing that is used up: change the limit's amount")
    if reason := fault_of_amount(unit, amount):
        raise invalid("amount", reason)
    if kind is GrantKind.OVERRIDE:
        if window is Window.LIFETIME:
            raise invalid("kind", "override is for periods, and a lifetime is one: change the limit's amount")
        if expires_at is not None:
            raise invalid("expiresAt", "is for top-ups and carry-overs: an override holds for `periods`")
        return
    if amount <= 0:
        raise invalid("amount", "must be above 0")
    if window in _SHORT:
        raise invalid("window", f"{window} is a rate: use an override, or change the limit's amount")
    if kind is GrantKind.CARRY_OVER and window is Window.LIFETIME:
        raise invalid("window", "lifetime is never renewed, so nothing is carried over")
    _check_expiry(expires_at, window, now)


def _check_expiry(expires_at: datetime | None, window: Window, now: datetime) -> None:
    if expires_at is None:
        return
    if window is Window.LIFETIME:
        raise invalid("expiresAt", "needs periods: a grant holds to the end of the one in which it expires")
    if expires_at <= now:
        raise invalid("expiresAt", "must be in the future; to end a grant now, end it")
