"""Which headers go on to an upstream, and which of its own come back: those that are named here, and no others.

What is not named may be a credential, say who the client is or who pays, or hold for one connection alone.
"""

import re
from collections.abc import Iterable

from app.gateway.formats.base import GatewayError, Headers

_TO_UPSTREAM = re.compile(
    rb"content-type|accept|user-agent|idempotency-key|traceparent|tracestate|openai-beta|x-goog-api-client"
    rb"|anthropic-[a-z0-9-]+|x-stainless-[a-z0-9-]+"
)
_TO_CLIENT = re.compile(
    rb"content-(?:type|encoding|language|disposition)|x-request-id|request-id|apim-request-id"
    rb"|retry-after(?:-ms)?|x-should-retry|(?:x-|anthropic-)?ratelimit(?:-[a-z0-9-]+)?"
)
_ONCE = frozenset({b"content-type", b"x-request-id"})
"""What may be there once: with two of them, each reader would take another."""
_PLAIN = re.compile(rb"[\t\x20-\x7e]*")
"""A value that is the same in every encoding, and ends no line."""


def forwarded(raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """What an upstream is sent of a client's headers, whose names are in lower case: nothing of a credential.

    Raises GatewayError for one that cannot be passed on as it stands.
    """
    raw = list(raw)
    for_one_hop = {
        name.strip().lower() for key, value in raw if key == b"connection" for name in value.split(b",") if name
    }
    kept: list[tuple[str, str]] = []
    said: dict[bytes, bytes] = {}
    for name, value in raw:
        if _TO_UPSTREAM.fullmatch(name) is None or name in for_one_hop:
            continue
        if _PLAIN.fullmatch(value) is None:
            raise _refused(name, "has characters that are not printable ASCII")
        if name in _ONCE and name in said:
            if said[name] != value:
                raise _refused(name, "is there twice, with different values")
            continue
        said[name] = value
        kept.append((name.decode("ascii"), value.decode("ascii")))
    return kept


def returned(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """What a client is sent of an upstream's headers, whose names are in lower case.

    How long the body is, is not among them: who sends it says that. What ends a line is left out.
    """
    kept: Headers = []
    said: set[bytes] = set()
    for name, value in raw:
        if _TO_CLIENT.fullmatch(name) is None or _PLAIN.fullmatch(value) is None or (name in _ONCE and name in said):
            continue
        said.add(name)
        kept.append((name, value))
    return kept


def _refused(name: bytes, why: str) -> GatewayError:
    return GatewayError(400, "invalid_header", f"the header {name.decode('ascii')} {why}", should_retry=False)
