"""How the C library hands out memory in this process."""

import ctypes

_ARENA_MAX = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""


def limit_arenas() -> bool:
    """Have all threads take memory from one arena. Returns whether the C library can do so: glibc can.

    glibc gives each thread an arena of its own, up to eight for each core, and an arena gives nothing back that another
    could use: the driver's threads, which hold a batch each for a moment, keep the most that any of them ever held.
    macOS and musl have no such setting. Call it before threads are started: arenas that are there stay.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_ARENA_MAX, 1) == 1
