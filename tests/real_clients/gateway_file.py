"""The upstreams of the gateway that is tried here: the stand-in in each of its forms."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.provider import Provider

UPSTREAM_KEY = "sk-of-the-upstream"


def settings_file(folder: Path, stand_in: Provider) -> dict[str, str]:
    """Settings of a server that is a gateway to the stand-in, in each of its forms."""
    file = folder / "gateway.toml"
    file.write_text("\n".join(_upstreams(stand_in.address)))
    return {"TWINMETER_GATEWAY_FILE": str(file), "STAND_IN_KEY": UPSTREAM_KEY}


def _upstreams(address: str) -> Iterator[str]:
    rows: Sequence[tuple[str, str, str, list[str]]] = [
        ("groq", "openai", "/groq/openai/v1", ["llama-*", "whisper-large-*", "playai-*"]),
        ("mistral", "openai", "/mistral/v1", ["mistral-*", "voxtral-*"]),
        ("anthropic", "anthropic", "", ["claude-*"]),
        ("gemini", "gemini", "", ["gemini-*"]),
        ("openai", "openai", "/v1", ["*"]),
    ]
    for name, form, path, models in rows:
        provider = "google" if name == "gemini" else name
        yield f'[upstreams.{name}]\nformat = "{form}"\nbase_url = "{address}{path}"\nprovider = "{provider}"'
        yield f'key_env = "STAND_IN_KEY"\nmodels = {json.dumps(models)}'
