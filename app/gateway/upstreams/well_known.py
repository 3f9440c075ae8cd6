"""What need not be said of providers that everybody knows."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from models.globs import matches


class Provider(NamedTuple):
    """A row of `well_known.toml`."""

    format: str
    provider: str
    base_url: str | None = None
    key_env: str | None = None
    key_header: str | None = None
    stream_usage: Literal["asked", "given"] = "asked"
    hosts: tuple[str, ...] = ()
    """Globs of its hosts, where they are the customer's own."""
    hint: str = ""
    """What a base URL looks like that has to be given."""

    def is_at(self, url: SplitResult) -> bool:
        """Whether a URL is one of this provider's own: the origin is the same, or https and the host is its."""
        own, host = urlsplit(self.base_url or ""), url.netloc.lower()
        if self.base_url is not None and (own.scheme, own.netloc) == (url.scheme, host):
            return True
        return url.scheme == "https" and any(matches(each, host) for each in self.hosts)


@cache
def providers() -> dict[str, Provider]:
    """By the name of an upstream that is meant without a word more."""
    rows = tomllib.loads(files(__package__).joinpath("well_known.toml").read_text(encoding="utf-8"))
    return {name: Provider(**{**row, "hosts": tuple(row.get("hosts", ()))}) for name, row in rows.items()}


def known(name: str, provider: str | None, url: SplitResult | None) -> Provider | None:
    """The row for an upstream, by its provider, its name or its base URL."""
    rows = providers()
    if provider is not None:
        named = (row for row in rows.values() if row.provider == provider)
        return rows.get(provider) or next(named, None)
    return rows.get(name) or next((row for row in rows.values() if url and row.is_at(url)), None)
