"""What a supervisor and its workers say to each other: lines of a word, and where it has one a text as JSON."""

READY = b"ready"
"""Of a worker: it answers."""
ALIVE = b"alive"
"""Of a worker: its event loop runs."""
ALIVE_SECONDS = 1.0
FAILED = b"failed"
"""Of a worker: it cannot start, and why."""
STOP = b"stop"
"""Of the supervisor: stop, after the drain."""
NOW = b"now"
"""Of the supervisor: do not wait any longer."""


def line(word: bytes, text: bytes = b"") -> bytes:
    return b"%b %b\n" % (word, text)
