"""The files that pages load, under addresses that change with their content: a browser caches each for ever."""

import asyncio
import gzip
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from swagger_ui_bundle import swagger_ui_path

from app.errors import NotFoundError
from app.web.bundle import VegaBundle
from app.web.modules import one_module

PATH = "/admin/static"
BUNDLE = "vega.js"
STYLE, CHARTS = "style.css", "charts.json"
"""Files that are sent as one, because a browser draws nothing before it has them all."""
FOLDER = Path(__file__).with_name("static")
CHARTS_FOLDER = Path(__file__).with_name("charts")
_SHEETS = ("layout", "controls", "parts", "charts", "tables", "overview", "states", "dialog", "finder", "print")
SHEETS = ("app.css", *(f"css/{name}.css" for name in _SHEETS))
"""What `style.css` is made of: later ones have the last word."""
APP = "app.js"
"""The dashboard: the module that starts it, and all others with it."""
APART = re.compile(r"theme\.js|docs/.*|panel/.*")
"""Scripts that are no modules of the dashboard: one runs before anything is painted, others are of other pages."""
EMBED = "twinmeter-usage.js"
"""The script of the panel that other pages show: one file of several, because it has one address that never changes."""
PANEL = tuple(f"panel/{name}.js" for name in ("text", "words", "feed", "styles", "nodes", "element"))
"""What `twinmeter-usage.js` is made of: modules that import only earlier ones of them, and share no names."""
_IMPORT = re.compile(rb"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(rb"^export ", re.MULTILINE)
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""What is served; a file of another kind is not. `Response` adds the charset of texts."""
FOR_EVER = "public, max-age=31536000, immutable"
FOR_A_WHILE = "public, max-age=3600, stale-while-revalidate=604800"
"""Of what has one address: an hour after an upgrade every page has today's, and none waits for it."""
EMBED_PATH = "/embed/twinmeter-usage.js"
VERSION_DIGITS = 16
REFERENCE = ("swagger-ui.css", "swagger-ui-bundle.js")
"""Swagger UI, from the installed package: below `docs/`."""


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    media_type: str
    content: bytes
    gzipped: bytes

    @cached_property
    def digest(self) -> str:
        """The same for the same content alone."""
        return hashlib.sha256(self.content).hexdigest()[:VERSION_DIGITS]


class Assets:
    """The files of this deployment, read once. Only what was there then has an address: no path leads elsewhere."""

    def __init__(self, data_dir: Path) -> None:
        files = {
            file.relative_to(FOLDER).as_posix(): file.read_bytes()
            for file in sorted(FOLDER.rglob("*"))
            if file.suffix in TYPES
        }
        style = b"".join(files.pop(name) for name in SHEETS)
        embed = _one_script(files[name] for name in PANEL)
        modules = {name: files.pop(name) for name in list(files) if name.endswith(".js") and not APART.fullmatch(name)}
        app = one_module(modules, APP)
        files |= {f"docs/{name}": (swagger_ui_path / name).read_bytes() for name in REFERENCE}
        self._files = {**files, APP: app, STYLE: style, CHARTS: _charts(), EMBED: embed}
        self._bundle = VegaBundle(data_dir)
        self._asked: dict[str, Asset] = {}
        self.version = _version(self._files, self._bundle.version)

    def url(self, name: str) -> str:
        """The address of a file, such as `app.js`. Raises KeyError where there is none."""
        if name != BUNDLE and name not in self._files:
            raise KeyError(name)
        return f"{PATH}/{self.version}/{name}"

    async def find(self, version: str, name: str) -> Asset:
        """A file of this version. Raises NotFoundError, and BundleUnavailableError.

        Another version's address is not answered with today's content: browsers would keep that under it.
        """
        if version != self.version or (name != BUNDLE and name not in self._files):
            raise NotFoundError("this version has no such file; reload the page")
        if name not in self._asked:
            self._asked[name] = await self._compressed(name)
        return self._asked[name]

    async def embed(self) -> Asset:
        """The script of the panel."""
        return await self.find(self.version, EMBED)

    async def _compressed(self, name: str) -> Asset:
        if name == BUNDLE:
            gzipped = await self._bundle.gzipped()
            return Asset(TYPES[".js"], await asyncio.to_thread(gzip.decompress, gzipped), gzipped)
        content = self._files[name]
        return Asset(TYPES[Path(name).suffix], content, await asyncio.to_thread(gzip.compress, content, mtime=0))


def _one_script(modules: Iterable[bytes]) -> bytes:
    """Several modules as one script without any names for others, which a page loads as a module or not."""
    inner = b"\n".join(_EXPORT.sub(b"", _IMPORT.sub(b"", module)) for module in modules)
    return b'(() => {\n"use strict";\n' + inner + b"})();\n"


def _charts() -> bytes:
    """Every spec by its name."""
    return json.dumps({file.stem: json.loads(file.read_bytes()) for file in sorted(CHARTS_FOLDER.iterdir())}).encode()


def _version(files: dict[str, bytes], bundled: str) -> str:
    digest = hashlib.sha256(bundled.encode())
    for name, content in files.items():
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:VERSION_DIGITS]


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header asks for gzip (RFC 9110, 12.5.3)."""
    for wish in accepted.lower().split(","):
        coding, _, weight = (part.strip() for part in wish.partition(";"))
        if coding in {"gzip", "x-gzip", "*"}:
            return not re.fullmatch(r"q=0(\.0*)?", weight)
    return False
