"""The settings of a server, as they are: to look at, and changed in its environment alone."""

from typing import Any

from litestar import Controller, Request, get
from litestar.datastructures import State
from pydantic import SecretStr

from app.auth.middleware import requires
from app.auth.principals import Principal, Scope
from app.reports.rows import Row
from app.settings import Settings

SET = "set"
"""Instead of a secret."""
HIDDEN = frozenset({"mongodb_uri", "smtp_user"})
"""Which may have a password in them, or be one's name."""


class SettingBody(Row):
    """One setting."""

    name: str
    """Of the variable in the environment."""
    value: str | None
    """`set` for a secret; null where there is none."""
    source: str
    """`environment` (or the `.env` file), or `default`."""


class SettingList(Row):
    """All of them, by name; none for an administrator of one client."""

    settings: list[SettingBody]


class SettingsController(Controller):
    """For the deployment's administrator alone. No secret is ever in it."""

    path = "/api/admin/settings"
    tags = ("settings",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="This server's settings, and where each is from")
    async def list_settings(self, state: State, request: Request[Principal, Any, Any]) -> SettingList:
        settings: Settings = state.settings
        names = sorted(Settings.model_fields) if request.user.client is None else []
        return SettingList(settings=[_told(settings, name) for name in names])


def _told(settings: Settings, name: str) -> SettingBody:
    given = name in settings.model_fields_set
    value = getattr(settings, name)
    return SettingBody(
        name=f"TWINMETER_{name.upper()}",
        value=_written(name, value),
        source="environment" if given else "default",
    )


def _written(name: str, value: Any) -> str | None:
    if value is None or value in ((), {}, ""):
        return None
    if isinstance(value, SecretStr) or name in HIDDEN or "secret" in name:
        return SET
    if isinstance(value, dict):
        return ", ".join(f"{each}={value[each]}" for each in value)
    return ", ".join(map(str, value)) if isinstance(value, tuple | list | frozenset | set) else str(value)
