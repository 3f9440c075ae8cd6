"""One upstream, as everything after the reading of the file knows it."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import quote, urlencode

from app.gateway.formats.base import Api, Format
from app.gateway.upstreams.key import Key
from models.globs import matches

MODEL = "{model}"
"""Stands in a base URL for the model's name: Azure's addresses of deployments have it in the middle."""
_NO_KEY = "\0"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider's server, as the file names it."""

    name: str
    api: Api
    base_url: str
    """Without a slash at the end; may have `{model}`."""
    provider: str
    """As price lists call it."""
    key: Key | None = None
    key_source: str | None = None
    """Where the key is from: `env NAME` or `file PATH`."""
    key_header: str | None = None
    """The header that carries the bare key, where it is not the API's own."""
    models: tuple[str, ...] = ("*",)
    """Globs of what it may be asked for by who names it, or names a model alone."""
    stream_usage: Literal["asked", "given"] = "asked"
    """Whether streams have to be asked for their usage, or tell it by themselves and refuse to be asked."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    connect_seconds: float = 10.0
    first_byte_seconds: float = 600.0
    silence_seconds: float = 300.0

    def serves(self, model: str) -> bool:
        return any(matches(glob, model) for glob in self.models)

    def url(self, path: str, model: str) -> str:
        """Where it is asked; `path` as `Format.path_for` gives it. The name of the model cannot leave its place."""
        address = self.base_url.replace(MODEL, quote(model, safe="")) + path
        if not self.query:
            return address
        return f"{address}{'&' if '?' in path else '?'}{urlencode(self.query)}"

    def headers_by(self, form: Format) -> list[tuple[str, str]]:
        """What it is sent beside the client's own headers: its key, its API's version, and those of the file."""
        text = _NO_KEY if self.key is None else self.key.reveal()
        own = form.headers_for(text)
        if self.key is None or self.key_header is not None:
            own = [(name, value) for name, value in own if text not in value]
        if self.key is not None and self.key_header is not None:
            own.append((self.key_header, text))
        return [*own, *self.headers]


class Target(NamedTuple):
    """Who is asked, and for which model by its own name."""

    upstream: Upstream
    model: str

    def __str__(self) -> str:
        return f"{self.upstream.name}/{self.model}"
