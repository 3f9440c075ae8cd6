"""What is sent and answered about API keys."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from app.auth.principals import Scope
from app.http.openapi import exemplified
from app.reports.rows import Row
from models import ApiKey
from models.base import camel
from models.fields import Moment, Name
from models.key_policy import KeyPolicy, OnDisconnect
from models.limits import Allowance, Limit
from routes.administration.limit_bodies import LimitBody

MOST_LIMITS = 20


class NewApiKey(KeyPolicy):
    """A key to create. Without `clientId`, of the caller's own client. A policy needs the scope `gateway`."""

    model_config = exemplified(
        {
            "name": "shop",
            "scopes": ["gateway"],
            "models": ["gpt-4o*"],
            "limits": [{"unit": "usd", "window": "month", "amount": 10}],
        }
    )

    name: Name
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    client_id: Name | None = None
    expires_at: Moment | None = None
    """Never, by default."""
    limits: Annotated[tuple[Allowance, ...], Field(max_length=MOST_LIMITS)] = ()
    """Of what is called or reported with this key; they are set with it, all or nothing."""

    @field_validator("expires_at")
    @classmethod
    def _to_come(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment <= datetime.now(UTC):
            raise PydanticCustomError("past", "must be in the future")
        return moment

    @model_validator(mode="after")
    def _of_the_gateway(self) -> Self:
        given = [name for name in KeyPolicy.model_fields if name in self.model_fields_set]
        if given and Scope.GATEWAY not in self.scopes:
            reason = f"is for keys with the scope {Scope.GATEWAY}"
            raise PydanticCustomError("policy", "{reason}", {"field": camel(given[0]), "reason": reason})
        return self

    @property
    def policy(self) -> KeyPolicy:
        return KeyPolicy(**{name: getattr(self, name) for name in KeyPolicy.model_fields})


class KeyChange(KeyPolicy):
    """What changes of a key's policy; what is left out stays."""

    model_config = exemplified({"models": ["gpt-4o*", "claude-*"]})

    def given(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in KeyPolicy.model_fields if name in self.model_fields_set}


class PolicyBody(Row):
    """What a key may ask of the gateway: each null for keys without the scope `gateway`."""

    models: list[str] | None
    """Names, and globs with `*`; null also where it may use every model."""
    user_from_body: bool | None
    """Whether the body may name the end user."""
    cache: bool | None
    cache_seconds: int | None
    cache_tools: bool | None
    on_disconnect: OnDisconnect | None
    content_type: str | None
    """Of calls that name none; null for that of the operation."""


class ApiKeyBody(PolicyBody):
    """One key, without its text, which nobody can retrieve."""

    id: str
    """The public part of its text."""
    name: str
    client_id: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    """Within a minute."""
    revoked_at: datetime | None

    @classmethod
    def of(cls, stored: ApiKey, **more: Any) -> Self:
        policy = dict.fromkeys(KeyPolicy.model_fields) if stored.policy is None else stored.policy.model_dump()
        return cls(
            id=stored.key_id,
            name=stored.name,
            client_id=stored.client_id,
            scopes=stored.scopes,
            created_at=stored.created_at,
            created_by=stored.created_by,
            expires_at=stored.expires_at,
            last_used_at=stored.last_used_at,
            revoked_at=stored.revoked_at,
            **policy,
            **more,
        )


class MadeApiKey(ApiKeyBody):
    """A key that was just created."""

    key: str
    """The key itself, which is shown only this once."""
    limits: list[LimitBody]
    """Those that were set with it. `GET /api/admin/limits?keyId=ID` has them from now on."""

    @classmethod
    def made(cls, stored: ApiKey, text: str, limits: list[Limit]) -> Self:
        return cls.of(stored, key=text, limits=[LimitBody.of_limit(limit) for limit in limits])
