"""When a message that did not arrive is sent again: as Standard Webhooks recommends, with jitter."""

import random
from datetime import timedelta

PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""After the first attempt, after the second, ..."""
MOST_TRIES = len(PAUSES) + 1
JITTER = 0.1
"""Up to so much of a pause is added: many messages that failed together do not come again together."""


def pause_after(tries: int) -> timedelta | None:
    """How long to wait after so many attempts; None where there are no more."""
    if tries >= MOST_TRIES:
        return None
    return PAUSES[tries - 1] * (1 + random.uniform(0, JITTER))  # noqa: S311 - jitter, not a secret
