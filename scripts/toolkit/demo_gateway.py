"""The demo's gateway: a stand-in for providers answers on this machine, so that no key and no network is needed."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.auth.api_keys import KeyRing
from app.auth.principals import Scope
from app.database import Database
from app.settings import Settings
from scripts.provider import Provider

CLIENT = "demo"
_NAME = "make demo"
_KEY_VARIABLE = "TWINMETER_DEMO_PROVIDER_KEY"
_FILE = """# Written anew by each `make demo`. A real one: deploy/gateway.example.toml

[upstreams.openai]
base_url = "{address}/v1"
key_env = "{variable}"
models = [
  "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5", "gpt-5-mini", "gpt-image-1", "text-embedding-3-small", "sora-2",
  "gpt-*", "o1*", "o3*", "o4*", "text-embedding-*", "dall-e-*", "whisper-*", "tts-*", "sora-*",
]

[upstreams.anthropic]
base_url = "{address}"
key_env = "{variable}"
models = ["claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-*"]

[upstreams.gemini]
base_url = "{address}"
key_env = "{variable}"
models = ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-*"]

[upstreams.groq]
base_url = "{address}/groq/openai/v1"
key_env = "{variable}"
models = ["llama-3.3-70b-versatile", "llama-*"]

[upstreams.mistral]
base_url = "{address}/mistral/v1"
key_env = "{variable}"
models = ["mistral-small-latest", "mistral-*"]

[defaults]
chat = "gpt-4o-mini"
image = "gpt-image-1"
video = "sora-2"
"""


@asynccontextmanager
async def demo_gateway(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with a gateway to a stand-in, which runs meanwhile. Settings that have a gateway keep theirs."""
    if settings.gateway_file is not None:
        yield settings
        return
    stand_in = await Provider(keeps_log=False).start()
    try:
        os.environ[_KEY_VARIABLE] = "sk-demo"  # the stand-in takes any, but wants one as providers do
        file = settings.data_dir / "demo-gateway.toml"
        file.write_text(_FILE.format(address=stand_in.address, variable=_KEY_VARIABLE))
        yield settings.model_copy(update={"gateway_file": file})
    finally:
        await stand_in.stop()


async def demo_key(database: Database) -> str:
    """A key for the gateway. Those of earlier demos are revoked: nobody is told them again."""
    keys = KeyRing(database)
    for key in await keys.all(CLIENT):
        if key.name == _NAME and key.revoked_at is None:
            await keys.revoke(key.key_id, CLIENT)
    _, text = await keys.create(
        client=CLIENT, scopes={Scope.GATEWAY}, name=_NAME, expires_at=None, created_by="scripts.demo"
    )
    return text
