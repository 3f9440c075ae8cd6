"""From the file to upstreams: defaults, keys, and whether what is named is there."""

import os
import re
import socket
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values

from app.gateway.formats.base import Api
from app.gateway.upstreams.catalog import Catalog
from app.gateway.upstreams.file import UPSTREAM_NAME, Fault, ReadFile, UpstreamTable, header_faults
from app.gateway.upstreams.key import Key
from app.gateway.upstreams.targets import aliases_of
from app.gateway.upstreams.upstream import MODEL, Upstream
from app.gateway.upstreams.well_known import Provider, known
from app.settings import Settings

ENV_FILE = Path(".env")
_PORTS = {"http": 80, "https": 443}
_BRACES = re.compile("[{}]")
_OPERATIONS = ("/chat/completions", "/completions", "/responses", "/embeddings", "/messages", "/models")


class Surroundings(NamedTuple):
    """What a file is read in."""

    environment: Mapping[str, str]
    """Of it the keys are: the process's variables, and those of `.env` that it does not have."""
    host: str
    port: int
    public_url: str | None

    @classmethod
    def of(cls, settings: Settings) -> "Surroundings":
        kept = {name: value for name, value in dotenv_values(ENV_FILE).items() if value is not None}
        return cls({**kept, **os.environ}, settings.host, settings.port, settings.public_url)

    def are_at(self, url: SplitResult) -> bool:
        """Whether a URL leads to this very server, as far as it shows."""
        port = url.port or _PORTS[url.scheme]
        if self.public_url is not None:
            public = urlsplit(self.public_url)
            if url.hostname == public.hostname and port == (public.port or _PORTS[public.scheme]):
                return True
        return port == self.port and _is_this_machine(url.hostname or "", self.host)


def built(read: ReadFile, around: Surroundings) -> Catalog:
    """Raises GatewayFileError, with every fault."""
    faults: list[Fault] = []
    upstreams = []
    for name, table in read.file.upstreams.items():
        upstream, wrong = _upstream(name, table, read.path.parent, around)
        faults += wrong
        upstreams.append(upstream)
    aliases, wrong = aliases_of(read.file.models, {each.name: each for each in upstreams})
    if faults := [*faults, *wrong]:
        raise read.error(faults)
    catalog = Catalog(
        upstreams,
        aliases,
        passes_unknown=read.file.unknown_models == "pass",
        created=read.changed,
        defaults={name: model for name, model in read.file.defaults if model is not None},
    )
    if not catalog.passes_unknown:
        faults = [
            Fault(("defaults", kind), "names a model that no upstream serves")
            for kind, model in catalog.defaults.items()
            if catalog.row(model) is None
        ]
    if faults:
        raise read.error(faults)
    return catalog


def key_files(read: ReadFile) -> Iterator[Path]:
    """The files of keys that it names."""
    for table in read.file.upstreams.values():
        if table.key_file is not None:
            yield read.path.parent / table.key_file


def _upstream(name: str, table: UpstreamTable, folder: Path, around: Surroundings) -> tuple[Upstream, list[Fault]]:
    place = ("upstreams", name)
    own = _split(table.base_url)
    row = known(name, table.provider, own)
    faults = header_faults(name, table)
    if not UPSTREAM_NAME.fullmatch(name):
        faults.append(Fault(place, "is no name of an upstream: letters, digits and - . _, up to 64"))
    url = table.base_url or (row and row.base_url)
    form = table.format or (row and row.format)
    if url is None:
        faults.append(Fault((*place, "base_url"), f"is missing{f', {row.hint}' if row else ''}"))
    elif fault := _url_fault(url, around) or _version_fault(url, form):
        faults.append(Fault((*place, "base_url"), fault))
    if form is None:
        faults.append(Fault((*place, "format"), "is missing: openai, anthropic or gemini"))
    key, source, wrong = _key(place, table, _variable(table, row, own), folder, around)
    key_header = table.key_header or (row.key_header if row and form == row.format else None)
    upstream = Upstream(
        name=name,
        api=Api(form or Api.OPENAI),
        base_url=(url or "").rstrip("/"),
        provider=table.provider or (row.provider if row else name.lower()),
        key=key,
        key_source=source,
        key_header=key_header,
        models=tuple(table.models),
        stream_usage=table.stream_usage or (row.stream_usage if row else "asked"),
        headers=tuple(table.headers.items()),
        query=tuple(table.query.items()),
        connect_seconds=table.connect_seconds,
        first_byte_seconds=table.first_byte_seconds,
        silence_seconds=table.silence_seconds,
    )
    return upstream, faults + wrong


