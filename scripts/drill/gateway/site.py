"""What the drill takes place in: a server that is a gateway, the stand-in for its upstreams, keys, and users with
limits.
"""

import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from app.auth.principals import Scope
from models.limits import LimitFilter
from models.subjects import user_subject
from scripts.drill.limits.checks import Law, Meter
from scripts.drill.limits.cohorts import created
from scripts.drill.limits.kinds import Limited
from scripts.drill.server import LOCAL, ROOT, DrillError, Server

CLIENT = "drill"
LIMITS = (Limited("requests", 8), Limited("tokens", 4_000))
"""Of users in turn. Money is not among them: what is asked to fail has no price."""
ADMIN_SECONDS = 30.0
PROVIDER_KEY = "sk-of-the-provider-itself"
_FILE = """
[upstreams.openai]
key_file = "provider-key"
base_url = "{address}/v1"
models = ["gpt-*", "whisper-*", "tts-*", "dall-e-*", "text-embedding-*"]

[upstreams.openai-eu]
key_file = "provider-key"
format = "openai"
provider = "openai"
base_url = "{address}/v1"
models = ["nothing-*"]

[upstreams.anthropic]
key_file = "provider-key"
base_url = "{address}"
models = ["claude-*"]

[upstreams.gemini]
key_file = "provider-key"
base_url = "{address}"
models = ["gemini-*"]

[models.twice]
to = "openai/gpt-4o--error=503"
fallbacks = ["openai-eu/gpt-4o-mini"]

[defaults]
chat = "gpt-4o-mini"
"""


class Site:
    """One server, and who may ask it."""

    def __init__(self, folder: Path, uri: str, provider: str, users: int) -> None:
        """`provider` is the stand-in's address; so many `users` have limits of their own."""
        file = folder / "gateway.toml"
        file.write_text(_FILE.format(address=provider))
        (folder / "provider-key").write_text(PROVIDER_KEY)
        more = {
            "TWINMETER_GATEWAY_FILE": str(file),
            "TWINMETER_LOG_LEVEL": "debug",
            "TWINMETER_RATE_LIMIT": "0",
            "TWINMETER_GATEWAY_CACHE_SHARED": "true",
        }
        own = folder / "server"
        own.mkdir()
        self.server = Server(own, uri, more=more)
        self.canary = f"kanarie{secrets.token_hex(6)}z"
        """A part of every word that is said, and of no other."""
        self.users = users
        self.keys: dict[str, str] = {}
        """Texts of keys, by their names: what becomes of a call whose client has left."""
        self.laws: dict[Meter, Law] = {}

    async def furnish(self) -> None:
        """Make keys and limits, by a server that answers. Raises DrillError."""
        async with httpx.AsyncClient(timeout=ADMIN_SECONDS, trust_env=False, verify=LOCAL) as http:
            for name, policy in POLICIES.items():
                body = {"name": name, "scopes": [Scope.GATEWAY.value], "clientId": CLIENT, **policy}
                self.keys[name] = (await created(http, self.server, "/api/admin/keys", body))["key"]
            for user in range(self.users):
                await self._limit(http, f"limited-{user}", LIMITS[user % len(LIMITS)])

    async def _limit(self, http: httpx.AsyncClient, user: str, limited: Limited) -> None:
        made = await created(http, self.server, "/api/admin/limits", limited.body({"userId": user}))
        meter = user_subject(user), limited.unit, LimitFilter().text, limited.window
        self.laws[meter] = Law(made["id"], Decimal(limited.amount), loose=False)


POLICIES: Mapping[str, dict[str, Any]] = {
    "drain": {"onDisconnect": "drain"},
    "cancel": {"onDisconnect": "cancel"},
    "cache": {"onDisconnect": "drain", "cache": True},
}


@contextmanager
def stand_in() -> Iterator[str]:
    """The address of a provider in a process of its own. Raises DrillError."""
    command = [sys.executable, "-m", "scripts.provider", "--no-log"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    try:
        assert process.stdout is not None  # noqa: S101 - as piped
        if not (said := process.stdout.readline()):
            raise DrillError("the stand-in for a provider could not start")
        yield said.split()[-1]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
