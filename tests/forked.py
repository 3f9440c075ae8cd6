"""Programs that begin as a copy of a process which has loaded the code: to load it is most of what a server's start
costs, more than a second of CPU each time.

In all else they are processes of their own, with their own folder, environment, streams and end.
"""

import contextlib
import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import connection, reduction
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["app.main", "app.server", "app.workers.supervisor", "app.database.deployment"])


class _Stream:
    """A descriptor, which arrives as the number of its copy."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Any, tuple[Any]]:
        return _arrived, (reduction.DupFd(self._number),)


def _arrived(passed: Any) -> int:
    number: int = passed.detach()
    return number


def _become(arguments: list[str], folder: str | None, env: Mapping[str, str] | None, streams: dict[int, Any]) -> None:
    """Be `python -m ARGUMENTS…`."""
    for number, given in streams.items():
        os.dup2(given, number)
    for given in streams.values():
        os.close(given)
    if folder is not None:
        os.chdir(folder)
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


class Forked(subprocess.Popen[str]):
    """Starts `[sys.executable, "-m", …]` as a copy, and any other command as `subprocess.Popen` does."""

    _copy: Any = None

    def _execute_child(self, command: Any, *how: Any) -> None:
        if list(command[:2]) != [sys.executable, "-m"]:
            super()._execute_child(command, *how)  # type: ignore[misc]
            return
        folder, env, descriptors = how[4], how[5], how[9:15]
        given = {1: descriptors[3], 2: descriptors[5]}
        arguments = (
            list(command[2:]),
            None if folder is None else os.fspath(folder),
            None if env is None else dict(env),
            {number: _Stream(stream) for number, stream in given.items() if stream != -1},
        )
        # as a daemon, it does not outlive the suite
        self._copy = CONTEXT.Process(target=_become, args=arguments, daemon=True)
        self._copy.start()
        self.pid = self._copy.pid
        self._child_created = True
        self._close_pipe_fds(*descriptors)  # type: ignore[attr-defined]

    def _try_wait(self, flags: int) -> tuple[int, int]:
        if self._copy is None:
            waited: tuple[int, int] = super()._try_wait(flags)  # type: ignore[misc]
            return waited
        if not connection.wait([self._copy.sentinel], 0 if flags else None):
            return 0, 0
        code = self._copy.exitcode
        return self.pid, -code if code < 0 else code << 8

    def _internal_poll(self, *arguments: Any, **named: Any) -> int | None:
        if self._copy is None:
            return super()._internal_poll(*arguments, **named)  # type: ignore[misc, no-any-return]
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode
