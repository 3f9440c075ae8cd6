"""The shell of every page: markup without data, public. Figures are requested by whoever has signed in."""

from collections.abc import Collection
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.template.config import TemplateConfig

from app.web.assets import Assets

PATH = "/admin"
HOME = "home"
NOWHERE = "not-found"
TABS = {
    "ai-monitoring": "AI monitoring",
    "executive": "Executive",
    "operations": "Operations",
    "models": "Models",
    "users": "Users",
    "finance": "Finance",
    "campaigns": "Campaigns",
    "experiments": "Experiments",
    "retention": "Retention",
    "months": "Month reports",
    "technical": "Technical",
    "analytics": "Analytics",
    "data-quality": "Data quality",
    "calls": "Calls",
    "gateway": "Gateway",
    "alerts": "Alerts",
}
"""Every tab in the order of the menu: the last part of its address, and its title."""
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


def page(slug: str, assets: Assets, root: str) -> Template:
    """The page of a tab, the main page for `HOME`; for any other name a page that says so, with 404.

    `root` is the prefix under which a proxy serves this deployment; scripts read it from their own address.
    """
    known = slug == HOME or slug in TABS
    tab = slug if known else NOWHERE
    context = {
        "tab": tab,
        "title": {HOME: "Overview", NOWHERE: "Not found"}.get(tab) or TABS[tab],
        "root": root,
        "tabs": [
            {"slug": each, "title": title, "href": f"{root}{PATH}/{each}", "current": each == tab}
            for each, title in TABS.items()
        ],
        "asset": lambda name: root + assets.url(name),
    }
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return Template("shell.html", context=context, headers=headers, status_code=200 if known else 404)


def usage_page(assets: Assets, root: str, embedding: Collection[str]) -> Template:
    """The page of a user's own usage, which pages of the origins `embedding` may frame."""
    ancestors = " ".join(["'self'", *embedding])
    headers = {"Content-Security-Policy": _policy(**{"frame-ancestors": ancestors})}
    context = {"root": root, "asset": lambda name: root + assets.url(name)}
    return Template("usage.html", context=context, headers=headers)
