"""The shell of every page: markup without data, public. Figures are requested by whoever has signed in."""

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.template.config import TemplateConfig

from app.settings import Settings
from app.web.assets import Assets

PATH = "/admin"
PYTHON = os.path.relpath(sys.executable)
"""The interpreter that runs this deployment, as one writes it where it was started."""
HOME = "overview"
NOWHERE = "not-found"
PLACES = {
    HOME: ("Overview", {}),
    "cost": (
        "Cost",
        {
            "revenue": "Revenue",
            "margins": "Margins",
            "forecast": "Forecast",
            "changes": "What changed",
            "months": "Month reports",
        },
    ),
    "usage": (
        "Usage",
        {
            "features": "Features",
            "models": "Models",
            "users": "Users",
            "conversations": "Conversations",
            "campaigns": "Campaigns",
            "experiments": "Experiments",
            "retention": "Retention",
        },
    ),
    "reliability": ("Reliability", {"latency": "Latency", "data-quality": "Data quality", "system": "System"}),
    "calls": ("Calls", {}),
    "settings": (
        "Settings",
        {
            "keys": "API keys",
            "prices": "Prices",
            "limits": "Limits",
            "audit": "Audit trail",
            "server": "Server",
            "alerts": "Alerts",
            "gateway": "Gateway",
        },
    ),
}
"""Every place in the order of the menu with its title, and the views beside its first one with theirs."""
MOVED = {
    "executive": HOME,
    "ai-monitoring": "usage",
    "operations": "reliability",
    "models": "usage/models",
    "users": "usage/users",
    "finance": "cost",
    "campaigns": "usage/campaigns",
    "experiments": "usage/experiments",
    "retention": "usage/retention",
    "months": "cost/months",
    "technical": "reliability/system",
    "analytics": "usage/conversations",
    "data-quality": "reliability/data-quality",
    "gateway": "settings/gateway",
    "alerts": "settings/alerts",
}
"""Where what had an address of its own up to 0.10 is today."""


class View(NamedTuple):
    """One page: `slug` is its place, and where it is not the first there its own name, such as `cost/margins`."""

    slug: str
    title: str

    @property
    def path(self) -> str:
        """Its address."""
        return PATH if self.slug == HOME else f"{PATH}/{self.slug}"


def _views(place: str, title: str, others: dict[str, str]) -> list[View]:
    return [View(place, title), *(View(f"{place}/{name}", each) for name, each in others.items())]


VIEWS = {place: _views(place, title, others) for place, (title, others) in PLACES.items()}
"""Every view by its place, the first one of each first."""
_BY_SLUG = {view.slug: view for views in VIEWS.values() for view in views}
DOCS_PATH = "/docs"
"""The API reference."""
USAGE_PATH = "/usage"
"""One user's own usage, which pages of other origins may frame."""
_SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def _policy(**more: str) -> str:
    return "; ".join(f"{kind} {allowed}" for kind, allowed in {**_SOURCES, **more}.items())


CONTENT_SECURITY_POLICY = _policy()
"""Nothing from elsewhere, and no script or style inside the markup: a name with markup in it stays a name."""


def templates() -> TemplateConfig[JinjaTemplateEngine]:
    """Where pages come from. A name that a template uses and nobody gave is an error."""
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))


def moved(slug: str, query: str) -> str | None:
    """The address below the prefix that an older one with this query string leads to; None where it was none.

    Finance had its views in its query.
    """
    if slug not in MOVED:
        return None
    given = parse_qsl(query, keep_blank_values=True)
    named = dict(given).get("view")
    view = f"cost/{named}" if slug == "finance" and f"cost/{named}" in _BY_SLUG else MOVED[slug]
    kept = urlencode([(name, value) for name, value in given if name != "view"])
    return f"{_BY_SLUG[view].path}{'?' if kept else ''}{kept}"


class SignInWords(NamedTuple):
    """What the page that signs in says of this deployment."""

    provider: str | None
    """The name of the identity provider; None where there is none."""
    hours: int
    """How long a session lasts, at most."""
    command: str
    """What makes a token here."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a deployment."""
        issuer = settings.oidc_issuer
        name = None if issuer is None else settings.oidc_name or urlsplit(issuer).hostname
        return cls(name, settings.session_hours, f"{PYTHON} -m scripts.create_token --role admin --user YOU")


def page(slug: str, assets: Assets, root: str, words: SignInWords, who: Mapping[str, Any] | None) -> Template:
    """The page of a view; for a slug that is none a page that says so, with 404.

    `root` is the prefix under which a proxy serves this deployment; scripts read it from their own address. `who` is
    what pages have to know about whoever has signed in, as JSON; None where that is not known.
    """
    view = _BY_SLUG.get(slug)
    context = {
        "tab": view.slug if view else NOWHERE,
        "place": slug.partition("/")[0] if view else NOWHERE,
        "title": view.title if view else "Not found",
        "root": root,
        "who": who,
        "places": VIEWS,
        "sign_in": words,
        "asset": lambda name: root + assets.url(name),
    }
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return Template("shell.html", context=context, headers=headers, status_code=200 if view else 404)


def refused_sign_in(assets: Assets, root: str, words: SignInWords, why: str, status: int) -> Template:
    """The page of a sign-in that failed, with the ways out."""
    said = f"{why[:1].upper()}{why[1:]}."
    context = {"root": root, "provider": words.provider, "why": said, "asset": lambda name: root + assets.url(name)}
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return Template("refused.html", context=context, headers=headers, status_code=status)


def docs_page(assets: Assets, root: str) -> Template:
    """The API reference, drawn from the description at `/schema`."""
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return Template("docs.html", context={"root": root, "asset": lambda name: root + assets.url(name)}, headers=headers)


def usage_page(assets: Assets, root: str, embedding: Collection[str]) -> Template:
    """The page of a user's own usage, which pages of the origins `embedding` may frame."""
    ancestors = " ".join(["'self'", *embedding])
    headers = {"Content-Security-Policy": _policy(**{"frame-ancestors": ancestors})}
    context = {"root": root, "asset": lambda name: root + assets.url(name)}
    return Template("usage.html", context=context, headers=headers)
