"""The keys with which applications report, read, and call models."""

from typing import Any

from litestar import Controller, Request, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.auth.api_keys import KeyRing, Store
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.limits.defining.limits import LimitBook
from models import ApiKey
from models.call import DEFAULT_CLIENT
from models.limits import Limit
from routes.api_key_bodies import ApiKeyBody, KeyChange, MadeApiKey, NewApiKey


class ApiKeyController(Controller):
    """One client's administrator manages that client's keys; the deployment's, everyone's."""

    path = "/api/admin/keys"
    tags = ("keys",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List keys, including revoked ones")
    async def list_keys(
        self, api_keys: NamedDependency[KeyRing], scoped_client: NamedDependency[str | None]
    ) -> list[ApiKeyBody]:
        return [ApiKeyBody.of(key) for key in await api_keys.all(scoped_client)]

    @post("/", summary="Create a key")
    async def create_key(
        self,
        data: JSONBody[NewApiKey],
        api_keys: NamedDependency[KeyRing],
        limit_book: NamedDependency[LimitBook],
        request: Request[Principal, Any, Any],
    ) -> MadeApiKey:
        """The response contains the key itself, which cannot be retrieved again. Its `limits` are set with it: where
        one of them cannot be, there is no key either.
        """
        limits: list[Limit] = []

        async def together(key: ApiKey, store: Store) -> None:
            limits[:] = await limit_book.add_with_key(key, store, data.limits)

        key, text = await api_keys.create(
            client=own_client(request.user, data.client_id) or DEFAULT_CLIENT,
            scopes=data.scopes,
            name=data.name,
            expires_at=data.expires_at,
            created_by=request.user.subject,
            policy=data.policy,
            together=together if data.limits else None,
        )
        return MadeApiKey.made(key, text, limits)

    @patch("/{key_id:str}", summary="Change what a key may ask of the gateway")
    async def change_key(
        self,
        key_id: FromPath[str],
        data: JSONBody[KeyChange],
        api_keys: NamedDependency[KeyRing],
        request: Request[Principal, Any, Any],
    ) -> ApiKeyBody:
        """What is left out stays; `models: null` allows every model. In force in every process within two seconds, and
        at once in this one; calls under way keep what they began with.
        """
        return ApiKeyBody.of(await api_keys.change(key_id, data.given(), request.user.client))

    @post("/{key_id:str}/revoke", summary="Revoke a key", status_code=200)
    async def revoke_key(
        self, key_id: FromPath[str], api_keys: NamedDependency[KeyRing], request: Request[Principal, Any, Any]
    ) -> ApiKeyBody:
        """Permanent; takes effect in every process within five seconds: calls through the gateway that are under way
        are cut off, too.
        """
        return ApiKeyBody.of(await api_keys.revoke(key_id, request.user.client))
