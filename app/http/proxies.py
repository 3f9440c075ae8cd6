"""Behind proxies: who the caller is, which host it asked, and under which prefix, as trusted proxies say."""

from collections.abc import Collection, Sequence
from typing import Any, cast

from litestar.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.addresses import prefix_of
from app.errors import ConfigurationError
from app.observability.logs import Log

HOST, FORWARDED_HOST, FORWARDED_PREFIX = b"host", b"x-forwarded-host", b"x-forwarded-prefix"

log = Log(__name__)


class BehindProxies:
    """Sets a request's client, scheme, host and prefix (`root_path`) before it is routed.

    Both kinds of proxy are served: those that take the prefix off the path, and those that leave it on.
    """

    def __init__(self, app: ASGIApp, *, root_path: str, trusted: Sequence[str], own: Collection[str]) -> None:
        """`own` are the paths of the application's routes.

        Raises ConfigurationError where these begin with `root_path`: nobody could tell which of the two is meant.
        """
        self._root_path = root_path
        self._own = own
        if self._is_ours(root_path):
            raise ConfigurationError(
                f"TWINMETER_ROOT_PATH cannot be {root_path}, which is an address of the application itself"
            )
        # uvicorn's for X-Forwarded-For and X-Forwarded-Proto; its own copy would hide the proxy's address from us
        self._inner = ProxyHeadersMiddleware(cast("Any", app), list(trusted))
        self._ignored = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = self._root_path
        client = scope.get("client")
        if client is not None and client[0] in self._inner.trusted_hosts:
            forwarded = {name: value for name, value in scope["headers"] if name.startswith(b"x-forwarded-")}
            if (host := forwarded.get(FORWARDED_HOST)) is not None:
                _set_host(scope, host.partition(b",")[0].strip())
            prefix = prefix or self._usable(forwarded.get(FORWARDED_PREFIX, b"").decode("latin-1").strip(" "))
        if prefix:
            _set_prefix(scope, prefix)
        await self._inner(cast("Any", scope), cast("Any", receive), cast("Any", send))

    def _usable(self, forwarded: str) -> str:
        """A forwarded prefix; none where it is no plain path, since it becomes part of pages and redirects."""
        try:
            prefix = prefix_of(forwarded)
        except ValueError:
            prefix = None
        if prefix is not None and not self._is_ours(prefix):
            return prefix
        if not self._ignored:
            self._ignored = True  # said once: a client may have sent it
            log.warning("proxy.prefix_ignored", prefix=forwarded[:100])
        return ""

    def _is_ours(self, prefix: str) -> bool:
        return bool(prefix) and any(path == prefix or path.startswith(prefix + "/") for path in self._own)


def _set_prefix(scope: Scope, prefix: str) -> None:
    path = scope["path"]
    scope["root_path"] = prefix
    # ASGI wants the prefix on the path, and Litestar takes it off again
    if path != prefix and not path.startswith(prefix + "/"):
        scope["path"] = prefix + path


def _set_host(scope: Scope, host: bytes) -> None:
    scope["headers"] = [(HOST, host), *((name, value) for name, value in scope["headers"] if name != HOST)]