def _url_fault(text: str, around: Surroundings) -> str | None:
    url = _split(text)
    if url is None:
        return "is no address"
    if url.scheme not in _PORTS or not url.hostname or url.port == 0:
        return "must be an http:// or https:// address with a host, such as https://api.openai.com/v1"
    # the first that is true
    faults = {
        "has a user or a password in it: name the key in key_env or key_file instead": "@" in url.netloc,
        'has a query or a fragment: query = { name = "value" } is for what follows ?': "?" in text or "#" in text,
        f"may have {MODEL} in its path, and no other braces": bool(_BRACES.search(url.netloc + _without_model(url))),
        "ends with an operation: leave that out, the gateway adds it": url.path.rstrip("/").endswith(_OPERATIONS),
        "leads to this gateway itself: requests would go round in circles, so name a provider's": around.are_at(url),
    }
    return next((fault for fault, there in faults.items() if there), None)


def _version_fault(url: str, form: str | None) -> str | None:
    """OpenAI's SDK has the version in its base URL; those of others have it in the paths of their operations."""
    last = url.rstrip("/").rpartition("/")[2]
    if form in {"anthropic", "gemini"} and last in {"v1", "v1beta"}:
        return f"ends with {last}: leave that out, the gateway adds it for {form}"
    return None


def _split(text: str | None) -> SplitResult | None:
    """None of what is no address at all."""
    try:
        url = urlsplit(text or "")
        _ = url.port
    except ValueError:
        return None
    return url


def _without_model(url: SplitResult) -> str:
    return url.path.replace(MODEL, "")


def _is_this_machine(host: str, listening: str) -> bool:
    if host in {listening, "localhost", socket.gethostname().lower()} or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _key(
    place: tuple[str, str], table: UpstreamTable, variable: str | None, folder: Path, around: Surroundings
) -> tuple[Key | None, str | None, list[Fault]]:
    """The key, where it is from, and why it is not there."""
    if table.key_env is not None and table.key_file is not None:
        return None, None, [Fault((*place, "key_file"), "is there beside key_env: one of them has the key")]
    if table.key_file is not None:
        field, source, text, missing = "key_file", f"file {table.key_file}", *_file_text(folder / table.key_file)
    elif variable is not None:
        field, source, text = "key_env", f"env {variable}", around.environment.get(variable)
        missing = f"leads to {variable}, which is not in the server's environment, nor in its .env file"
    else:
        return None, None, []
    if text is None:
        return None, source, [Fault((*place, field), missing)]
    try:
        return Key(text), source, []
    except ValueError as error:
        return None, source, [Fault((*place, field), f"leads to a key that {error}")]


def _variable(table: UpstreamTable, row: Provider | None, own: SplitResult | None) -> str | None:
    """The variable that has the key. A provider's usual one is for its own host: its key goes nowhere else unasked."""
    if table.key_env is not None or row is None or own is None:
        return table.key_env
    return row.key_env if table.base_url is None or row.is_at(own) else None


def _file_text(path: Path) -> tuple[str | None, str]:
    try:
        return path.read_text(encoding="ascii"), ""
    except OSError as error:
        return None, f"names a file that cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return None, "names a file that is no text of ASCII"
