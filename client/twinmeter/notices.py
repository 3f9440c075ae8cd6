"""The log of the client: each kind of thing is said once, so that a fault that never ends fills no log."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

MOST_KINDS = 100
"""Kinds that are remembered, and thus said. A server whose every reason differs is not worth more lines."""
_NUMBERS = re.compile(r"\d+")


class Notices:
    """What has been said already."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def once(self, kind: str, message: str, *, error: BaseException | None = None) -> None:
        """Log a warning, where none of this kind was. Kinds that differ in numbers alone are one. Never raises."""
        with suppress(Exception):  # of the application's handlers; there is nobody left to tell
            kind = _NUMBERS.sub("#", kind)
            if kind in self._said or len(self._said) >= MOST_KINDS:
                return
            self._said.add(kind)
            _log().warning(message, exc_info=error)

    def over(self, kind: str, message: str) -> None:
        """What was said of kinds that begin so holds no more: say so, and let it be said again. Never raises."""
        ended = {said for said in tuple(self._said) if said.startswith(kind)}
        if not ended:
            return
        self._said -= ended
        with suppress(Exception):  # as above
            _log().info(message)


def _log() -> Logger:
    from logging import getLogger  # noqa: PLC0415 - it would be half of the import of the package

    return getLogger("twinmeter")
