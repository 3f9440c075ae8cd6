"""What makes two requests the same question. Whatever is not in here, two tenants might get each other's answers by."""

import hashlib
from collections.abc import Iterable

from app.gateway.account import Whose
from app.gateway.formats.base import Wanted
from app.gateway.formats.members import Members
from app.gateway.upstreams.upstreams import Target

_VERSION = b"1"
"""Raised when what is kept, or its key, changes."""
_SAID_APART = frozenset({"model", "stream", "stream_options"})
"""Members that stand for something else: the target, how the answer comes, and whether it ends with its usage."""

Part = bytes | memoryview


def question_of(whose: Whose, wanted: Wanted, passed: Iterable[tuple[str, str]]) -> bytes:
    """All of a question but who is asked. `passed` is what else of the request says which answer it wants: headers of
    the API's versions and betas, parameters of the address.

    A member's value is compared byte for byte: no reading of it can make two requests one that a provider would tell
    apart. Their order does not matter.
    """
    source = wanted.source
    assert isinstance(source, Members)  # noqa: S101 - nothing else is a question
    options = source.value("stream_options") if wanted.stream else None
    if isinstance(options, dict):
        options = sorted((name, repr(value)) for name, value in options.items() if name != "include_usage")
    parts: list[Part] = [
        _VERSION,
        whose.client_id.encode(),
        _maybe(whose.key_id),
        whose.user_id.encode(),
        wanted.api.encode(),
        wanted.operation.encode(),
        b"%d%d" % (wanted.stream, wanted.asks_usage),
        repr(options or None).encode(),
    ]
    for name, value in sorted(passed):
        parts += [b"passed", name.encode(), value.encode()]
    for name, raw in sorted(source.items()):
        if name not in _SAID_APART:
            parts += [b"member", name.encode(), memoryview(raw)]
    return _digest(parts)


def key_of(question: bytes, target: Target) -> bytes:
    """The key of a question's answer by one target: another model, or another server, may answer otherwise."""
    upstream = target.upstream
    names = (upstream.provider, upstream.name, upstream.base_url, target.model)
    return _digest([question, *(name.encode() for name in names)])


def _maybe(text: str | None) -> bytes:
    return b"" if text is None else b"=" + text.encode()


def _digest(parts: Iterable[Part]) -> bytes:
    """Each part with its length before it: what is one part can be no other, and no two of them one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
