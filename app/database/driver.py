"""The driver with threads of its own: it works until the process is gone, also when `concurrent.futures` has ended.

An application's own clients keep those of Motor.
"""

import asyncio
import contextvars
import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from motor.core import AgnosticClient
from motor.frameworks import asyncio as motor_asyncio
from motor.metaprogramming import create_class_with_framework
from motor.motor_asyncio import AsyncIOMotorClient

from app.threads import DaemonThreads

Result = TypeVar("Result")

THREADS = 5 * (os.cpu_count() or 1)
"""As many as Motor has: they wait for MongoDB."""

_threads = DaemonThreads("driver", THREADS)
os.register_at_fork(after_in_child=_threads.renew)


class _Framework:
    """That of Motor for asyncio, but for the threads."""

    @staticmethod
    def run_on_executor(
        loop: asyncio.AbstractEventLoop, work: Callable[..., Result], *args: Any, **kwargs: Any
    ) -> "asyncio.Future[Result]":
        context = contextvars.copy_context()
        return loop.run_in_executor(_threads, partial(context.run, work, *args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(motor_asyncio, name)


_own = create_class_with_framework(AgnosticClient, _Framework(), __name__)
OwnClient = cast("type[AsyncIOMotorClient[dict[str, Any]]]", _own)
"""Motor's client in these threads. Its databases, collections and cursors are of the same kind."""
