"""Whether a call may be answered from the cache: by its key, by its headers, and by what it asks."""

from dataclasses import dataclass

from app.gateway.formats.base import GatewayError, Headers, Operation, Wanted
from app.gateway.formats.members import Members
from models.key_policy import WEEK, KeyPolicy

HEADER = b"x-twinmeter-cache"
MOST_QUESTION_BYTES = 4_000_000
"""Of a body that is looked at as a whole, which takes a millisecond for each of these."""
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Wish:
    """What who asks wants of the cache."""

    seconds: float
    """For how long an answer may be given again; one that is older is not wanted either."""
    takes: bool = True
    """Whether a kept answer will do."""
    by_request: bool = False
    """Whether the request itself has asked for it, and so knows that its answers are the same each time."""


def wish_of(headers: Headers, policy: KeyPolicy) -> Wish | None:
    """What a request and its key want; None where nothing is to be taken or kept. Raises GatewayError (400).

    `x-twinmeter-cache` is `on`, `off` or a number of seconds, and goes before the key's policy; of `Cache-Control` a
    `no-store` keeps away from the cache, and with `no-cache` an answer is fetched anew.
    """
    asked, control = None, b""
    for name, value in headers:
        if name == HEADER:
            asked = _asked(value) if asked is None else _once()
        elif name == b"cache-control":
            control += b"," + value.lower()
    if asked is None:
        asked = policy.cache_seconds if policy.cache else 0.0
        by_request = False
    else:
        by_request = True
        asked = policy.cache_seconds if asked < 0 else asked
    if asked <= 0:
        return None
    directives = {each.strip() for each in control.split(b",")}
    if b"no-store" in directives:
        return None
    return Wish(min(asked, WEEK), b"no-cache" not in directives, by_request)


def may_be_kept(wanted: Wanted, wish: Wish, policy: KeyPolicy, size: int) -> bool:
    """Whether the answer to this may be given again."""
    return (
        wanted.counted
        and wanted.operation is not Operation.VIDEOS  # which says that something has begun
        and isinstance(wanted.source, Members)
        and size <= MOST_QUESTION_BYTES
        and (wanted.repeatable or wish.by_request)
        and (policy.cache_tools or not wanted.tools)
    )


def _asked(value: bytes) -> float:
    """Seconds; -1 for as many as the key says."""
    text = value.strip().lower()
    if text in {b"on", b"off"}:
        return -1.0 if text == b"on" else 0.0
    if not text.isdigit() or len(text) > _MOST_DIGITS:
        raise _refused("must be on, off or a number of seconds")
    return float(text)


def _once() -> float:
    raise _refused("is there twice")


def _refused(why: str) -> GatewayError:
    return GatewayError(400, "invalid_header", f"the header {HEADER.decode()} {why}", should_retry=False)
