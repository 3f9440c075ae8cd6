"""Clients of providers that report each of their calls: `client = twinmeter.wrap(openai.OpenAI())`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from twinmeter.client import current
from twinmeter.wrapping.operations import ENFORCE, ON_REFUSED

if TYPE_CHECKING:
    from twinmeter.enforcement import OnRefused

_MODULES = {"openai": "openai", "groq": "groq", "mistralai": "mistral", "anthropic": "anthropic", "google": "google"}
"""By the package of the client's class: the module here that knows it."""
MARK = "_twinmeter_fields"
"""Where a wrapped client has the fields of its calls."""

AnyClient = TypeVar("AnyClient")


def wrap(
    client: AnyClient, *, enforce: bool | None = None, on_refused: OnRefused | None = None, **fields: Any
) -> AnyClient:
    """Report each model call of this client. Returns the same client, of the same type, which behaves as before.

    Clients are those of `openai` (also Azure's), `groq`, `mistralai`, `anthropic` and `google-genai`, sync and async.
    `fields` of `twinmeter.track` hold for each call, unless `twinmeter.context` says otherwise: `user_id`,
    `content_type`, `provider` and so on. Without a user a call is counted for `anonymous`, and without a content type
    by what was called: `chat`, `embedding`, `image-generation`, `transcription` or `speech`.

    With `enforce` the server is asked before each call, by the most that it can take: `max_tokens` and its like, and
    the bytes of the request. Where it refuses, `QuotaExceeded` is raised before the provider is called; or what
    `on_refused` raises, which is handed the decision.

    Wrapped twice, a call is still reported once; the fields of the last time hold. What `copy.copy` makes of a client
    is not wrapped, but can be. A client that is not known is left as it is, and a line logged. Never raises.
    """
    told = {ENFORCE: enforce, ON_REFUSED: on_refused}
    fields.update({name: value for name, value in told.items() if value is not None})
    try:
        own = vars(client)
        known = own.get(MARK)
        if known is not None:
            known.update(fields)
            return client
        module = _module_of(client)
        own[MARK] = fields
        try:
            module.wrap(client, fields)
        except BaseException:
            own.pop(MARK, None)
            raise
    except Exception as error:
        kind = f"{type(client).__module__}.{type(client).__qualname__}"
        current().say(f"wrap {kind}", f"calls of {kind} are not reported: {error}")
    return client


def _module_of(client: Any) -> Any:
    for kind in type(client).__mro__:
        name = _MODULES.get(kind.__module__.partition(".")[0])
        if name is not None:
            return import_module(f"twinmeter.wrapping.{name}")
    raise TypeError(f"no client that can be wrapped; those of {', '.join(_MODULES)} can")
