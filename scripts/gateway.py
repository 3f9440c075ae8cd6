"""Check the gateway's file before a server reads it, and say which model goes where.

Use it after every change of the file, and in a deployment's own tests: it is read as the server reads it, with the same
environment for its keys, and whatever is wrong is told by line, table and field. It connects to nothing, writes
nothing, and prints no key. FILE is that of TWINMETER_GATEWAY_FILE if none is given.

    python -m scripts.gateway check
    python -m scripts.gateway check deploy/gateway.example.toml --model gpt-4o --model fast
    python -m scripts.gateway check --json

Exit status: 0 it can be used, 3 it can be, but there is something to look at or nobody serves a --model, 1 it cannot.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

from app.errors import ConfigurationError
from app.gateway.formats.base import Api, GatewayError
from app.gateway.upstreams.building import Surroundings, built
from app.gateway.upstreams.catalog import Catalog
from app.gateway.upstreams.file import SETTING, read
from app.gateway.upstreams.upstream import Target, Upstream
from app.pricing.seller_names import SellerNames
from app.pricing.token_prices import TokenPrices
from app.settings import Settings
from scripts.toolkit import command
from scripts.toolkit.job import FOUND, table_of


def main() -> int:
    parser = command.parser("gateway", __doc__)
    does = parser.add_subparsers(dest="does", required=True, metavar="WHAT")
    check = does.add_parser("check", help="read the file, and say what is wrong or where models go")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="instead of the deployment's own")
    check.add_argument("--model", action="append", default=[], metavar="NAME", help="where it goes; repeatable")
    check.add_argument("--json", action="store_true", help="print all of it as JSON")
    arguments = parser.parse_args()
    return command.run(lambda settings: _check(arguments, settings))


async def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    path: Path | None = arguments.file or settings.gateway_file
    if path is None:
        raise ConfigurationError(f"there is no FILE, and {SETTING} is not set: name one of them")
    catalog = built(read(path), Surroundings.of(settings))
    found: dict[str, Any] = {
        "file": str(path),
        "unknownModels": "pass" if catalog.passes_unknown else "refuse",
        "upstreams": [_row(each) for each in catalog.upstreams.values()],
        "names": [{"name": name, "goes to": _joined(targets)} for name, targets in catalog.aliases.items()],
        "models": [row for name in arguments.model for row in _resolved(catalog, name)],
        "notes": [*_notes(catalog)],
    }
    if arguments.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _show(found)
    return FOUND if found["notes"] or any(not row["goes to"] for row in found["models"]) else 0


def _row(upstream: Upstream) -> dict[str, Any]:
    return {
        "upstream": upstream.name,
        "format": str(upstream.api),
        "base URL": upstream.base_url,
        "key": upstream.key_source or "none is sent",
        "prices": upstream.provider,
        "models": ", ".join(upstream.models),
    }


def _resolved(catalog: Catalog, model: str) -> Iterator[dict[str, str]]:
    """For each API that serves a model, by whom; once without anybody where none does."""
    found = False
    for api in Api:
        try:
            targets = catalog.resolve(model, api)
        except GatewayError:
            continue
        found = True
        yield {"model": model, "asked as": str(api), "goes to": _joined(targets)}
    if not found:
        yield {"model": model, "asked as": "", "goes to": ""}


def _joined(targets: Sequence[Target]) -> str:
    return ", then ".join(str(target) for target in targets)


def _notes(catalog: Catalog) -> Iterator[str]:
    """What works, and may not be meant."""
    names, prices = SellerNames.packaged(), TokenPrices()
    for upstream in catalog.upstreams.values():
        url = urlsplit(upstream.base_url)
        if upstream.api is Api.OPENAI and not url.path.strip("/"):
            yield f"{upstream.name}: its base_url has no path; that of most servers ends with /v1"
        if upstream.key is not None and url.scheme == "http" and not _is_near(url.hostname or ""):
            yield f"{upstream.name}: its key goes over http://, where anybody on the way can read it"
        if upstream.key is None and url.scheme == "https":
            yield f"{upstream.name}: it is sent no key; key_env or key_file would name one"
        if names.of(upstream.provider) is None and not prices.knows_provider(upstream.provider):
            yield f"{upstream.name}: no price list has {upstream.provider}; provider names whose prices its calls have"
    for name, first, other in catalog.shadowed():
        yield f"{name}: {other.name} lists it, too, and is not asked: {first.name} comes first in the file"


def _is_near(host: str) -> bool:
    """Whether it is of a private network, or of this machine: by its address, or a name without a dot."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _show(found: dict[str, Any]) -> None:
    console = Console()
    console.print(f"{found['file']} can be used; unknown models {found['unknownModels']}", highlight=False)
    for name in ("upstreams", "names", "models"):
        if found[name]:
            rows = [{**row, "goes to": row["goes to"] or "nobody"} if "goes to" in row else row for row in found[name]]
            console.print(table_of(name, rows))
    for note in found["notes"]:
        console.print(f"look at {note}", highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
