"""Limits that administrators set beside plans."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from app.auth.api_keys import Store
from app.database import Session
from app.errors import ConflictError, invalid
from app.limits.defining.owners import own_scope, owner_of
from app.limits.defining.storage import Owner, Storage, changed, made, new_id
from models import ApiKey
from models.limits import LIMITS, Allowance, Limit, LimitScope, Window
from models.moments import moment_now

FIXED = ("scope", "filter", "unit", "window", "timezone")
"""What says what is counted: another of these is another limit."""


Beside = Callable[[Session | None, Limit], Awaitable[None]]
"""Stores what belongs to a limit, in the same transaction."""


async def _nothing(session: Session | None, limit: Limit) -> None:  # noqa: ARG001 - it is what others do more in
    return


class LimitBook(Storage[Limit]):
    """The stored limits."""

    shape, collection, what = Limit, LIMITS, "limit"

    async def add(
        self, scope: LimitScope, allowance: Allowance, *, client: str | None, by: str, beside: Beside = _nothing
    ) -> Limit:
        """Set a limit. Raises InvalidRequestError, NotAllowedError, DatabaseUnavailableError, and as `beside` does."""
        scope = own_scope(scope, client)
        limit = _limit(scope, allowance, by)
        owner = await owner_of(self.database, scope, client)

        async def insert(session: Session | None, version: int) -> None:
            await self._insert(limit, owner, version, session)
            await beside(session, limit)

        await self._change(insert)
        return limit

    async def add_with_key(self, key: ApiKey, store: Store, allowances: Sequence[Allowance]) -> list[Limit]:
        """Have a new key stored, by `store`, and limits of what is done with it, all or nothing.

        Raises InvalidRequestError and DatabaseUnavailableError.
        """
        scope = LimitScope(key_id=key.key_id)
        owner = Owner(scope.subject or "", key.client_id)
        limits = [_limit(scope, each, key.created_by, f"limits.{place}.") for place, each in enumerate(allowances)]

        async def insert(session: Session | None, version: int) -> None:
            for limit in limits:
                await self._insert(limit, owner, version, session)
            await store(session)  # last: where there are no transactions, no key is ever without its limits

        await self._change(insert)
        return limits

    async def change(
        self,
        id_: str,
        changes: Mapping[str, Any],
        *,
        client: str | None,
        seen: str | None = None,
        beside: Beside = _nothing,
    ) -> Limit:
        """Another amount, or another outcome. What is used and held stays; a higher amount tells its alerts again.

        Raises NotFoundError, InvalidRequestError, ConflictError where it has ended or, where it is not of
        the version that was `seen`, and DatabaseUnavailableError.
        """
        after: list[Limit] = []

        async def update(session: Session | None, version: int) -> None:
            before = await self.one(id_, client, session)
            if before.ended_at is not None:
                raise ConflictError(f"limit {before.id} has ended: make another one")
            await self._check_version(before, seen, session)
            limit = changed(before, changes)
            if limit.amount > before.amount:
                limit = limit.model_copy(update={"generation": before.generation + 1})
            await self._replace(limit, version, session)
            await beside(session, limit)
            after[:] = [limit]

        await self._change(update)
        return after[0]

    async def end(self, id_: str, *, client: str | None, beside: Beside = _nothing) -> Limit:
        """From now on it holds for nobody. Repeating it changes nothing. Raises NotFoundError."""
        after: list[Limit] = []

        async def update(session: Session | None, version: int) -> None:
            limit = await self.one(id_, client, session)
            if limit.ended_at is None:
                limit = limit.model_copy(update={"ended_at": moment_now()})
                await self._replace(limit, version, session)
            await beside(session, limit)
            after[:] = [limit]

        await self._change(update)
        return after[0]


def _limit(scope: LimitScope, allowance: Allowance, by: str, place: str = "") -> Limit:
    """Raises InvalidRequestError, for a field of what was sent at this place."""
    if allowance.window is Window.PERIOD and scope.subscription is None:
        message = 'period is that of a subscription: use month, or the scope {"subscription": ID}'
        raise invalid(f"{place}window", message)
    fields = {name: getattr(allowance, name) for name in Allowance.model_fields}
    return made(Limit, {**fields, "id": new_id(), "scope": scope, "created_at": moment_now(), "created_by": by})
