"""Who acts in this task: an administrator whose request it answers, or a command. Nobody, in the server's own work."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from models.audit import Actor

_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


def act_as(actor: Actor) -> None:
    """From now on in this task."""
    _actor.set(actor)


@contextmanager
def acting_as(actor: Actor | None) -> Iterator[None]:
    """Within a block."""
    before = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(before)


def actor_here() -> Actor | None:
    """None for the server itself."""
    return _actor.get()
