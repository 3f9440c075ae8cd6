"""The keys with which applications report and read."""

from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.auth.api_keys import KeyRing
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from models.call import DEFAULT_CLIENT
from routes.schemas import ApiKeyBody, MadeApiKey, NewApiKey


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
        self, data: JSONBody[NewApiKey], api_keys: NamedDependency[KeyRing], request: Request[Principal, Any, Any]
    ) -> MadeApiKey:
        """The response contains the key itself, which cannot be retrieved again."""
        key, text = await api_keys.create(
            client=own_client(request.user, data.client_id) or DEFAULT_CLIENT,
            scopes=data.scopes,
            name=data.name,
            expires_at=data.expires_at,
            created_by=request.user.subject,
        )
        return MadeApiKey.of(key, key=text)

    @post("/{key_id:str}/revoke", summary="Revoke a key", status_code=200)
    async def revoke_key(
        self, key_id: FromPath[str], api_keys: NamedDependency[KeyRing], request: Request[Principal, Any, Any]
    ) -> ApiKeyBody:
        """Permanent; takes effect in every process within five seconds."""
        return ApiKeyBody.of(await api_keys.revoke(key_id, request.user.client))
