"""More of an allowance: top-ups, carry-overs and overrides."""

from typing import Annotated, Any

from litestar import Controller, Request, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import InvalidRequestError
from app.limits.defining.grants import GrantBook
from models.plans import GrantKind
from routes.administration.grant_bodies import GrantBody, GrantChange, GrantList, NewGrant
from routes.administration.paging import PageSize, after_of, page_of
from routes.dependencies import Cursor, NameFilter, chosen

Asking = Request[Principal, Any, Any]


class GrantController(Controller):
    """A grant is for one limit, or for the allowance of whichever plan its subject has."""

    path = "/api/admin/grants"
    tags = ("grants",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List grants, the newest first")
    async def list_grants(
        self,
        request: Asking,
        grant_book: NamedDependency[GrantBook],
        *,
        user_id: Annotated[str | None, QueryParameter(name="userId", min_length=1, max_length=256)] = None,
        client_id: Annotated[str | None, QueryParameter(name="clientId", min_length=1, max_length=256)] = None,
        limit_id: Annotated[str | None, QueryParameter(name="limitId", min_length=1, max_length=256)] = None,
        kind: NameFilter = None,
        ended: Annotated[
            bool | None, QueryParameter(description="Only those that were ended, or were not; both by default.")
        ] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> GrantList:
        conditions = {
            "scope.userId": user_id,
            "limit": limit_id,
            "kind": chosen("kind", kind, GrantKind),
        }
        client = own_client(request.user, client_id)
        found = await grant_book.page(client, conditions, ended=ended, after=after_of(cursor), size=limit + 1)
        page, following = page_of(found, limit)
        return GrantList(grants=[GrantBody.of(one) for one in page], next_cursor=following)

    @get("/{grant_id:str}", summary="One grant")
    async def get_grant(
        self, grant_id: FromPath[str], request: Asking, grant_book: NamedDependency[GrantBook]
    ) -> GrantBody:
        return GrantBody.of(await grant_book.one(grant_id, own_client(request.user, None)))

    @post("/", summary="Grant something")
    async def make_grant(
        self, data: JSONBody[NewGrant], request: Asking, grant_book: NamedDependency[GrantBook]
    ) -> GrantBody:
        """A `top_up` is spent after the limit's own amount, soonest expiring first, and what is left of it stays for
        later periods until it expires. A `carry_over` brings what is left of each period into the next one, up to its
        amount. An `override` is another amount for some periods.
        """
        grant = await grant_book.add(
            data.kind,
            data.target(),
            data.amount,
            expires_at=data.expires_at,
            periods=data.periods,
            begin=data.begin,
            note=data.note,
            client=own_client(request.user, None),
            by=request.user.subject,
        )
        return GrantBody.of(grant)

    @patch("/{grant_id:str}", summary="Change a grant's note, or when it expires")
    async def change_grant(
        self,
        grant_id: FromPath[str],
        data: JSONBody[GrantChange],
        request: Asking,
        grant_book: NamedDependency[GrantBook],
    ) -> GrantBody:
        if not (changes := data.given()):
            raise InvalidRequestError("nothing to change: give at least one field")
        return GrantBody.of(await grant_book.change(grant_id, changes, client=own_client(request.user, None)))

    @post("/{grant_id:str}/end", summary="End a grant", status_code=200)
    async def end_grant(
        self, grant_id: FromPath[str], request: Asking, grant_book: NamedDependency[GrantBook]
    ) -> GrantBody:
        """From now on it gives nothing, in the current period too. Repeating it changes nothing."""
        return GrantBody.of(await grant_book.end(grant_id, client=own_client(request.user, None)))
