"""What a request prefers (RFC 7240): how long its sender waits for the answer."""

import re

_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,6})"?\s*(?=[,;]|$)', re.ASCII | re.IGNORECASE)


def preferred_wait(prefer: str | None) -> int | None:
    """The seconds of `wait=` in a `Prefer` header; None where it says nothing of that. Of several the first counts."""
    found = None if prefer is None else _WAIT.search(prefer)
    return None if found is None else int(found[1])
