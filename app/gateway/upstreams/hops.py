"""Requests that go round in circles: each gateway that passes one on puts its name on it.

The file cannot show every circle, such as one by a name in DNS or by another gateway. `x-twinmeter-hop` has the names
of the gateways that a request came through, and one that finds its own refuses it.
"""

import hmac
import re
from hashlib import sha256

from app.gateway.formats.base import GatewayError

HEADER = "x-twinmeter-hop"
MOST = 8
"""Gateways in a row."""
_NAMES = re.compile(r"[0-9a-f,]+")
_LONGEST = 400


class Hops:
    """Of one deployment: its processes, and servers that share its secret, are one gateway."""

    def __init__(self, signing_secret: str) -> None:
        self._name = hmac.new(signing_secret.encode(), b"twinmeter: hops of the gateway", sha256).hexdigest()[:16]

    def onwards(self, came: str | None) -> str:
        """What the next one is told, given what this one was. Raises GatewayError: 508 `gateway_loop`."""
        if not came or not _NAMES.fullmatch(came):
            return self._name
        names = came[: _LONGEST + 1].split(",")
        if self._name in names or len(names) >= MOST or len(came) > _LONGEST:
            message = (
                "this request has come through this gateway before, so it would go round in circles: an upstream's "
                "base_url leads back here"
            )
            raise GatewayError(508, "gateway_loop", message, should_retry=False)
        return f"{came},{self._name}"
