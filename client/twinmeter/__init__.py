"""Report AI calls to a twinmeter server: `twinmeter.track(user_id=..., content_type=..., model=..., ...)`.

Settings come from TWINMETER_URL and TWINMETER_KEY, or `twinmeter.configure`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twinmeter.api import counts, flush, track, track_ai_request
from twinmeter.client import Client, configure
from twinmeter.context import context
from twinmeter.receipts import Counts, Fault, Flushed, Receipt
from twinmeter.report import Report
from twinmeter.version import __version__

if TYPE_CHECKING:
    from twinmeter.flushing import flushed
    from twinmeter.integrations.asgi import asgi as asgi
    from twinmeter.integrations.django import django as django
    from twinmeter.integrations.langchain import langchain as langchain
    from twinmeter.integrations.litellm import litellm as litellm
    from twinmeter.integrations.wsgi import wsgi as wsgi
    from twinmeter.limits import Decision, QuotaExceeded, Reservation, acheck, check, reserve
    from twinmeter.tracked_call import call as call
    from twinmeter.wrapping import wrap as wrap

__all__ = [
    "Client",
    "Counts",
    "Decision",
    "Fault",
    "Flushed",
    "QuotaExceeded",
    "Receipt",
    "Report",
    "Reservation",
    "__version__",
    "acheck",
    "asgi",
    "call",
    "check",
    "configure",
    "context",
    "counts",
    "django",
    "flush",
    "flushed",
    "reserve",
    "track",
    "track_ai_request",
    "wrap",
    "wsgi",
]

_LATER = {
    "Decision": "limits",
    "QuotaExceeded": "limits",
    "Reservation": "limits",
    "acheck": "limits",
    "asgi": "integrations.asgi",
    "call": "tracked_call",
    "check": "limits",
    "django": "integrations.django",
    "flushed": "flushing",
    "langchain": "integrations.langchain",
    "litellm": "integrations.litellm",
    "reserve": "limits",
    "wrap": "wrapping",
    "wsgi": "integrations.wsgi",
}
"""Names that are loaded when they are used first, each with its module."""


if not TYPE_CHECKING:  # for who reads types there are no other names

    def __getattr__(name: str) -> Any:
        module = _LATER.get(name)
        if module is None:
            raise AttributeError(f"module 'twinmeter' has no attribute {name!r}")
        value = getattr(import_module(f"twinmeter.{module}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
